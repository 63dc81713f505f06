"""Ctrl-C, SIGTERM and a closed terminal during long operations."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from device.desk import wait_for
from support.boot_images import Boot
from support.card_images import card_image
from support.loop_devices import MIB
from support.pushed_projects import SINGLE, Bench, single
from support.resin_command import Terminal, environment

from faults.conditions import RunningCommand
from faults.table import Fault, fault
from resin_toolkit.errors import Exit

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
WORD = "interrupted"
STOPPED = "Ctrl-C, SIGTERM or a closed terminal"


@fault(
    "flash",
    STOPPED,
    Exit.INTERRUPTED,
    WORD,
    "removes a partial file, leaves a drive unbootable, and reports it",
)
@pytest.mark.parametrize("number", SIGNALS)
def test_flash(fault: Fault, tmp_path: Path, number: signal.Signals) -> None:
    goal = tmp_path / "card.img"
    with RunningCommand("flash", "-", goal, stdin=card_image(4 * MIB + 65536)) as begun:
        begun.until(lambda: goal.exists() and goal.stat().st_size)
        fault.met_in_text(begun.signalled(number), "Interrupted", "was removed")
    assert not goal.exists()


@fault("verify", STOPPED, Exit.INTERRUPTED, WORD, "reports it; reports nothing as equal")
@pytest.mark.parametrize("number", SIGNALS)
def test_verify(fault: Fault, tmp_path: Path, number: signal.Signals) -> None:
    card = tmp_path / "card.img"
    card.write_bytes(card_image(6 * MIB))
    with RunningCommand("verify", "-", card, stdin=card_image(6 * MIB)[: 2 * MIB]) as begun:
        begun.until_read()
        run = begun.signalled(number)
    fault.met_in_text(run, "Interrupted")
    assert run.out == ""


@fault(
    "configure",
    STOPPED,
    Exit.INTERRUPTED,
    WORD,
    "exits; nothing has changed yet, or each file is either old or new, which it reports",
)
def test_configure(fault: Fault, boot: Boot) -> None:
    before = boot.digest()
    words = ("configure", boot.path, "--wifi", "--ssid", "Home", "--passphrase-file", "-")
    with RunningCommand(*words) as begun:
        begun.until_asleep()
        fault.met_in_text(begun.signalled(), "Interrupted")
    assert boot.digest() == before


@fault("image", STOPPED, Exit.INTERRUPTED, WORD, "reports it; leaves no partial file")
def test_image(fault: Fault, boot: Boot) -> None:
    with RunningCommand("image", "cat", boot.path, "/big.bin") as begun:
        begun.until_asleep()
        fault.met_in_text(begun.signalled(), "Interrupted")


@fault("init", "Ctrl-C at a prompt", Exit.INTERRUPTED, WORD, "reports it; no file is created or overwritten")
def test_init(fault: Fault, tmp_path: Path) -> None:
    terminal = Terminal("init", tmp_path / "garden")
    terminal.until(":")
    terminal.interrupt()
    assert terminal.end() == fault.exit
    assert "Interrupted" in terminal.screen
    assert not (tmp_path / "garden").exists()


@fault("demo", STOPPED, Exit.INTERRUPTED, WORD, "reports it; leaves no directory")
def test_demo(fault: Fault, tmp_path: Path) -> None:
    with RunningCommand("demo", env=environment(TMPDIR=str(tmp_path))) as begun:
        begun.until(lambda: list(tmp_path.glob("*/card.img")))
        fault.met_in_text(begun.signalled(), "Interrupted")
    assert list(tmp_path.iterdir()) == []


@fault("drives console", STOPPED, Exit.INTERRUPTED, WORD, "exits")
def test_without_end(fault: Fault) -> None:
    import os

    far, near = os.openpty()
    words = ["drives", "--watch"] if fault.command == "drives" else ["console", os.ttyname(near)]
    with RunningCommand(*words) as begun:
        begun.until_asleep()
        fault.met_in_text(begun.signalled(), "Interrupted" if fault.command == "drives" else "")
    os.close(far)
    os.close(near)


GOING_ON = {
    "scan": ["scan", "--watch"],
    "wait": ["wait", "nobody-of-that-name"],
    "logs": ["logs", "DEVICE", "-f"],
    "ssh": ["ssh", "DEVICE", "--", "sleep 100"],
}


@fault(
    " ".join(GOING_ON),
    STOPPED,
    Exit.INTERRUPTED,
    WORD,
    "exits; on the device, only the command of `ssh` is interrupted, if the SSH server supports it",
)
@pytest.mark.parametrize("number", SIGNALS[:2])
def test_what_goes_on(fault: Fault, made: Bench, number: signal.Signals) -> None:
    words = [made.device.address if word == "DEVICE" else word for word in GOING_ON[fault.command]]
    with RunningCommand(*words, prefix=made.desk.prefix, env=made.desk.environment) as begun:
        begun.until_asleep()
        fault.met_in_text(begun.signalled(number))


@fault(
    "push",
    STOPPED,
    Exit.INTERRUPTED,
    WORD,
    "reports the state of the device; the old containers keep running",
)
@pytest.mark.parametrize("number", SIGNALS[:2])
def test_push(fault: Fault, bench: Bench, garden: Path, number: signal.Signals) -> None:
    assert bench.push(garden).code == 0
    (garden / "Dockerfile").write_text("FROM stand-in\nRUN sleep 5\n")
    words = ("push", bench.device.address, "--detach")
    with RunningCommand(*words, prefix=bench.desk.prefix, env=bench.desk.environment, cwd=garden) as begun:
        begun.until_shown("sleep 5")
        fault.met_in_text(begun.signalled(number))
    assert bench.logs("garden_main") == "first\n"
    wait_for(lambda: bench.containers() == ["garden_main"], "the end of the build")


@fault("stop restart rm", STOPPED, Exit.INTERRUPTED, WORD, "reports it; the same command completes the work")
def test_an_application(fault: Fault, bench: Bench, tmp_path: Path) -> None:
    project = single(tmp_path / "garden", Dockerfile=SINGLE.replace("'exit 0'", "'sleep 1; exit 0'"))
    assert bench.push(project).code == 0
    words = (fault.command, bench.device.address, "--yes")
    with RunningCommand(*words, prefix=bench.desk.prefix, env=bench.desk.environment, cwd=project) as begun:
        begun.until_shown("main …")
        fault.met_in_text(begun.signalled(), "Interrupted")
    assert bench.resin(*words, cwd=project).code == 0
