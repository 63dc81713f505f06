"""What a hostile or hung engine can cost: bounded memory, and a time after which it is given up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.hung_engine import HANGS, Hang, hung_engine, silent
from support.loopback_server import Serve, http, read_request, serving
from support.measured import MIB, measured
from support.resin_command import PROGRAM, environment

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.record import Device
from resin_toolkit.engine import Engine, connect
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.transport.connection_pool import ConnectionPool
from resin_toolkit.engine.transport.transports import TcpTransport
from resin_toolkit.errors import Unreachable

MEMORY = 300 * MIB


@contextmanager
def connected(serve: Serve) -> Iterator[Engine]:
    with serving(serve) as place:
        device = Device(
            "board.local", ("127.0.0.1",), engine_ports=(place.port,), access_method=AccessMethod.TCP
        )
        with connect(device) as engine:
            yield engine


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resin_toolkit.engine.transport.deadline_socket.CHECK_AFTER", 0.1)
    monkeypatch.setattr("resin_toolkit.engine.transport.connection_pool._PING_TIMEOUT", 0.3)


@pytest.mark.parametrize("how", HANGS)
def test_a_question_has_a_deadline(how: Hang) -> None:
    with connected(hung_engine("GET /containers/json", how)) as engine:
        began = time.monotonic()
        with pytest.raises(Unreachable) as raised:
            engine.connections.call("GET", engine.path("/containers/json"), within=0.4)
        assert raised.value.facts["cause"] == "no-answer"
        assert time.monotonic() - began < 5


@pytest.mark.usefixtures("soon")
def test_a_change_is_given_up_once_the_engine_hangs() -> None:
    with connected(hung_engine("POST .*/start", silent, answers_pings=False)) as engine:
        began = time.monotonic()
        with pytest.raises(Unreachable) as raised:
            Containers(engine).start("web")
        assert raised.value.facts["cause"] == "no-answer"
        assert time.monotonic() - began < 5


@pytest.mark.usefixtures("soon")
def test_a_change_that_takes_long_is_waited_for_while_the_engine_answers_others() -> None:
    def slow(connection: socket.socket, over: threading.Event) -> None:
        over.wait(1.5)
        connection.sendall(http(b"", "204 No Content"))

    with connected(hung_engine("POST .*/start", slow)) as engine:
        Containers(engine).start("web")


@pytest.mark.parametrize("how", [silent, HANGS[-2]])
def test_a_log_that_is_not_followed_has_a_limit_of_silence(how: Hang) -> None:
    with (
        connected(hung_engine("GET .*/logs", how)) as engine,
        pytest.raises(Unreachable) as raised,
        engine.logs("web", silence=0.3) as stream,
    ):
        stream.read()
    assert raised.value.facts["cause"] == "no-answer"


def test_a_stop_timeout_of_any_size_is_taken() -> None:
    with connected(hung_engine("nothing", silent)) as engine:
        engine.connections.call = lambda *_, **__: {"Config": {"StopTimeout": 1 << 62}}  # type: ignore[method-assign]
        assert Containers(engine)._configured_timeout("web") == 86_400


def _chunked(data: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data


def _big(piece: bytes, size: int = 7 * MIB) -> bytes:
    return http(b"[" + piece * (size // len(piece)) + piece.rstrip(b",") + b"]")


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: "
ANSWERS: dict[str, Callable[[], bytes]] = {
    "empty lists": lambda: _big(b"[],"),
    "empty objects": lambda: _big(b"{},"),
    "objects of one value": lambda: _big(b'{"":0},'),
    "many containers": lambda: _big(b'{"Id":"ab"},'),
    "64 MiB": lambda: _big(b"{},", 64 * MIB),
    "text of four bytes a character": lambda: http(b'["' + b"x" * 7 * MIB + "\U0001f600".encode() + b'"]'),
    "a number of many digits": lambda: http(b"[" + b"9" * MIB + b"]"),
    "deep": lambda: http(b"[" * MIB),
    "a length of a terabyte": lambda: _HEAD + b"999999999999\r\n\r\n[",
    "a length that is negative": lambda: _HEAD + b"-5\r\n\r\n[]",
    "a chunk of 4 GiB": lambda: _chunked(b"FFFFFFFF\r\n["),
    "a chunk beyond all numbers": lambda: _chunked(b"F" * 100 + b"\r\n["),
    "a chunk of a negative size": lambda: _chunked(b"-5\r\n[]"),
    "chunks of one byte": lambda: _chunked(b"1\r\n[\r\n" * (2 * MIB // 6)),
    "an error of a terabyte": lambda: b"HTTP/1.1 500 No\r\nContent-Length: 999999999999\r\n\r\n{",
    "an error in a chunk of 4 GiB": lambda: (
        b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n{"
    ),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_the_memory_and_time_of_a_command_on_a_hostile_engine(what: str, tmp_path: Path) -> None:
    def hostile(connection: socket.socket, over: threading.Event) -> None:  # noqa: ARG001
        connection.sendall(ANSWERS[what]())

    env = environment(HOME=str(tmp_path), XDG_STATE_HOME=str(tmp_path))
    with serving(hung_engine("GET /containers/json", hostile)) as place:
        done = measured([PROGRAM, "ps", f"127.0.0.1:{place.port}", "--json"], env=env)
    assert "Traceback" not in done.run.err, done
    assert done.run.err == "", done
    assert done.run.code in (0, 1, 6), done
    assert done.run.envelope["schema"] == 1
    assert done.peak < MEMORY, done.peak // MIB


@pytest.mark.parametrize("path", ["logs", "archive"])
def test_an_error_of_a_stream_is_bounded(path: str) -> None:
    def hostile(connection: socket.socket, over: threading.Event) -> None:  # noqa: ARG001
        connection.sendall(ANSWERS["an error of a terabyte"]())

    with connected(hung_engine(f"GET .*/{path}", hostile)) as engine, pytest.raises(Unreachable):
        _ = engine.logs("web") if path == "logs" else Containers(engine).get_archive("web", "/etc")


def test_an_error_of_an_upload_is_bounded() -> None:
    def hostile(connection: socket.socket, over: threading.Event) -> None:  # noqa: ARG001
        read_request(connection)
        connection.sendall(ANSWERS["an error in a chunk of 4 GiB"]())

    with serving(hostile) as place:
        pool = ConnectionPool("board.local", TcpTransport("board.local", place))
        with pool.upload("POST", "/build", iter([b"x"])) as upload, pytest.raises(Unreachable):
            upload.read()
