"""The parts of the engine's adapter by themselves: transfer coding, frames, and JSON that anybody wrote."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import suppress
from http.client import HTTPResponse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.loopback_server import http, routes, saying, serving

from resin_toolkit.device.record import Device
from resin_toolkit.engine import SERVICE_LABEL, Output, RawStream, connect
from resin_toolkit.engine.container_exec import Frames
from resin_toolkit.engine.insecure_warning import insecure_warning
from resin_toolkit.engine.models import EngineFacts, containers_of, details_of, facts_of, service_of
from resin_toolkit.engine.transport.raw_stream import ChunkDecoder, InvalidChunk
from resin_toolkit.engine.transport.transports import TcpTransport
from resin_toolkit.errors import EngineFailed, Unreachable
from resin_toolkit.tcp import Endpoint
from resin_toolkit.untrusted_json import WrongShape, one_line

pieces = st.lists(st.binary(min_size=1, max_size=40), max_size=8)
cuts = st.lists(st.integers(1, 30), min_size=1, max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
KEYS = ("Id", "ID", "Names", "Labels", "State", "Status", "Image", "Created", "Config", "HostConfig",
        "RestartCount", "Name", "Version", "ApiVersion", "Running", "StartedAt", "LogConfig")  # fmt: skip
objects = st.dictionaries(st.sampled_from(KEYS), anything, max_size=len(KEYS))


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """`data` in pieces of these sizes, again and again."""
    found = []
    while data:
        for size in sizes:
            found.append(data[:size])
            data = data[size:]
    return found


@given(pieces, cuts, st.sampled_from([b"", b";name=value"]), st.booleans())
def test_chunked_bodies_are_decoded_from_pieces_of_any_size(
    content: list[bytes], sizes: list[int], extension: bytes, upper: bool
) -> None:
    marks = [f"{len(piece):{'X' if upper else 'x'}}".encode() + extension for piece in content]
    coded = b"".join(mark + b"\r\n" + piece + b"\r\n" for mark, piece in zip(marks, content, strict=True))
    chunks = ChunkDecoder()
    taken = b"".join(chunks.take(part) for part in cut(coded, sizes))
    assert taken == b"".join(content)
    assert not chunks.ended
    for part in cut(b"0\r\n\r\n", sizes):
        assert chunks.take(part) == b""
    assert chunks.ended


def test_an_incomplete_chunk_is_returned_at_once() -> None:
    chunks = ChunkDecoder()
    assert chunks.take(b"ffff\r\nab") == b"ab"
    assert chunks.take(b"cd") == b"cd"


@pytest.mark.parametrize(
    "coded", [b"-5\r\nhello\r\n", b"x\r\n", b"\r\n\r\n\r\n", b"5\r\nhelloworld\r\n", b"f" * 5000]
)
def test_invalid_chunks(coded: bytes) -> None:
    with pytest.raises(InvalidChunk):
        ChunkDecoder().take(coded)


@given(st.binary(max_size=300), cuts)
def test_any_bytes_for_chunks(data: bytes, sizes: list[int]) -> None:
    chunks = ChunkDecoder()
    with suppress(InvalidChunk):
        for part in cut(data, sizes):
            assert len(chunks.take(part)) <= len(data)


@given(st.lists(st.tuples(st.sampled_from(list(Output)), st.binary(max_size=40)), max_size=8), cuts)
def test_frames_are_read_from_pieces_of_any_size(
    frames: list[tuple[Output, bytes]], sizes: list[int]
) -> None:
    coded = b"".join(
        bytes([output, 0, 0, 0]) + len(data).to_bytes(4, "big") + data for output, data in frames
    )
    apart = Frames()
    found = [piece for part in cut(coded, sizes) for piece in apart.take(part)]
    for output in Output:
        assert b"".join(d for o, d in found if o is output) == b"".join(d for o, d in frames if o is output)


@given(anything | objects | st.lists(objects))
def test_json_of_any_shape(value: object) -> None:
    for read in (containers_of, details_of, lambda known: facts_of(known, known)):
        with suppress(WrongShape):
            assert read(value) is not None


@given(st.text())
def test_texts_are_printable_and_on_one_line(text: str) -> None:
    shown = one_line(text)
    assert shown.isprintable()
    assert len(shown) <= 256
    assert shown.encode() or not text


def test_names_of_services() -> None:
    labels = {"com.docker.compose.service": "c", "io.resin.service-name": "b"}
    assert service_of(labels, "name") == "b"
    assert service_of({**labels, SERVICE_LABEL: "a"}, "name") == "a"
    assert service_of({**labels, SERVICE_LABEL: ""}, "name") == "b"
    assert service_of({}, "name") == "name"


def test_names_of_containers() -> None:
    listed = [
        {"Id": "a" * 64, "Names": ["/web/alias", "/real"]},
        {"Id": "b" * 64, "Names": []},
        {"Id": "c" * 64, "Names": ["/e\x1b[2Jvil\nname"]},
    ]
    assert [c.name for c in containers_of(listed)] == ["real", "b" * 12, "e\ufffd[2Jvil\ufffdname"]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Up 3 hours", "running"),
        ("Up 3 hours (Paused)", "paused"),
        ("Restarting (1) 2 seconds ago", "restarting"),
        ("Exited (0) 2 days ago", "exited"),
        ("Created", "created"),
        ("Dead", "dead"),
        ("Removal In Progress", "removing"),
        ("", "created"),
    ],
)
def test_the_state_in_the_status_of_api_1_22(status: str, state: str) -> None:
    [container] = containers_of([{"Id": "a", "Names": ["/n"], "Status": status}])
    assert container.state == state


FACTS = EngineFacts("AB:CD", "board", "1.10.3", "1.22", "", "", "")


def test_an_open_engine_is_warned_of_once(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert insecure_warning("board", Endpoint("127.0.0.1", 2377), FACTS) is None
    assert insecure_warning("board", Endpoint("::1", 2377), FACTS) is None
    notice = insecure_warning("board", Endpoint("fe80::1%eth0", 2377), FACTS)
    assert notice is not None
    assert "[fe80::1%eth0]:2377" in notice.message
    assert insecure_warning("other", Endpoint("10.0.0.1", 2377), FACTS) is None


def stream_of(place: Endpoint) -> RawStream:
    wire = TcpTransport("board", place).open()
    wire.sendall(b"GET / HTTP/1.1\r\n\r\n")
    response = HTTPResponse(wire)  # type: ignore[arg-type]
    response.begin()
    return RawStream("board", wire, response)


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 5\r\n\r\nabcde",
        b"HTTP/1.0 200 OK\r\n\r\nabcde",
    ],
    ids=["chunked", "of a length", "up to the end"],
)
def test_a_body_is_read_completely(answer: bytes) -> None:
    def serve(connection: socket.socket, over: threading.Event) -> None:  # noqa: ARG001
        connection.recv(65536)
        connection.sendall(answer)

    with serving(serve) as place, stream_of(place) as stream:
        assert b"".join(iter(lambda: stream.read(2), b"")) == b"abcde"
        assert stream.read() == b""


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\na",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nno chunk\r\n",
        HEAD + b"Content-Length: 5\r\n\r\nabc",
    ],
)
def test_an_incomplete_or_damaged_body_is_an_error(answer: bytes) -> None:
    def serve(connection: socket.socket, over: threading.Event) -> None:  # noqa: ARG001
        connection.recv(65536)
        connection.sendall(answer)

    with serving(serve) as place, stream_of(place) as stream, pytest.raises(Unreachable) as caught:
        list(iter(stream.read, b""))
    assert caught.value.facts["cause"] == "lost"


def test_a_read_in_another_thread_ends_when_the_stream_is_closed() -> None:
    answer = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    with serving(saying(answer)) as place:
        stream = stream_of(place)
        assert stream.read() == b"a"
        found: list[bytes] = []
        reader = threading.Thread(target=lambda: found.append(stream.read()))
        reader.start()
        reader.join(0.2)
        assert reader.is_alive()
        started = time.monotonic()
        stream.close()
        reader.join(5)
        # The server itself would end it after 10 s.
        assert time.monotonic() - started < 5
        assert found == [b""]
        assert stream.read() == b""


def engine_that_refuses(status: str, body: bytes) -> EngineFailed:
    """How the engine's refusal to list its containers is told."""

    def answers(_: str, path: str) -> bytes:
        if path == "/version":
            return http(b'{"ApiVersion": "1.41"}')
        return http(b'{"ID": "a"}') if path.endswith("/info") else http(body, status, "text/plain")

    with (
        serving(routes(answers)) as place,
        connect(Device("board", (place.address,), engine_ports=(place.port,))) as engine,
        pytest.raises(EngineFailed) as caught,
    ):
        engine.containers()
    return caught.value


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (json.dumps({"message": "no space left\non device."}).encode(), "no space left on device."),
        (b"plain words of 1.22\n", "plain words of 1.22."),
        (b"", "HTTP status 500."),
        (b"\x1b[2J" + b"x" * 10_000, "x"),
        (b'{"message": 7}', "HTTP status 500."),
    ],
)
def test_the_engines_own_message(body: bytes, words: str) -> None:
    error = engine_that_refuses("500 Internal Server Error", body)
    assert words in error.message
    assert error.message.isprintable()
    assert len(error.message) < 700


def test_immediate_output_behind_the_head_is_not_lost() -> None:
    head = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"

    def answers(_: str, path: str) -> bytes:
        if path == "/version":
            return http(b'{"ApiVersion": "1.41"}')
        if path.endswith("/start"):
            return head + b"\x01\0\0\0\0\0\0\x05hello"
        return http(b'{"ID": "a", "Id": "b"}')

    with (
        serving(routes(answers)) as place,
        connect(Device("board", (place.address,), engine_ports=(place.port,))) as engine,
        engine.exec("box", ["true"]) as session,
    ):
        assert session.read() == [(Output.STDOUT, b"hello")]
