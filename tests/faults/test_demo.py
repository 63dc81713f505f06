"""Faults of `resin demo`: no temporary directory, no network, a full disk."""

from __future__ import annotations

import os
from pathlib import Path

from support.loop_devices import MIB
from support.resin_command import PROGRAM, environment, program

from faults.conditions import NO_NETWORK, POWERLESS, into, small_disk
from faults.table import CARRIES_ON, Fault, fault
from resin_toolkit.errors import Exit

GONE = "reports it; leaves no directory"
LOCK = "".join(
    f"mount --bind {at} {at}; mount -o remount,bind,ro {at}; " for at in ("/tmp", "/var/tmp", "/usr/tmp")
)


@fault("demo", "no space in the temporary directory", Exit.FAILED, "no-space", GONE)
def test_no_room(fault: Fault, tmp_path: Path) -> None:
    with small_disk(tmp_path, MIB) as disk:
        fault.met(program("demo", "--json", env=environment(TMPDIR=str(disk))), str(disk))
        assert list(disk.iterdir()) == []


@fault(
    "demo",
    "no permission to write to the temporary directory",
    Exit.NOT_PERMITTED,
    "not-permitted",
    GONE,
)
def test_no_rights(fault: Fault, tmp_path: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir(mode=0o555)
    env = environment(TMPDIR=str(folder))
    command = ("sh", "-c", 'cd "$TMPDIR" && exec "$@"', "sh", *POWERLESS, PROGRAM)
    shut = ("unshare", "--mount", "--", "sh", "-c", f'{LOCK} exec "$@"', "sh")
    fault.met(program("demo", "--json", env=env, command=(*shut, *command)))


@fault("demo", "no network, and not root", Exit.DONE, CARRIES_ON, "needs neither")
def test_no_network(fault: Fault) -> None:
    fault.met(program("demo", "--json", command=(*NO_NETWORK, *POWERLESS, PROGRAM)))


@fault("demo", "stdout is a file on a full disk", Exit.FAILED, "no-space", GONE)
def test_the_result_cannot_be_written(fault: Fault, tmp_path: Path) -> None:
    env = environment(TMPDIR=str(tmp_path))
    fault.met_in_text(into(">/dev/full", "demo", env=env), "stdout")
    assert os.listdir(tmp_path) == []  # noqa: PTH208
