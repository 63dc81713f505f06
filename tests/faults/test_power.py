"""`resin reboot` and `resin reset`: nobody who agrees, and devices that cannot."""

from __future__ import annotations

from support.pushed_projects import Bench

from faults.surroundings import Begun
from faults.table import Fault, fault
from resin_toolkit.errors import Exit

RUNS_ON = "asks first, or needs `--yes`; the device runs on"


@fault("reboot reset", "nobody to ask, or no as the answer", Exit.REFUSED, "declined", RUNS_ON)
def test_nobody_to_ask(fault: Fault, made: Bench) -> None:
    before = made.device.pid
    for stdin in (b"", b"y\n"):
        fault.met(made.resin(fault.verb, made.device.address, "--json", stdin=stdin), "--yes")
    assert made.device.pid == before
    assert (made.device.folder / "state" / "remove_me_to_reset").exists()


@fault("reboot reset", "Ctrl-C at the question", Exit.INTERRUPTED, "interrupted", RUNS_ON)
def test_an_interrupted_question(fault: Fault, made: Bench) -> None:
    before = made.device.pid
    terminal = made.desk.terminal(fault.verb, made.device.address)
    terminal.until("Reboot" if fault.verb == "reboot" else "Type ")
    terminal.interrupt()
    assert terminal.end() == fault.exit
    assert "Traceback" not in terminal.screen
    assert made.device.pid == before


@fault(
    "reset",
    "the device has no reset of its own",
    Exit.FAILED,
    "not-supported",
    "says so; nothing is changed",
    "rm /mnt/data/remove_me_to_reset",
)
@fault(
    "reset",
    "a partition of the device is not mounted",
    Exit.FAILED,
    "not-supported",
    "says so; nothing is changed",
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
    "it does not come back, and Ctrl-C ends the waiting",
    Exit.INTERRUPTED,
    "interrupted",
    "says that it has gone down",
)
def test_it_does_not_come_back(fault: Fault, made: Bench) -> None:
    device, pid = made.device, made.device.pid
    words = ("reboot", device.address, "--wait", "--yes")
    with Begun(*words, prefix=made.desk.prefix, env=made.desk.environment) as begun:
        begun.until_shown("has gone down")
        device.link(up=False)
        try:
            run = begun.signalled()
        finally:
            device.link(up=True)
            device.wait_for_reboot(pid)
    fault.met_in_text(run, "has gone down")
