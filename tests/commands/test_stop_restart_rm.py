"""`resin stop`, `restart` and `rm` on a stand-in device, with applications deployed by `resin push`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from device.desk import wait_for
from support.pushed_projects import RUNS, Bench, compose, single

pytestmark = pytest.mark.root

GARDEN = f"""\
services:
  web:
    build: .
    restart: always
    stop_grace_period: 2s
    networks: [front]
    volumes: [cache:/cache]
  db:
    image: stand-in
    command: {json.dumps(["sh", "-c", RUNS])}
    restart: unless-stopped
    stop_grace_period: 2s
    network_mode: host
  once:
    image: stand-in
    command: echo done
    network_mode: host
networks: {{front: {{}}}}
volumes: {{cache: {{}}}}
"""


@pytest.fixture
def garden(bench: Bench, tmp_path: Path) -> Path:
    project = compose(tmp_path / "garden", GARDEN)
    run = bench.push(project)
    assert run.code == 0, run
    return project


def running(bench: Bench) -> list[str]:
    return bench.containers("--filter", "status=running")


def policy(bench: Bench, name: str) -> str:
    return str(bench.container(name)["HostConfig"]["RestartPolicy"]["Name"])


def test_all_services_of_the_project(bench: Bench, garden: Path) -> None:
    run = bench.resin("stop", cwd=garden)
    assert run.code == 0, run
    assert run.out == (
        f"garden on {bench.device.address}: stopped db, once, web. Start it again with `resin restart`.\n"
    )
    assert running(bench) == []
    assert {policy(bench, f"garden_{name}") for name in ("db", "web")} == {"no"}
    run = bench.resin("restart", "--json", cwd=garden)
    assert run.data == {
        "device": bench.device.address,
        "app": "garden",
        "restarted": ["db", "once", "web"],
    }
    assert running(bench) == ["garden_db", "garden_web"]
    assert policy(bench, "garden_db") == "unless-stopped"
    assert policy(bench, "garden_web") == "always"
    assert policy(bench, "garden_once") == "no"


def test_services_by_name(bench: Bench, garden: Path) -> None:
    address = bench.device.address
    assert bench.resin("stop", address, "web", "once", "--json").data["stopped"] == ["once", "web"]
    assert running(bench) == ["garden_db"]
    before = bench.container("garden_db")["State"]["StartedAt"]
    assert bench.resin("restart", address, "db", cwd=garden).code == 0
    assert bench.container("garden_db")["State"]["StartedAt"] > before
    assert running(bench) == ["garden_db"]
    assert bench.container("garden_db")["State"]["Status"] == "running"


@pytest.mark.parametrize("command", ["stop", "restart", "rm"])
def test_what_is_not_there(bench: Bench, garden: Path, command: str) -> None:
    address = bench.device.address
    for words, told in (
        (["wbe"], "garden on {} has no service wbe."),
        (["--name", "yard"], "yard is not deployed on {}."),
    ):
        run = bench.resin(command, address, *words, "--yes", "--json", cwd=garden)
        assert (run.code, run.error["code"]) == (3, "service-not-found")
        assert run.error["message"] == told.format(address)
        assert "garden" in run.error["hint"] or "db, once, web" in run.error["hint"]
    assert running(bench) == ["garden_db", "garden_web"]


@pytest.mark.parametrize("command", ["stop", "restart", "rm"])
def test_a_device_with_no_or_several_applications(bench: Bench, tmp_path: Path, command: str) -> None:
    words = (command, bench.device.address, "--yes")
    run = bench.resin(*words, "--json", cwd=tmp_path)
    assert (run.code, run.error["code"]) == (3, "service-not-found")
    for name in ("garden", "yard"):
        bench.push(single(tmp_path / name))
    run = bench.resin(*words, "--json", cwd=tmp_path)
    assert (run.code, run.error["code"]) == (2, "device-ambiguous")
    assert "garden, yard" in run.error["message"]
    assert "--name" in run.error["hint"]
    assert bench.resin(*words, "--name", "yard", cwd=tmp_path / "garden").code == 0
    assert "garden_main" in running(bench)
    assert bench.resin(*words, cwd=tmp_path / "garden").code == 0


def test_a_stopped_application_stays_stopped_across_a_reboot(bench: Bench, garden: Path) -> None:
    bench.resin("stop", bench.device.address, "web", cwd=garden)
    bench.device.reboot()
    wait_for(lambda: running(bench) == ["garden_db"], "the container that was not stopped")
    assert bench.resin("restart", bench.device.address, "web", cwd=garden).code == 0
    assert policy(bench, "garden_web") == "always"
    bench.device.reboot()
    wait_for(lambda: running(bench) == ["garden_db", "garden_web"], "both containers")


def test_a_crash_looping_container(bench: Bench, tmp_path: Path) -> None:
    """It is stopped and started whatever it does at that moment."""
    project = single(tmp_path / "garden", Dockerfile='FROM stand-in\nCMD ["sh", "-c", "sleep 0.1; exit 3"]\n')
    bench.push(project, "--no-rollback")
    for _ in range(5):
        assert bench.resin("restart", cwd=project).code == 0
        assert policy(bench, "garden_main") == "always"
        run = bench.resin("stop", cwd=project)
        assert run.code == 0, run
        assert policy(bench, "garden_main") == "no"


def test_removal_requires_confirmation(bench: Bench, garden: Path) -> None:
    for words in ([], ["--json"], ["--no-input"]):
        run = bench.resin("rm", *words, cwd=garden)
        assert run.code == 4
    terminal = bench.desk.terminal("rm", cwd=garden)
    terminal.until(f"Remove db, once, web of garden from {bench.device.address}?")
    terminal.type("n\r")
    assert terminal.end() == 4
    assert running(bench) == ["garden_db", "garden_web"]


def test_an_application_is_removed_completely_and_nothing_else(
    bench: Bench, garden: Path, tmp_path: Path
) -> None:
    device = bench.device
    device.start("foreign", "sleep 1000")
    device.docker("network", "create", "foreign")
    yard = single(tmp_path / "yard")
    bench.push(yard)
    device.docker("exec", "yard_main", "touch", "/data/kept")
    bench.push(compose(tmp_path / "shed", GARDEN))
    device.docker("rm", "--force", "shed_web", "shed_db", "shed_once")
    images = bench.images()
    run = bench.resin("rm", "--yes", "--json", cwd=garden)
    assert run.data["removed"] == ["db", "once", "web"]
    assert bench.containers() == ["foreign", "yard_main"]
    names = device.docker("network", "ls", "--format", "{{.Name}}").split()
    assert {"foreign", "shed_front"} <= set(names)
    assert "garden_front" not in names
    assert device.docker("volume", "ls", "--quiet").split() == ["garden_cache", "shed_cache"]
    assert bench.images() < images
    tags = device.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert set(tags) == {"stand-in:latest", "yard_main:latest", "shed_web:latest"}
    assert bench.resin("rm", "--yes", cwd=yard).code == 0
    assert (device.folder / "data" / "resin-data" / "yard" / "kept").exists()


def test_one_service_is_removed(bench: Bench, garden: Path) -> None:
    assert bench.resin("rm", bench.device.address, "web", "--yes", cwd=garden).code == 0
    assert bench.containers() == ["garden_db", "garden_once"]
    run = bench.push(garden, "--json")
    assert '"change": "created"' in run.out
    assert running(bench) == ["garden_db", "garden_web"]
