"""Faults of `resin drives`: a system that lists little, and closed outputs."""

from __future__ import annotations

from pathlib import Path

from support.loop_devices import MIB, blank_loop
from support.resin_command import PROGRAM, program

from faults.conditions import POWERLESS, RunningCommand
from faults.table import CARRIES_ON, Fault, fault
from resin_toolkit.errors import Exit

NO_SYS = ("unshare", "--mount", "--", "sh", "-c", 'mount -t tmpfs none /sys && exec "$@"', "sh")
NO_UDEV = ("unshare", "--mount", "--", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh")


@fault(
    "drives",
    "the system lists no drives (a container without `/sys`)",
    Exit.DONE,
    CARRIES_ON,
    "prints an empty list",
)
def test_no_sys(fault: Fault) -> None:
    run = program("drives", "--all", "--json", command=(*NO_SYS, PROGRAM))
    fault.met(run)
    assert run.data["drives"] == [], run


@fault(
    "drives",
    "udev is not running, or no permission to open a drive",
    Exit.DONE,
    CARRIES_ON,
    "lists the drives with what the kernel knows of them",
    NO_UDEV,
)
@fault(
    "drives",
    "udev is not running, or no permission to open a drive",
    Exit.DONE,
    CARRIES_ON,
    "lists the drives with what the kernel knows of them",
    POWERLESS,
)
def test_little_is_known(fault: Fault, tmp_path: Path) -> None:
    with blank_loop(tmp_path, 8 * MIB) as device:
        Path(device).chmod(0)
        try:
            run = program("drives", "--all", "--json", command=(*fault.given, PROGRAM))
        finally:
            Path(device).chmod(0o660)
    fault.met(run)
    assert device in {drive["path"] for drive in run.data["drives"]}


@fault(
    "drives",
    "a drive is unplugged while `--watch` runs",
    Exit.INTERRUPTED,
    CARRIES_ON,
    "reports the removal, and continues until Ctrl-C",
)
def test_a_drive_leaves(fault: Fault, tmp_path: Path) -> None:
    with RunningCommand("drives", "--watch", "--all", "--json") as watching:
        with blank_loop(tmp_path, 8 * MIB) as device:
            watching.until_shown(device, "out")
        # Other tests have loop devices too.
        watching.until_shown(f'"change": "gone", "drive": {{"path": "{device}"', "out")
        run = watching.signalled()
    fault.met(run)
