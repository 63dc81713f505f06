"""`resin console` on a pair of pseudo terminals in place of a serial adapter."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.resin_command import PROGRAM, Terminal, environment, resin

PATIENCE = 30.0


class Board:
    """The far end of a serial line; `port` is what the workstation has of it."""

    def __init__(self) -> None:
        self.end, near = os.openpty()
        tty.setraw(near)
        self.port = os.ttyname(near)
        self._near = near

    def heard(self, text: bytes) -> bytes:
        """What has come, once `text` is in it."""
        found, deadline = b"", time.monotonic() + PATIENCE
        while text not in found:
            ready, _, _ = select.select([self.end], [], [], deadline - time.monotonic())
            assert ready, found
            found += os.read(self.end, 4096)
        return found

    def say(self, text: bytes) -> None:
        os.write(self.end, text)

    def vanish(self) -> None:
        os.close(self._near)
        os.close(self.end)


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board()
    yield made
    for descriptor in (made.end, made._near):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_input_is_sent_and_output_is_shown(board: Board) -> None:
    terminal = Terminal("console", board.port)
    terminal.until("Type ~.")
    board.say(b"login: ")
    terminal.until("login: ")
    terminal.type("root\r")
    assert board.heard(b"root\r") == b"root\r"
    board.say(b"\r\n# ")
    terminal.until("# ")
    terminal.type("\r~.")
    assert terminal.end() == 0


def test_without_a_terminal_stdin_is_sent(board: Board) -> None:
    words = [str(PROGRAM), "console", board.port]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"reboot\n")
        process.stdin.close()
        board.heard(b"reboot\n")
        board.say(b"going down\n")
        assert process.stdout.readline() == b"going down\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 130


def test_an_unplugged_adapter_is_reported(board: Board) -> None:
    terminal = Terminal("console", board.port)
    terminal.until("Type ~.")
    board.vanish()
    terminal.until("was disconnected")
    assert terminal.end() == 1


def test_a_missing_port_is_reported() -> None:
    run = resin("console", "/dev/ttyUSB77")
    assert run.code == 3
    assert "There is no serial port /dev/ttyUSB77" in run.err


def test_a_file_that_is_not_a_serial_port_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    run = resin("console", path)
    assert run.code == 1
    assert "cannot be opened as a serial port" in run.err


def test_a_busy_port_is_refused(board: Board) -> None:
    terminal = Terminal("console", board.port)
    terminal.until("Type ~.")
    run = resin("console", board.port)
    assert run.code == 4
    assert "in use" in run.err
    terminal.type("\r~.")
    terminal.end()


def test_the_console_of_an_emulated_device_is_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "console"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        terminal = Terminal("console", path)
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"emulated\r\n")
            terminal.until("emulated")
            terminal.type("x")
            assert connection.recv(16) == b"x"
        terminal.until("was disconnected")
        assert terminal.end() == 1
    run = resin("console", path)
    assert run.code == 6
