"""What a hostile or hung engine can cost `resin logs`: bounded memory, and an end."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.hung_engine import ANSWERS, hung_engine, silent
from support.loopback_server import Serve, serving
from support.measured import MIB, measured
from support.resin_command import PROGRAM, Run, environment, program

from resin_toolkit.errors import EngineFailed, Unreachable
from resin_toolkit.logs import read_limits
from resin_toolkit.logs.journal import line_of
from resin_toolkit.logs.read_limits import ReadLimits
from resin_toolkit.logs.records import make_record

STAMP = b"2026-11-29T12:00:00.000000001Z"
_HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return environment(HOME=str(tmp_path), XDG_STATE_HOME=str(tmp_path))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, object], None]:
    """Change what the engine answers at a path."""
    return lambda path, answer: monkeypatch.setitem(ANSWERS, path, answer)


@contextmanager
def engine(logs: Callable[[socket.socket, threading.Event], object] | None = None) -> Iterator[str]:
    serve: Serve = hung_engine("GET .*/logs", logs) if logs else hung_engine("nothing", silent)
    with serving(serve) as place:
        yield f"127.0.0.1:{place.port}"


def frame(stamp: bytes, text: bytes, stream: int = 1) -> bytes:
    return bytes([stream, 0, 0, 0]) + (len(stamp) + 1 + len(text)).to_bytes(4, "big") + stamp + b" " + text


@pytest.mark.parametrize(
    "clock", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "soon", "", "2026-13-45T99:00:00Z"]
)
@pytest.mark.parametrize("option", ["--since", "--until"])
def test_a_clock_of_nonsense(
    clock: str, option: str, env: dict[str, str], answers: Callable[[str, object], None]
) -> None:
    answers(r"/info", {"ID": "E", "Name": "board", "SystemTime": clock})
    with engine() as device:
        run: Run = program("logs", device, option, "10m", env=env)
    assert run.code == 0, run
    assert "Traceback" not in run.err


@pytest.mark.parametrize("stamp", [b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59.999999999+00:00"])
def test_lines_of_nonsense_times_are_shown(stamp: bytes, env: dict[str, str]) -> None:
    def send(connection: socket.socket, over: threading.Event) -> None:  # noqa: ARG001
        connection.sendall(_HEAD + frame(stamp, b"hello\n") * 3)

    with engine(send) as device:
        run = program("logs", device, "--timestamps", env=env)
    assert run.out.count("hello") == 3, run


def test_lines_whose_times_stand_still_end(env: dict[str, str]) -> None:
    def send(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(_HEAD)
        while not over.is_set():
            connection.sendall(frame(b"0001-01-01T00:00:00Z", b"hello\n") * 1000)

    with engine(send) as device:
        done = measured([PROGRAM, "logs", device], env=env)
    assert done.run.code == 1, done.run.err
    assert "timestamps do not advance" in done.run.err
    assert done.peak < 300 * MIB


@pytest.mark.parametrize("is_terminal", [False, True])
def test_lines_without_end_take_little_memory(
    is_terminal: bool, env: dict[str, str], answers: Callable[[str, object], None]
) -> None:
    """Each of 100 containers sends 1 MiB of one line; all of them are open at once, to be merged."""
    if is_terminal:
        details = ANSWERS[r"/containers/[^/]+/json"]
        assert isinstance(details, dict)
        answers(r"/containers/[^/]+/json", {**details, "Config": {"Tty": True}})
    many = [{"Id": f"{number:064x}", "Names": [f"/c{number}"], "State": "running"} for number in range(100)]
    answers(r"/containers/json", many)
    start = STAMP + b" " if is_terminal else b"\1\0\0\0" + (60 << 20).to_bytes(4, "big") + STAMP + b" "

    def send(connection: socket.socket, over: threading.Event) -> None:  # noqa: ARG001
        connection.sendall(_HEAD + start + b"x" * MIB)

    with engine(send) as device:
        done = measured([PROGRAM, "logs", device], env=env)
    assert done.run.code == 0, done.run.err
    assert done.peak < 300 * MIB, done.peak // MIB


def test_too_many_containers_are_refused(env: dict[str, str], answers: Callable[[str, object], None]) -> None:
    many = [{"Id": f"{number:064x}", "Names": [f"/c{number}"], "State": "running"} for number in range(5000)]
    answers(r"/containers/json", many)
    with engine() as device:
        run = program("logs", device, "--json", env=env)
        assert program("logs", device, "--service", "c17", env=env).code == 0
    error = json.loads(run.out.splitlines()[-1])["error"]
    assert error["code"] == "engine-failed"
    assert "5000 containers" in error["message"]


def test_a_log_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = ReadLimits("board.local", "web", 10.0)
    now = [0.0]
    monkeypatch.setattr(read_limits.time, "monotonic", lambda: now[0])

    def receive(size: int) -> bytes:  # noqa: ARG001
        now[0] += 1.0
        return b"x" * 100

    for _ in range(10):
        assert limits.read(receive, 1)
    with pytest.raises(Unreachable, match="too slowly: 1100 bytes in 11 s"):
        limits.read(receive, 1)


def test_a_slow_log_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = ReadLimits("board.local", "web", 10.0)
    now = [0.0]
    monkeypatch.setattr(read_limits.time, "monotonic", lambda: now[0])

    def receive(size: int) -> bytes:  # noqa: ARG001
        now[0] += 9.0
        return b"x" * 5000

    for _ in range(100):
        assert limits.read(receive, 1)


def test_a_clock_that_is_set_back_is_no_end() -> None:
    limits = ReadLimits("board.local", "web", 10.0)
    for year in (2026, 1970):
        for minute in range(3000):
            stamp = f"{year}-01-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00.000000000Z"
            limits.check_times([make_record(1, stamp.encode(), b"x\n")] * 50)
    limits.check_times([make_record(1, STAMP, b"x\n")])
    limits.check_times([make_record(1, STAMP, b"x\n")] * 99_999)
    with pytest.raises(EngineFailed):
        limits.check_times([make_record(1, STAMP, b"x\n")] * 99_999)


def test_a_field_of_nested_lists_is_no_text() -> None:
    value: object = "x"
    for _ in range(100_000):
        value = [value]
    assert line_of({"MESSAGE": value}).text == b"unknown: x"
