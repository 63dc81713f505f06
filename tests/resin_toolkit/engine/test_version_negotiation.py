"""What may listen where an engine should: each ends soon, in one sentence, with the cause that is true."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import suppress

import pytest
from support.loopback_server import Serve, http, routes, saying, serving

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.record import Device
from resin_toolkit.engine import connect
from resin_toolkit.errors import EngineFailed, ResinError, Unreachable

SOON = 60.0
"""Far more than the time that it may take, for machines that are busy."""

NOW = "2026-01-02T03:04:05Z"


def device(*ports: int, access_method: AccessMethod | None = AccessMethod.TCP) -> Device:
    return Device("board.local", ("127.0.0.1",), engine_ports=ports, access_method=access_method)


def failure(serve: Serve, within: float = 1.0) -> ResinError:
    """What connecting to such a server ends in."""
    started = time.monotonic()
    with serving(serve) as place, pytest.raises(ResinError) as caught:
        connect(device(place.port), within=within)
    assert time.monotonic() - started < SOON
    error = caught.value
    assert "board.local" in error.message
    assert "\n" not in error.message
    assert error.message.isprintable()
    assert error.hint
    return error


def cause(serve: Serve, within: float = 1.0) -> object:
    error = failure(serve, within)
    assert isinstance(error, Unreachable)
    return error.facts["cause"]


def endless(start: bytes, again: bytes) -> Serve:
    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(start)
        while not over.is_set():
            connection.sendall(again)

    return serve


def dripping(text: bytes) -> Serve:
    """A byte now and then: each read is answered, and the whole never ends."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        for byte in text:
            connection.sendall(bytes([byte]))
            if over.wait(0.1):
                return

    return serve


def closing(connection: socket.socket, over: threading.Event) -> None:  # noqa: ARG001
    connection.recv(65536)


NO_ENGINES = {
    "an SSH server": saying(b"SSH-2.0-dropbear_2016.74\r\n"),
    "a mail server": saying(b"220 mail.example.org ESMTP\r\n"),
    "silence": saying(b""),
    "a line without an end": saying(b"HTTP/1.1 200"),
    "the end at once": closing,
    "junk": endless(b"", b"\xff\x00\x1b]0;owned\x07" * 1000),
    "lines of junk": endless(b"", b"\x1b[2Jhello\r\n" * 1000),
    "a head without an end": endless(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000),
    "a head of 10 MB": saying(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10_000_000 + b"\r\n\r\n{}"),
    "a body without an end": endless(b"HTTP/1.1 200 OK\r\n\r\n", b"[" * 65536),
    "a body of a size that nobody has": saying(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n["),
    "a chunk without an end": endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"f" * 65536),
    "interim answers without an end": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a head that drips": dripping(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" * 1000),
    "a body that drips": dripping(http(b'{"ApiVersion": "1.41"}' + b" " * 10000)),
    "a web page": saying(http(b"<html>It works!</html>", kind="text/html")),
    "no such page": saying(http(b"404 page not found", "404 Not Found", "text/plain")),
    "a login": saying(http(b"", "401 Unauthorized")),
    "a redirection": saying(
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    ),
    "another JSON": saying(http(b'{"name": "elasticsearch", "version": {"number": "7.0"}}')),
    "a list": saying(http(b"[]")),
    "a version that is a number": saying(http(b'{"ApiVersion": 1.41}')),
    "an invalid version": saying(http(b'{"ApiVersion": "../../1.41"}')),
    "JSON of great depth": saying(http(b"[" * 200_000)),
    "a number of great length": saying(http(b'{"ApiVersion": ' + b"9" * 100_000 + b"}")),
    "a false length": saying(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
}


@pytest.mark.parametrize("kind", NO_ENGINES)
def test_a_server_that_is_not_an_engine(kind: str) -> None:
    assert cause(NO_ENGINES[kind]) == "not-an-engine"


@pytest.mark.parametrize("kind", ["a body without an end", "a head without an end", "junk"])
def test_an_endless_answer_is_not_waited_for(kind: str) -> None:
    assert cause(NO_ENGINES[kind], within=60.0) == "not-an-engine"


@pytest.mark.parametrize(
    "answer",
    [
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
        http(b"<h1>The plain HTTP request was sent to HTTPS port</h1>", "400 Bad Request", "text/html"),
    ],
    ids=["an alert", "Go", "nginx"],
)
def test_a_server_that_expects_tls(answer: bytes) -> None:
    def serve(connection: socket.socket, over: threading.Event) -> None:  # noqa: ARG001
        connection.recv(65536)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)

    assert cause(serve) == "tls"


def version(spoken: str, least: str) -> bytes:
    return http(json.dumps({"Version": "9", "ApiVersion": spoken, "MinAPIVersion": least}).encode())


@pytest.mark.parametrize(("spoken", "least"), [("1.21", "1.12"), ("2.10", "2.1")])
def test_an_engine_that_is_too_old_or_too_new(spoken: str, least: str) -> None:
    error = failure(saying(version(spoken, least)))
    assert isinstance(error, EngineFailed)
    assert spoken in error.message or least in error.message


@pytest.mark.parametrize(
    ("spoken", "least", "agreed"),
    [("1.22", "1.12", "1.22"), ("1.41", "1.12", "1.41"), ("1.60", "1.44", "1.45"), ("1.40", "", "1.40")],
)
def test_the_newest_common_version(spoken: str, least: str, agreed: str) -> None:
    asked = []

    def answers(method: str, path: str) -> bytes:
        asked.append(f"{method} {path}")
        return version(spoken, least) if path == "/version" else http(b'{"ID": "A:B", "Name": "board"}')

    with serving(routes(answers)) as place, connect(device(place.port)) as engine:
        assert engine.api_version == agreed
        assert engine.facts.id == "A:B"
        assert engine.facts.api_version == spoken
        assert engine.url == f"tcp://127.0.0.1:{place.port}"
        assert engine.access_method is AccessMethod.TCP
    assert asked == ["GET /version", f"GET /v{agreed}/info"]


@pytest.mark.parametrize("info", [b"[]", b"null", b"no", b"", b'"text"', b"\xff\xfe", b"[" * 100_000])
def test_an_invalid_answer_to_info(info: bytes) -> None:
    error = failure(routes(lambda _, path: version("1.41", "1.12") if path == "/version" else http(info)))
    assert error.facts["cause"] == "not-an-engine"


def test_the_next_port_is_tried_if_the_first_is_not_an_engine() -> None:
    def answers(_: str, path: str) -> bytes:
        return version("1.41", "1.12") if path == "/version" else http(b'{"ID": "second"}')

    with (
        serving(saying(b"SSH-2.0-OpenSSH_9\r\n")) as other,
        serving(routes(answers)) as place,
        connect(device(other.port, place.port)) as engine,
    ):
        assert engine.facts.id == "second"


def test_a_closed_port_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unreachable) as caught:
        connect(device(port), within=1.0)
    assert caught.value.facts["cause"] == "refused"


@pytest.mark.parametrize(
    "name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "DOCKER_HOST", "DOCKER_TLS_VERIFY"]
)
def test_the_environment_does_not_redirect_connections(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1")

    def answers(_: str, path: str) -> bytes:
        return version("1.41", "1.12") if path == "/version" else http(b'{"ID": "here"}')

    with serving(routes(answers)) as place, connect(device(place.port)) as engine:
        assert engine.facts.id == "here"


def test_an_idle_connection_that_was_closed_is_replaced() -> None:
    connections = []

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connections.append(connection)
        for _ in range(2):
            request = connection.recv(65536)
            if not request:
                return
            path = request.split()[1]
            known = version("1.41", "1.12")
            connection.sendall(known if path == b"/version" else http(b'{"SystemTime": "%s"}' % NOW.encode()))
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        over.wait(0)

    with serving(serve) as place, connect(device(place.port)) as engine:
        assert [engine.time() for _ in range(3)] == [NOW] * 3
    assert len(connections) == 3


def test_a_connection_that_closes_when_reused_is_replaced() -> None:
    """An engine may close it in the very moment in which the next request comes."""
    connections = []

    def serve(connection: socket.socket, over: threading.Event) -> None:  # noqa: ARG001
        connections.append(connection)
        for answer in (version("1.41", "1.12"), http(b'{"SystemTime": "%s"}' % NOW.encode()))[
            len(connections) - 1 :
        ]:
            connection.recv(65536)
            connection.sendall(answer)
        connection.recv(65536)

    with serving(serve) as place, connect(device(place.port)) as engine:
        assert engine.time() == NOW
    assert len(connections) == 2
