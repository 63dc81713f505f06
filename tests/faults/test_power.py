"""Faults of `resin reboot` and `resin reset`: no confirmation, and devices that do not support it."""

from __future__ import annotations

from support.pushed_projects import Bench

from faults.conditions import RunningCommand
from faults.table import Fault, fault
from resin_toolkit.errors import Exit

RUNS_ON = "asks for confirmation, or requires `--yes`; the device keeps running"


@fault("reboot reset", "the prompt is declined or not possible", Exit.REFUSED, "declined", RUNS_ON)
def test_no_confirmation(fault: Fault, made: Bench) -> None:
    before = made.device.pid
    for stdin in (b"", b"y\n"):
        fault.met(made.resin(fault.command, made.device.address, "--json", stdin=stdin), "--yes")
    assert made.device.pid == before
    assert (made.device.folder / "state" / "remove_me_to_reset").exists()


@fault("reboot reset", "Ctrl-C at the prompt", Exit.INTERRUPTED, "interrupted", RUNS_ON)
def test_an_interrupted_question(fault: Fault, made: Bench) -> None:
    before = made.device.pid
    terminal = made.desk.terminal(fault.command, made.device.address)
    terminal.until("Reboot" if fault.command == "reboot" else "Type ")
    terminal.interrupt()
    assert terminal.end() == fault.exit
    assert "Traceback" not in terminal.screen
    assert made.device.pid == before


@fault(
    "reset",
    "the operating system does not support a reset",
    Exit.FAILED,
    "not-supported",
    "reports it; changes nothing",
    "rm /mnt/data/remove_me_to_reset",
)
@fault(
    "reset",
    "a partition of the device is not mounted",
    Exit.FAILED,
    "not-supported",
    "reports it; changes nothing",
    "umount --lazy /mnt/data",
)
def test_a_device_that_cannot(fault: Fault, made: Bench) -> None:
    marker = made.device.folder / "data" / "remove_me_to_reset"
    content = marker.read_text()
    pid = made.device.pid
    made.device.run("sh", "-c", fault.given)
    try:
        run = made.resin("reset", made.device.address, "--data", "--yes", "--json")
        fault.met(run, "nothing was changed")
        assert made.device.pid == pid
        assert (made.device.folder / "state" / "remove_me_to_reset").exists()
    finally:
        marker.write_text(content)
        if "umount" in fault.given:
            made.device.reboot()


@fault(
    "reboot",
    "the device does not come back, and Ctrl-C ends the wait",
    Exit.INTERRUPTED,
    "interrupted",
    "reports that the device has gone down",
)
def test_it_does_not_come_back(fault: Fault, made: Bench) -> None:
    device, pid = made.device, made.device.pid
    words = ("reboot", device.address, "--wait", "--yes")
    with RunningCommand(*words, prefix=made.desk.prefix, env=made.desk.environment) as begun:
        begun.until_shown("has gone down")
        device.link(up=False)
        try:
            run = begun.signalled()
        finally:
            device.link(up=True)
            device.wait_for_reboot(pid)
    fault.met_in_text(run, "has gone down")
