"""Faults of `resin doctor`: a machine without network, permissions or programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.resin_command import PROGRAM, Run, environment, program

from faults.conditions import NO_NETWORK, POWERLESS, locked
from faults.table import CARRIES_ON, Fault, fault
from resin_toolkit.errors import Exit

TELLS = "reports it with a remedy, and runs the other checks"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def ask(home: Path, prefix: Sequence[str] = (), **env: str) -> Run:
    changes = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), **env}
    return program("doctor", "--json", env=environment(**changes), command=(*prefix, PROGRAM))


def status(run: Run, check: str) -> str:
    return str({each["check"]: each["status"] for each in run.data["checks"]}[check])


@fault("doctor", "no network", Exit.FAILED, CARRIES_ON, TELLS)
def test_no_network(fault: Fault, home: Path) -> None:
    run = ask(home, NO_NETWORK)
    fault.met(run)
    assert "network" in run.out


@fault("doctor", "the home directory is read-only", Exit.FAILED, CARRIES_ON, TELLS)
def test_no_home(fault: Fault, home: Path) -> None:
    with locked(home):
        fault.met(ask(home, NO_NETWORK))


@fault("doctor", "not root, and no external programs", Exit.FAILED, CARRIES_ON, TELLS)
def test_no_rights(fault: Fault, home: Path) -> None:
    fault.met(ask(home, (*NO_NETWORK, *POWERLESS, "env", "PATH=/nowhere")))


@fault("doctor", "an invalid RESIN_DEVICE", Exit.FAILED, CARRIES_ON, TELLS)
def test_a_default_device(fault: Fault, home: Path) -> None:
    fault.met(ask(home, RESIN_DEVICE="http://kitchen"))
