"""Faults of `resin console`: missing, busy and unplugged serial ports."""

from __future__ import annotations

import os
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.resin_command import PROGRAM, Terminal, program, resin

from faults.conditions import POWERLESS, RunningCommand
from faults.table import Fault, fault
from resin_toolkit.errors import Exit

SAYS = "reports it; restores the terminal"


@pytest.fixture
def line() -> Iterator[tuple[int, int]]:
    """The two ends of a serial line: the board's, and the workstation's."""
    far, near = os.openpty()
    tty.setraw(near)
    yield far, near
    for end in (far, near):
        try:
            os.close(end)
        except OSError:
            continue


@fault(
    "console",
    "no such port",
    Exit.NOT_FOUND,
    "device-not-found",
    SAYS,
    "/dev/ttyUSB77",
)
@fault(
    "console",
    "the file is not a serial port",
    Exit.FAILED,
    "io-error",
    SAYS,
    "file",
)
@fault(
    "console",
    "the file is not a serial port",
    Exit.FAILED,
    "io-error",
    SAYS,
    ".",
)
def test_no_port(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    fault.met(resin("console", fault.given, "--json"), fault.given)


@fault(
    "console",
    "no permission to open the port",
    Exit.NOT_PERMITTED,
    "not-permitted",
    SAYS,
)
def test_no_rights(fault: Fault, line: tuple[int, int]) -> None:
    port = os.ttyname(line[1])
    Path(port).chmod(0)
    fault.met(program("console", port, "--json", command=(*POWERLESS, PROGRAM)), port)


@fault("console", "another program is using the port", Exit.REFUSED, "refused", SAYS)
def test_a_port_that_is_taken(fault: Fault, line: tuple[int, int]) -> None:
    port = os.ttyname(line[1])
    with RunningCommand("console", port) as first:
        first.until_asleep()
        fault.met(resin("console", port, "--json"), port)


@fault("console", "the adapter is unplugged", Exit.FAILED, "io-error", SAYS)
def test_the_adapter_is_pulled_out(fault: Fault, line: tuple[int, int]) -> None:
    terminal = Terminal("console", os.ttyname(line[1]))
    terminal.until("~.")
    for end in line[::-1]:
        os.close(end)
    terminal.until("was disconnected")
    assert terminal.end() == fault.exit
    assert "Traceback" not in terminal.screen


@fault(
    "console",
    "an emulated device that has exited",
    Exit.UNREACHABLE,
    "unreachable",
    SAYS,
)
def test_a_socket_without_a_listener(fault: Fault, tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "console"))
    fault.met(resin("console", tmp_path / "console", "--json"), "console")
