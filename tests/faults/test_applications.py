"""Faults of `resin stop`, `restart` and `rm`: nothing to act on, no confirmation, a lost connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pushed_projects import SINGLE, Bench, single

from faults.conditions import RunningCommand
from faults.table import Fault, fault
from resin_toolkit.errors import Exit

COMMANDS = "stop restart rm"
NOTHING = "lists what the device has; changes nothing"


@pytest.fixture(scope="module")
def pushed(made: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project that runs on the device, which takes a second to stop."""
    slow = SINGLE.replace("'exit 0'", "'sleep 1; exit 0'")
    project = single(tmp_path_factory.mktemp("pushed") / "garden", Dockerfile=slow)
    assert made.push(project).code == 0
    yield project
    made.clear()


@pytest.fixture
def runs_on(made: Bench, pushed: Path) -> Iterator[Path]:
    """The project, which is found running afterwards."""
    yield pushed
    assert made.containers("--filter", "status=running") == ["garden_main"]


@fault(COMMANDS, "no such service", Exit.NOT_FOUND, "service-not-found", NOTHING, ["none"])
@fault(
    COMMANDS,
    "no such application",
    Exit.NOT_FOUND,
    "service-not-found",
    NOTHING,
    ["--name", "none"],
)
def test_what_is_not_there(fault: Fault, made: Bench, runs_on: Path) -> None:
    words = (fault.command, made.device.address, *fault.given, "--yes", "--json")
    fault.met(made.resin(*words, cwd=runs_on), "none")


@fault(COMMANDS, "nothing is deployed on the device", Exit.NOT_FOUND, "service-not-found", NOTHING)
def test_an_empty_device(fault: Fault, bench: Bench, tmp_path: Path) -> None:
    bench.clear()
    fault.met(bench.resin(fault.command, bench.device.address, "--yes", "--json", cwd=tmp_path))


@fault(
    "rm",
    "the prompt is declined or not possible",
    Exit.REFUSED,
    "declined",
    "asks for confirmation, or requires `--yes`; removes nothing",
)
def test_no_confirmation(fault: Fault, made: Bench, tmp_path: Path) -> None:
    project = single(tmp_path / "garden")
    assert made.push(project).code == 0
    for stdin in (b"", b"y\n"):
        fault.met(made.resin("rm", made.device.address, "--json", cwd=project, stdin=stdin), "--yes")
    assert made.containers("--filter", "status=running") == ["garden_main"]
    made.clear()


@fault(
    COMMANDS,
    "the connection is lost midway",
    Exit.UNREACHABLE,
    "unreachable",
    "reports it; the same command completes the work",
)
def test_a_lost_connection(fault: Fault, bench: Bench, tmp_path: Path) -> None:
    device = bench.device
    project = single(tmp_path / "garden", Dockerfile=SINGLE.replace("'exit 0'", "'sleep 1; exit 0'"))
    assert bench.push(project).code == 0
    words = (fault.command, device.address, "--yes")
    with RunningCommand(*words, prefix=bench.desk.prefix, env=bench.desk.environment, cwd=project) as begun:
        begun.until_shown("main …")
        begun.until_asleep()
        device.kill_sockets(device.engine_port or 0)
        fault.met_in_text(begun.end(), device.address)
    assert bench.resin(*words, cwd=project).code == 0
    left = bench.containers("--filter", "status=running")
    assert left == (["garden_main"] if fault.command == "restart" else [])


@pytest.fixture(scope="module")
def two(made: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two applications that run on the device; a folder that is neither's."""
    made.clear()
    folder = tmp_path_factory.mktemp("two")
    for name in ("garden", "yard"):
        assert made.push(single(folder / name)).code == 0
    yield folder
    made.clear()


@fault(COMMANDS, "the device has several applications", Exit.USAGE, "device-ambiguous", NOTHING)
def test_several(fault: Fault, made: Bench, two: Path) -> None:
    fault.met(made.resin(fault.command, made.device.address, "--yes", "--json", cwd=two), "garden, yard")
    assert made.containers("--filter", "status=running") == ["garden_main", "yard_main"]
