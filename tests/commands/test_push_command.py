"""`resin push` of a project with one service, on a stand-in device: what then runs, and what fails."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support import pushed_projects
from support.pushed_projects import RUNS, UNPRIVILEGED, Bench, events, single, write

pytestmark = pytest.mark.root

BREAKS = "FROM stand-in\n# a comment\nRUN echo before; printf 'so it ends'; exit 3\n"
CRASHES = 'FROM stand-in\nCMD ["sh", "-c", "echo no water; exit 3"]\n'
BARE = """
data = false
dbus = false
kernel_modules = false
firmware = false
environment = false
restart = "no"
network = "none"
"""


def identity(bench: Bench, name: str = "garden_main") -> str:
    return str(bench.container(name)["Id"])


# what the container gets


def test_a_container_gets_the_platform_defaults(bench: Bench, garden: Path) -> None:
    run = bench.push(garden)
    assert run.code == 0, run
    assert run.out.startswith(f"garden on {bench.device.address}: created main, ")
    known = bench.container("garden_main")
    host, labels = known["HostConfig"], known["Config"]["Labels"]
    assert (host["RestartPolicy"]["Name"], host["NetworkMode"]) == ("always", "host")
    assert set(host["Binds"]) == {
        "/mnt/data/resin-data/garden:/data",
        "/lib/modules:/lib/modules:ro",
        "/lib/firmware:/lib/firmware:ro",
        "/run/dbus:/host/run/dbus",
    }
    found = bench.environment("garden_main")
    for family in ("RESIN", "BALENA"):
        assert found[family] == "1"
        assert found[f"{family}_DEVICE_TYPE"] == "raspberrypi3"
        assert found[f"{family}_DEVICE_ARCH"] == "armv7hf"
        assert found[f"{family}_APP_NAME"] == "garden"
        assert found[f"{family}_SERVICE_NAME"] == "main"
    assert found["DBUS_SYSTEM_BUS_ADDRESS"] == "unix:path=/host/run/dbus/system_bus_socket"
    assert labels["io.resin-toolkit.app"] == "garden"
    assert labels["io.resin-toolkit.service"] == "main"
    assert labels["io.resin-toolkit.restart"] == "always"


def test_each_default_can_be_disabled(bench: Bench, garden: Path) -> None:
    write(garden, {"resin.toml": UNPRIVILEGED + BARE})
    assert bench.push(garden).code == 0
    known = bench.container("garden_main")
    host = known["HostConfig"]
    assert (host["RestartPolicy"]["Name"], host["NetworkMode"], host["Binds"]) == ("no", "none", None)
    assert set(bench.environment("garden_main")) == {"PATH"}


def test_run_settings(bench: Bench, garden: Path) -> None:
    more = 'volumes = ["stuff:/stuff"]\ncommand = ["sh", "-c", "echo mine; sleep 1000"]\n'
    write(garden, {"resin.toml": f'{UNPRIVILEGED}{more}env = {{ A = "1" }}\nstop_grace = 1\n'})
    assert bench.push(garden).code == 0
    assert "garden_stuff:/stuff" in bench.container("garden_main")["HostConfig"]["Binds"]
    assert bench.environment("garden_main")["A"] == "1"
    assert bench.logs("garden_main") == "mine\n"


def test_privileges_that_the_engine_refuses_are_dropped(bench: Bench, garden: Path) -> None:
    write(garden, {"resin.toml": "[run]\ngrace = 0.3\n"})
    run = bench.push(garden)
    assert run.code == 0, run
    known = bench.container("garden_main")
    is_refused = not known["HostConfig"]["Privileged"]
    assert ("refuses privileged mode for main, which runs without it" in run.err) is is_refused
    assert (known["Config"]["Labels"].get("io.resin-toolkit.without") == "privileged") is is_refused
    again = bench.push(garden)
    assert "unchanged main" in again.out
    assert "privileged" not in again.err


def test_data_is_kept_between_pushes(bench: Bench, garden: Path) -> None:
    assert bench.push(garden).code == 0
    bench.device.docker("exec", "garden_main", "sh", "-c", "echo kept >/data/file")
    write(garden, {"note": "second\n"})
    assert "replaced main" in bench.push(garden).out
    assert bench.device.docker("exec", "garden_main", "cat", "/data/file") == "kept\n"
    assert bench.logs("garden_main") == "second\n"


# what changes


def test_an_unchanged_project_is_not_redeployed(bench: Bench, garden: Path) -> None:
    bench.push(garden)
    before = identity(bench), bench.images()
    run = bench.push(garden, "--json")
    lines, last = events(run)
    assert lines == [{"event": "step", "service": "main", "step": "nothing to build"}]
    assert [service["change"] for service in last["data"]["services"]] == ["unchanged"]
    assert (identity(bench), bench.images()) == before


def test_a_changed_variable_replaces_the_container(bench: Bench, garden: Path) -> None:
    bench.push(garden)
    before, images = identity(bench), bench.images()
    run = bench.push(garden, "--env", "A=1")
    assert "Step 1" not in run.err
    assert "replaced main" in run.out
    assert (identity(bench) != before, bench.images()) == (True, images)


def test_a_container_that_was_stopped_is_started(bench: Bench, garden: Path) -> None:
    bench.push(garden)
    before = identity(bench)
    bench.device.docker("stop", "garden_main")
    assert "started main" in bench.push(garden).out
    assert identity(bench) == before
    assert bench.container("garden_main")["State"]["Running"]


# what fails


def test_a_failed_build_leaves_the_old_container(bench: Bench, garden: Path) -> None:
    bench.push(garden)
    before = identity(bench)
    write(garden, {"Dockerfile": BREAKS})
    run = bench.push(garden)
    assert (run.code, run.out) == (1, "")
    assert "error: The build of main failed at Dockerfile, line 3 (RUN echo before" in run.err
    assert run.err.count("\nbefore\n") == 1
    assert "so it ends" in run.err
    assert "Traceback" not in run.err
    assert (identity(bench), bench.container("garden_main")["State"]["Running"]) == (before, True)
    quiet = bench.push(garden, "--quiet")
    assert quiet.err.splitlines()[:2] == ["  before", "  so it ends"]
    assert "Step" not in quiet.err
    lines, last = events(bench.push(garden, "--json"))
    assert lines[-1] == {"event": "last-lines", "service": "main", "lines": ["before", "so it ends"]}
    assert (last["ok"], last["error"]["code"]) == (False, "build-failed")


def test_a_container_that_crashes_is_rolled_back(bench: Bench, garden: Path) -> None:
    bench.push(garden)
    before = identity(bench)
    write(garden, {"Dockerfile": CRASHES})
    run = bench.push(garden)
    assert run.code == 1
    assert "  no water\nerror: The new container of main failed: it exited with code 3" in run.err
    assert "hint: The old container was restored and is running." in run.err
    assert (identity(bench), bench.container("garden_main")["State"]["Running"]) == (before, True)
    assert bench.container("garden_main")["HostConfig"]["RestartPolicy"]["Name"] == "always"
    lines, last = events(bench.push(garden, "--json"))
    assert lines[-1] == {"event": "last-lines", "service": "main", "lines": ["no water"]}
    assert last["error"]["code"] == "push-failed"
    write(garden, {"Dockerfile": pushed_projects.SINGLE})
    assert bench.push(garden).code == 0


def test_a_container_that_crashes_stays_without_rollback(bench: Bench, garden: Path) -> None:
    bench.push(garden)
    before = identity(bench)
    write(garden, {"Dockerfile": CRASHES})
    run = bench.push(garden, "--no-rollback")
    assert run.code == 1
    assert "`resin logs --service main`" in run.err
    assert bench.containers() == ["garden_main"]
    assert identity(bench) != before


def test_a_first_push_that_fails_mentions_no_old_container(bench: Bench, garden: Path) -> None:
    write(garden, {"Dockerfile": BREAKS})
    run = bench.push(garden)
    assert run.code == 1
    assert "No container of it is running yet." in run.err


def test_a_container_that_cannot_start_has_a_reason(bench: Bench, garden: Path) -> None:
    write(garden, {"Dockerfile": 'FROM stand-in\nCMD ["nosuch"]\n'})
    run = bench.push(garden)
    assert run.code == 1
    assert 'failed: it cannot start: exec: "nosuch": executable file not found' in run.err
    write(garden, {"Dockerfile": "FROM stand-in\n"})
    run = bench.push(garden, "--json")
    error = events(run)[1]["error"]
    assert (run.code, error["code"]) == (1, "push-failed")
    assert error["message"] == "The image of main has no command to run."
    assert "CMD" in error["hint"]


def test_an_image_that_does_not_exist(bench: Bench, garden: Path) -> None:
    run = bench.push(garden, "--image", f"{bench.desk.address}:9/nosuch:1", "--json")
    assert run.code in (1, 3)
    assert "nosuch:1" in events(run)[1]["error"]["message"]
    assert bench.containers() == []


def test_colours_and_overwritten_lines_become_text(bench: Bench, garden: Path) -> None:
    step = r"RUN printf '\033[31mred\033[0m\n 10%%\r 99%%\n\033[2Jgone\n\007bell\n'"
    write(garden, {"Dockerfile": f"FROM stand-in\n{step}\nCMD {RUNS}\n"})
    for words in ([], ["--json"]):
        run = bench.push(garden, "--no-cache", *words)
        assert run.code == 0, run
        said = run.err if not words else "\n".join(x.get("text", "") for x in events(run)[0])
        assert {"red", " 99%", "gone", "\ufffdbell"} <= set(said.splitlines())
        assert "\x1b" not in said


# what is left, and what is told


@pytest.mark.parametrize("remembers", [True, False])
def test_only_images_of_earlier_pushes_are_removed(
    bench: Bench, garden: Path, tmp_path: Path, remembers: bool
) -> None:
    device = bench.device
    other = single(tmp_path / "yard", note="other\n")
    bench.push(other)
    device.docker("tag", "stand-in", "garden_main:mine")
    device.docker("tag", "stand-in", "somebody:1")
    foreign = subprocess.run(
        [*device.prefix, "docker", "build", "--quiet", "--label", "x=1", "-"],
        input=b"FROM stand-in\nENV FOREIGN=1\n", capture_output=True, check=True,
    ).stdout.decode().strip()  # fmt: skip
    device.start("foreign", "sleep 1000")
    before, containers = bench.images(), bench.containers()
    counts = []
    for number in range(4):
        write(garden, {"note": f"{number}\n"})
        run = bench.push(garden, "--json")
        assert run.code == 0, run
        if not remembers:
            shutil.rmtree(bench.desk.home / "state")
        counts.append(len(bench.images()))
    assert counts[1:] == [counts[0]] * 3
    assert before <= bench.images()
    assert foreign in bench.images()
    assert set(containers) < set(bench.containers())
    assert events(run)[1]["data"]["removed_images"] > 0
    tags = device.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert {"garden_main:mine", "somebody:1", "yard_main:latest"} <= set(tags)


def test_a_large_context_is_warned_of(bench: Bench, garden: Path) -> None:
    (garden / "node_modules").mkdir()
    with (garden / "node_modules" / "big").open("wb") as file:
        file.truncate(70 << 20)
    run = bench.push(garden, "--json")
    assert run.code == 0, run
    warnings = events(run)[1]["data"]["warnings"]
    [warning] = [each for each in warnings if each["code"] == "large-context"]
    assert "node_modules 70.0 MiB: add it to .dockerignore" in warning["message"]


def test_a_quiet_push_prints_only_its_result(bench: Bench, garden: Path) -> None:
    bench.resin("ps", bench.device.address)
    run = bench.push(garden, "--quiet")
    assert (run.code, run.err) == (0, "")
    assert len(run.out.splitlines()) == 1


def test_as_json(bench: Bench, garden: Path) -> None:
    lines, last = events(bench.push(garden, "--json"))
    assert {line["event"] for line in lines} == {"step", "output"}
    assert last["data"]["app"] == "garden"
    [service] = last["data"]["services"]
    assert service["container"] == identity(bench)
    assert service["image"] == bench.container("garden_main")["Image"]
    assert json.dumps(last).isascii()


def test_ps_names_the_image(bench: Bench, garden: Path) -> None:
    bench.push(garden)
    [shown] = bench.resin("ps", cwd=garden).out.splitlines()[1:]
    assert shown.split()[:2] == ["main", "garden_main:latest"]
    bench.device.docker("tag", "stand-in", "garden_main:latest")
    [shown] = bench.resin("ps", "--json", cwd=garden).data["containers"]
    assert shown["image"] == bench.container("garden_main")["Image"][7:19]
