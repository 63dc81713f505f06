"""What stands where a device should, or goes while it is asked: one sentence, one object of JSON."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from device.desk import wait_for
from device.stand_in import Desk, desk, stand_in
from support.resin_command import PROGRAM, Run

from resin_toolkit.ssh.version_exchange import VERSION_TIMEOUT

pytestmark = pytest.mark.root

Answer = Callable[[socket.socket], object]
FLOOD = b"b" * 10_000


@pytest.fixture(scope="module")
def table() -> Iterator[Desk]:
    with desk() as made:
        yield made


@contextmanager
def answering(table: Desk, port: int, answer: Answer) -> Iterator[None]:
    """Somebody on the desk's own machine who answers every connection to a port in his own way."""
    with table.entered():
        server = socket.create_server((table.address, port))

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve_one, args=server.accept()[:1], daemon=True).start()

    def serve_one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        server.close()


def after_a_question(*said: bytes, again: bytes = b"") -> Answer:
    """Waits for a question, says something, and something else for ever."""

    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        for each in said:
            connection.sendall(each)
        while again:
            connection.sendall(again)

    return answer


def at_once(*said: bytes, again: bytes = b"") -> Answer:
    def answer(connection: socket.socket) -> None:
        for each in said:
            connection.sendall(each)
        while again:
            connection.sendall(again)
        connection.recv(4096)

    return answer


OK = b"HTTP/1.1 200 OK\r\n"
NO_ENGINES = {
    "an endless header": after_a_question(OK, again=b"X: " + FLOOD + b"\r\n"),
    "an endless line": after_a_question(OK + b"X: ", again=FLOOD),
    "TLS": after_a_question(b"\x15\x03\x01\x00\x02\x02\x46"),
    "a web server": after_a_question(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"),
    "no JSON": after_a_question(OK + b"Content-Length: 2\r\n\r\nOK"),
    "noise": at_once(b"\0\xff\x1b[2J" * 99),
    "nothing": lambda connection: connection.close(),
}
NO_SHELLS = {
    "endless lines": at_once(again=b"hello\r\n" * 1000),
    "noise behind the greeting": at_once(b"SSH-2.0-x\r\n", again=FLOOD),
    "a hostile greeting": at_once(b"SSH-2.0-\x1b[2J\x07\xe2\x80\xae evil\r\n\r\n"),
    "nothing": lambda connection: connection.close(),
}


def in_order(run: Run, code: int) -> None:
    assert run.code == code, run
    assert run.error["hint"]
    assert run.err == ""
    assert "\x1b" not in run.out


@pytest.mark.parametrize("what", NO_ENGINES)
def test_what_is_no_engine(table: Desk, what: str) -> None:
    with answering(table, 2377, NO_ENGINES[what]):
        for command in ("ps", "env"):
            in_order(table.resin(command, table.address, "--json"), 6)
        in_order(table.resin("wait", table.address, "--timeout", "1", "--json"), 6)


@pytest.mark.parametrize("what", NO_SHELLS)
def test_what_is_no_ssh_server(table: Desk, what: str) -> None:
    with answering(table, 22222, NO_SHELLS[what]), ThreadPoolExecutor() as side_by_side:
        here = (table.address, "--json")
        asked = side_by_side.submit(table.resin, "ssh", *here, "--", "true")
        verbs = [("ps",), ("reboot", "--yes"), ("reset", "--yes")]
        others = [side_by_side.submit(table.resin, *words, *here) for words in verbs]
        waiting = side_by_side.submit(table.resin, "wait", *here, "--timeout", "1")
        in_order(asked.result(), 255)
        for each in others:
            in_order(each.result(), 6)
        waited = waiting.result()
        assert (waited.err, "\x1b" in waited.out) == ("", False)


def test_a_body_without_end_is_no_engine_for_wait(table: Desk) -> None:
    said = OK + b"Content-Length: 99999999999999\r\n\r\n"
    with answering(table, 2377, after_a_question(said, again=b"[" * 10_000)):
        in_order(table.resin("wait", table.address, "--timeout", "1", "--json"), 6)


def test_a_wait_ends_before_one_gives_up_a_silent_server(table: Desk) -> None:
    lasted: list[float] = []

    def say_nothing(connection: socket.socket) -> None:
        began = time.monotonic()
        while connection.recv(4096):
            continue
        lasted.append(time.monotonic() - began)

    with answering(table, 22222, say_nothing):
        in_order(table.resin("wait", table.address, "--timeout", "0.5", "--json"), 6)
        wait_for(lambda: lasted, "the end of the connection")
    assert min(lasted) < VERSION_TIMEOUT


@pytest.mark.parametrize("after", [0.2, 0.5, 0.8])
def test_a_device_that_goes_while_it_is_asked(table: Desk, after: float) -> None:
    with stand_in(table, "ghost", announces=False) as ghost:
        for number in range(5):
            ghost.start(f"web{number}", "sleep 1000")
        words = [*table.prefix, str(PROGRAM), "ps", ghost.address, "--json"]
        with subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=table.environment
        ) as asking:
            time.sleep(after)
            ghost.link(up=False)
            out, err = asking.communicate(timeout=60)
        run = Run(asking.returncode, out, err)
        assert run.envelope["ok"] is (run.code == 0)
        assert run.code in (0, 6), run
        assert err == ""


def test_a_device_that_comes_up_later_is_waited_for(table: Desk) -> None:
    words = [*table.prefix, str(PROGRAM), "wait", "late", "--timeout", "60", "--json"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=table.environment
    ) as waiting:
        time.sleep(2)
        with stand_in(table, "late", engine=False):
            out, err = waiting.communicate(timeout=60)
    run = Run(waiting.returncode, out, err)
    assert run.data["host"] == "late.local"
    assert run.data["seconds"] > 1
    assert err == ""


def test_a_configuration_of_ssh_that_cannot_be_read_is_told_by_each_command(table: Desk) -> None:
    with stand_in(table, "porch", engine_port=None) as porch:
        (table.home / ".ssh").mkdir()
        config = table.home / ".ssh" / "config"
        config.write_text("Host *\n  Port many\n  Match nonsense\n")
        try:
            for command in ("ps", "env", "reboot"):
                run = table.resin(command, porch.address, "--json", "--yes")
                assert run.error["code"] == "config-invalid", run
                assert run.err == ""
            scanned = table.resin("scan")
            assert "porch" in scanned.out
            assert "Traceback" not in scanned.err
            assert str(config) in scanned.err
        finally:
            config.unlink()
