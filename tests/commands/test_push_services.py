"""`resin push` of a project with several services, on a stand-in device."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.pushed_projects import RUNS, Bench, compose, events, write
from support.resin_command import Run

pytestmark = pytest.mark.root

CMD = json.dumps(["sh", "-c", RUNS])
FAILS = json.dumps(["sh", "-c", "echo no water; exit 3"])
GARDEN = f"""\
services:
  web:
    build: .
    restart: always
    stop_grace_period: 2s
    environment: {{COLOUR: blue}}
    networks: {{front: {{aliases: [site]}}}}
    volumes: [cache:/cache]
    depends_on: [db]
  db:
    image: stand-in
    command: {CMD}
    restart: unless-stopped
    networks: [front, back]
    ports: ["8080:80", "127.0.0.1:53:53/udp"]
networks: {{front: {{}}, back: {{}}}}
volumes: {{cache: {{}}}}
"""


def services(**described: str) -> str:
    """A compose file; each service has the image `stand-in`, and runs on where nothing else is said."""
    lines = ["services:"]
    for name, text in described.items():
        lines += [f"  {name}:", "    image: stand-in", "    network_mode: host", "    stop_grace_period: 2s"]
        lines += [f"    command: {CMD}"] if "command" not in text else []
        lines += [f"    {line}" for line in text.splitlines() if line]
    return "\n".join(lines) + "\n"


def changes(run: Run) -> dict[str, str]:
    """What became of each service, by a run with --json."""
    assert run.code == 0, run
    data = json.loads(run.out.splitlines()[-1])["data"]
    return {service["service"]: service["change"] for service in data["services"]}


def test_dependencies_of_a_selected_service_are_deployed_too(bench: Bench, tmp_path: Path) -> None:
    project = compose(tmp_path / "garden", services(web="depends_on: [db]", db="", other=""))
    assert changes(bench.push(project, "--json", "--service", "web")) == {"db": "created", "web": "created"}
    assert bench.containers() == ["garden_db", "garden_web"]


def test_services_with_networks_volumes_and_ports(bench: Bench, tmp_path: Path) -> None:
    project = compose(tmp_path / "garden", GARDEN)
    assert changes(bench.push(project, "--json")) == {"db": "created", "web": "created"}
    assert bench.containers() == ["garden_db", "garden_web"]
    for name in ("db", "site"):
        found = bench.device.docker("exec", "garden_web", "ping", "-c", "1", name)
        assert "1 packets received" in found
    web, db = bench.container("garden_web"), bench.container("garden_db")
    assert set(db["NetworkSettings"]["Networks"]) == {"garden_front", "garden_back"}
    assert db["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}],
        "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "53"}],
    }
    assert db["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert web["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert web["HostConfig"]["Binds"] == ["garden_cache:/cache"]
    assert not web["HostConfig"]["Privileged"]


def test_only_changed_services_are_replaced_and_obsolete_ones_removed(bench: Bench, tmp_path: Path) -> None:
    project = compose(tmp_path / "garden", GARDEN)
    bench.push(project)
    first = bench.container("garden_db")["Id"]
    write(project, {"compose.yaml": GARDEN.replace("blue", "red")})
    assert changes(bench.push(project, "--json")) == {"db": "unchanged", "web": "replaced"}
    assert bench.container("garden_db")["Id"] == first
    assert bench.environment("garden_web")["COLOUR"] == "red"
    write(project, {"compose.yaml": services(db="")})
    run = bench.push(project, "--json")
    assert changes(run) == {"web": "removed", "db": "replaced"}
    assert bench.containers() == ["garden_db"]
    networks = bench.device.docker("network", "ls", "--format", "{{.Name}}").split()
    assert not [name for name in networks if name.startswith("garden")]
    assert bench.device.docker("volume", "ls", "--quiet").split() == ["garden_cache"]


def test_services_wait_for_their_dependencies(bench: Bench, tmp_path: Path) -> None:
    check = 'healthcheck: {test: [CMD, "test", "-e", "/ready"], interval: 200ms, retries: 50}'
    text = services(
        web="depends_on:\n"
        "  db: {condition: service_healthy}\n"
        "  once: {condition: service_completed_successfully}\n"
        "  plain: {condition: service_started}",
        db=f'command: sh -c "sleep 1; touch /ready; {RUNS}"\n{check}',
        once='command: sh -c "sleep 1; echo done"',
        plain="",
    )
    run = bench.push(compose(tmp_path / "garden", text), "--json")
    assert set(changes(run).values()) == {"created"}
    known = {name: bench.container(f"garden_{name}")["State"] for name in ("web", "db", "once", "plain")}
    assert known["db"]["Health"]["Status"] == "healthy"
    assert known["web"]["StartedAt"] > known["once"]["FinishedAt"]
    assert known["web"]["StartedAt"] > known["plain"]["StartedAt"]
    again = bench.push(tmp_path / "garden", "--json")
    assert set(changes(again).values()) == {"unchanged"}


def test_an_unmet_condition_blocks_only_its_dependents(bench: Bench, tmp_path: Path) -> None:
    text = services(
        web="depends_on: {once: {condition: service_completed_successfully}}",
        once=f"command: {json.dumps(['sh', '-c', 'sleep 1; exit 4'])}",
        other="",
    )
    run = bench.push(compose(tmp_path / "garden", text), "--json")
    assert run.code == 1
    error = events(run)[1]["error"]
    assert error["code"] == "push-failed"
    assert error["message"] == (
        "web was not started, because its dependency once failed: it exited with code 4."
    )
    assert bench.containers() == ["garden_once", "garden_other"]


def test_a_failed_service_leaves_the_others_alone(bench: Bench, tmp_path: Path) -> None:
    project = compose(tmp_path / "garden", services(web="", db="", third=""))
    bench.push(project)
    write(project, {"compose.yaml": services(web=f"command: {FAILS}", db="environment: {A: 1}", third="")})
    run = bench.push(project)
    assert run.code == 1
    assert "error: The new container of web failed" in run.err
    assert "  no water\n" in run.err
    assert bench.containers("--filter", "status=running") == ["garden_db", "garden_third", "garden_web"]
    assert bench.environment("garden_db")["A"] == "1"


def test_selected_services_only(bench: Bench, tmp_path: Path) -> None:
    project = compose(tmp_path / "garden", services(web="", db="", third=""))
    assert changes(bench.push(project, "--service", "db", "--json")) == {"db": "created"}
    run = bench.push(project, "--service", "db", "--service", "web", "--env", "A=1", "--json")
    assert changes(run) == {"db": "replaced", "web": "created"}
    assert bench.containers() == ["garden_db", "garden_web"]
    run = bench.push(project, "--service", "dbb", "--json")
    assert (run.code, run.out.count("\n")) in ((2, 1), (3, 1))
    assert "dbb" in run.error["message"]
    assert "db" in run.error["hint"]


def test_a_service_that_joins_the_network_of_another(bench: Bench, tmp_path: Path) -> None:
    text = services(web="", side="").replace("network_mode: host", "networks: [n]", 1)
    text = text.replace("network_mode: host", "network_mode: service:web") + "networks: {n: {}}\n"
    project = compose(tmp_path / "garden", text)
    assert set(changes(bench.push(project, "--service", "side", "--json"))) == {"web", "side"}
    web = bench.container("garden_web")["Id"]
    assert bench.container("garden_side")["HostConfig"]["NetworkMode"] == f"container:{web}"
    write(project, {"compose.yaml": text.replace("  web:\n", "  web:\n    environment: {A: 1}\n")})
    assert changes(bench.push(project, "--json")) == {"web": "replaced", "side": "replaced"}
    assert bench.containers("--filter", "status=running") == ["garden_side", "garden_web"]


def test_a_service_that_joins_the_network_of_a_replaced_one_is_recreated(
    bench: Bench, tmp_path: Path
) -> None:
    text = services(web="", side="").replace("network_mode: host", "networks: [n]", 1)
    text = text.replace("network_mode: host", "network_mode: service:web") + "networks: {n: {}}\n"
    project = compose(tmp_path / "garden", text)
    bench.push(project)
    run = bench.push(project, "--service", "web", "--env", "A=1", "--json")
    assert changes(run) == {"web": "replaced", "side": "replaced"}
    web = bench.container("garden_web")["Id"]
    assert bench.container("garden_side")["HostConfig"]["NetworkMode"] == f"container:{web}"
    assert "A" not in bench.environment("garden_side")


def test_a_build_removes_no_images_of_another_service(bench: Bench, tmp_path: Path) -> None:
    """What a stage has made is no part of the image, and all the same what the next build begins with."""
    described = "".join(
        f"  {name}:\n    build: {{context: {name}}}\n    network_mode: host\n" for name in ("one", "two")
    )
    dockerfile = (
        "FROM stand-in AS made\nENV OF={}\nRUN echo {} >/made\n"
        f"FROM stand-in\nCOPY --from=made /made /made\nCOPY note /note\nCMD {CMD}\n"
    )
    files = {f"{name}/Dockerfile": dockerfile.format(name, name) for name in ("one", "two")}
    notes = {f"{name}/note": "first" for name in ("one", "two")}
    project = write(compose(tmp_path / "garden", f"services:\n{described}"), {**files, **notes})
    bench.push(project)
    for words in ([], ["--service", "one"]):
        write(project, {"one/note": f"changed {words}"})
        assert bench.push(project, *words).code == 0
    write(project, {"two/note": "changed"})
    run = bench.push(project)
    assert run.code == 0, run
    steps = [line for line in run.err.splitlines() if line.startswith("two | ")]
    made = steps.index(next(line for line in steps if "RUN echo two" in line))
    assert steps[made + 1] == "two |  ---> Using cache"
    before = len(bench.images())
    write(project, {"two/note": "changed again", "one/note": "changed again"})
    bench.push(project)
    assert len(bench.images()) == before
    bench.resin("rm", "--yes", cwd=project)
    assert len(bench.images()) == 1


def test_builds_with_their_arguments_and_stages(bench: Bench, tmp_path: Path) -> None:
    text = """\
services:
  one:
    build: {context: code, dockerfile: Other, target: first, args: {A: given}}
    network_mode: host
  two:
    build: ./code
    image: two:1
    network_mode: none
    env_file: [vars]
"""
    runs = f'CMD ["sh", "-c", "echo $SAID; {RUNS}"]\n'
    files = {
        "code/Other": f"FROM stand-in AS first\nARG A\nENV SAID=$A\n{runs}FROM stand-in\nRUN exit 1\n",
        "code/Dockerfile.template": f"FROM stand-in\nENV SAID=%%BALENA_SERVICE_NAME%%\n{runs}",
        "vars": "FROM_FILE=x y\n",
    }
    run = bench.push(write(compose(tmp_path / "garden", text), files))
    assert run.code == 0, run
    assert [bench.logs(f"garden_{name}").strip() for name in ("one", "two")] == ["given", "two"]
    assert bench.environment("garden_two")["FROM_FILE"] == "x y"
    assert "two | Step 1/" in run.err
    assert bench.device.docker("images", "--quiet", "two:1").strip()


def test_profiles(bench: Bench, tmp_path: Path) -> None:
    project = compose(tmp_path / "garden", services(web="", debug="profiles: [debug]"))
    assert set(changes(bench.push(project, "--json"))) == {"web"}
    assert set(changes(bench.push(project, "--json", COMPOSE_PROFILES="debug"))) == {"web", "debug"}


def test_an_override_file(bench: Bench, tmp_path: Path) -> None:
    over = "services:\n  web:\n    environment: {OVER: '1'}\n"
    project = compose(tmp_path / "garden", services(web="environment: {A: '1'}"))
    for name in ("compose.override.yaml", "docker-compose.dev.yml"):
        write(project, {name: over})
        assert changes(bench.push(project, "--json"))["web"] in ("created", "replaced", "unchanged")
        found = bench.environment("garden_web")
        assert (found["A"], found["OVER"]) == ("1", "1")
        (project / name).unlink()


def test_the_socket_of_the_engine(bench: Bench, tmp_path: Path) -> None:
    project = compose(tmp_path / "garden", services(web="labels: {io.balena.features.balena-socket: '1'}"))
    assert changes(bench.push(project, "--json")) == {"web": "created"}
    assert bench.container("garden_web")["HostConfig"]["Binds"] == [
        "/var/run/docker.sock:/host/run/balena-engine.sock"
    ]
    shown = bench.device.docker("exec", "garden_web", "sh", "-c", "ls -l ${DOCKER_HOST#unix://}")
    assert shown.startswith("s")


def test_an_invalid_compose_file(bench: Bench, tmp_path: Path) -> None:
    for text, told in (
        ("services:\n  web:\n    imagee: stand-in\n", "compose.yaml:3"),
        (services(web="depends_on: [db]"), "names db, which is not a service"),
        ("services: [\n", "compose.yaml:"),
    ):
        run = bench.push(compose(tmp_path / "garden", text), "--json")
        assert (run.code, run.error["code"]) == (2, "compose-invalid")
        assert told in run.error["message"]
    assert bench.containers() == []


def test_a_port_conflict(bench: Bench, tmp_path: Path) -> None:
    text = services(web='ports: ["8080:80"]', db='ports: ["127.0.0.1:8080:81"]')
    project = compose(tmp_path / "garden", text.replace("network_mode: host", "networks: [n]"))
    with (project / "compose.yaml").open("a") as file:
        file.write("networks: {n: {}}\n")
    run = bench.push(project, "--json")
    assert (run.code, run.error["code"]) == (2, "compose-invalid")
    assert run.error["message"] == "compose.yaml: web and db both publish port 8080 of the device."
    other = (project / "compose.yaml").read_text().replace(":81", ":81/udp")
    write(project, {"compose.yaml": other})
    assert bench.push(project).code == 0


def test_unsupported_settings_are_warned_of(bench: Bench, tmp_path: Path) -> None:
    project = compose(tmp_path / "garden", services(web="environment: {A: 'x$NOWHERE'}"))
    run = bench.push(project, "--json")
    assert run.code == 0, run
    warnings = events(run)[1]["data"]["warnings"]
    [warning] = [each for each in warnings if each["code"] == "compose-variable-unset"]
    assert "NOWHERE" in warning["message"]
    assert "compose.yaml:7" in warning["message"]
    assert f"warning: {warning['message']}" in bench.push(project).err


def test_an_external_volume_must_exist(bench: Bench, tmp_path: Path) -> None:
    text = services(web="volumes: [v:/v]") + "volumes: {v: {external: true, name: shared}}\n"
    project = compose(tmp_path / "garden", text)
    run = bench.push(project, "--json")
    assert run.code == 3
    assert "has no volume shared" in events(run)[1]["error"]["message"]
    bench.device.docker("volume", "create", "shared")
    assert changes(bench.push(project, "--json")) == {"web": "created"}


def test_a_variable_is_never_printed(bench: Bench, tmp_path: Path) -> None:
    secret = "hunter2-hunter2"
    project = compose(tmp_path / "garden", services(web=f"environment: {{TOKEN: {secret}}}"))
    for words in ([], ["--json"], ["--dry-run"], ["--dry-run", "--json"]):
        run = bench.push(project, *words)
        assert run.code == 0, run
        assert secret not in run.out + run.err
