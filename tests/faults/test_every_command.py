"""Faults of every command: unknown options, broken streams, a read-only home directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pushed_projects import Bench
from support.resin_command import program, resin

from faults.conditions import into, locked
from faults.table import CARRIES_ON, Fault, fault
from resin_toolkit.cli.command_table import COMMANDS
from resin_toolkit.errors import Exit

ALL = " ".join(entry.name for entry in COMMANDS)


@fault(ALL, "an unknown option", Exit.USAGE, "usage", "names the option and points to the help; does nothing")
def test_an_unknown_option(fault: Fault) -> None:
    fault.met(resin(fault.command, "--frobnicate", "--json"), "--frobnicate", "--help")


# In this process's own network there is no device: these need none.
HERE = {
    "configure": ["configure", "image.img", "--show"],
    "image": ["image", "ls", "image.img"],
    "drives": ["drives", "--all"],
    "doctor": ["doctor"],
    "init": ["init", "--list"],
}
image_here = pytest.mark.usefixtures("boot")
THERE = {
    "scan": ["scan", "--timeout", "2"],
    "wait": ["wait", "DEVICE"],
    "ps": ["ps", "DEVICE"],
    "env": ["env", "DEVICE"],
    "logs": ["logs", "DEVICE"],
    "ssh": ["ssh", "DEVICE", "--", "echo said"],
}


@fault(
    " ".join(HERE),
    "stdout is a file on a full disk",
    Exit.FAILED,
    "no-space",
    "reports that the result could not be written",
)
@image_here
def test_stdout_is_full(fault: Fault) -> None:
    for more in ([], ["--json"]):
        fault.met_in_text(into(">/dev/full", *HERE[fault.command], *more), "stdout: no space left")


@fault(" ".join(HERE), "the reader of its output has exited", Exit.DONE, CARRIES_ON, "exits silently")
@image_here
def test_the_reader_has_exited(fault: Fault) -> None:
    run = into("| head -c 0", *HERE[fault.command])
    # Who is quicker decides whether anything was found out before.
    assert (
        (run.code in (0, 1), run.err) == (True, "")
        if fault.command == "doctor"
        else (run.code, run.err) == (0, "")
    )


@fault(" ".join(HERE), "stdin, stdout or stderr is closed", Exit.DONE, CARRIES_ON, "does its work")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
@image_here
def test_a_stream_is_closed(fault: Fault, closed: str) -> None:
    run = into(closed, *HERE[fault.command])
    assert run.code in ((0, 1) if fault.command == "doctor" else (0,)), run
    assert run.err == "" or fault.command == "doctor", run
    assert (run.out == "") is (closed == ">&-")


@pytest.fixture(scope="module")
def talking(made: Bench) -> Iterator[Bench]:
    """The device with a container that has written something."""
    made.device.start("talker", "echo something; sleep 1000")
    yield made
    made.clear()


def there(fault: Fault, bench: Bench) -> list[str]:
    return [bench.device.address if word == "DEVICE" else word for word in THERE[fault.command]]


@fault(
    "ps env logs ssh",
    "stdout is a file on a full disk",
    Exit.FAILED,
    "no-space",
    "reports that the result could not be written",
)
def test_stdout_is_full_for_a_device(fault: Fault, talking: Bench) -> None:
    run = into(">/dev/full", *there(fault, talking), env=talking.desk.environment, prefix=talking.desk.prefix)
    fault.met_in_text(run, "stdout: no space left")


@fault("ps env logs ssh", "the reader of its output has exited", Exit.DONE, CARRIES_ON, "exits silently")
def test_the_reader_has_exited_for_a_device(fault: Fault, talking: Bench) -> None:
    talking.resin(*there(fault, talking))
    run = into(
        "| head -c 0", *there(fault, talking), env=talking.desk.environment, prefix=talking.desk.prefix
    )
    assert (run.code, run.err) == (0, "")


@fault(
    " ".join(THERE),
    "the home directory is read-only",
    Exit.DONE,
    CARRIES_ON,
    "does its work without storing state",
)
def test_a_home_that_is_read_only(fault: Fault, talking: Bench) -> None:
    with locked(talking.desk.home):
        run = (
            talking.resin(*there(fault, talking), "--json")
            if fault.command != "ssh"
            else talking.resin(*there(fault, talking))
        )
    fault.met(run)


@fault(
    "push rm",
    "the home directory is read-only",
    Exit.DONE,
    CARRIES_ON,
    "does its work without storing state",
)
def test_a_home_that_is_read_only_for_projects(fault: Fault, bench: Bench, garden: Path) -> None:
    if fault.command != "push":
        bench.push(garden)
    with locked(bench.desk.home):
        words = ("--detach",) if fault.command == "push" else ("--yes",)
        fault.met(bench.resin(fault.command, bench.device.address, *words, "--json", cwd=garden))


def test_the_program_runs_at_all() -> None:
    assert program("--version").code == 0
