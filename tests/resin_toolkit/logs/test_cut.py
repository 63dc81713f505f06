"""An engine that shuts down in order ends the logs that it sends as if they were complete."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from support.loopback_server import http, read_request, serving

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.record import Device
from resin_toolkit.engine import Container, connect
from resin_toolkit.engine.timestamps import stamp_of_nanoseconds
from resin_toolkit.errors import EngineFailed, ResinError
from resin_toolkit.logs.container_log import ContainerLog
from resin_toolkit.logs.follower import LogFollower
from resin_toolkit.logs.query import LogListener, LogQuery
from resin_toolkit.logs.records import make_record
from resin_toolkit.logs.rendering import LogFormat, ServiceLabels
from resin_toolkit.logs.writer import LogWriter
from resin_toolkit.reach.reconnecting_engine import ReconnectingEngine

LINES = 400


def frame(number: int) -> bytes:
    payload = make_record(1, stamp_of_nanoseconds(10**18 + number), b"%d\n" % number)[8:]
    return bytes([1, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


class ShuttingDown:
    """An engine with one container, which cuts its log off behind `cut` lines, once, and is then away for
    a moment: connections that it has are still served, and new ones end at once."""

    def __init__(self, cut: int, *, remark: bytes = b"") -> None:
        self._cut = cut
        self._remark = remark
        self._away = threading.Event()

    def __call__(self, connection: socket.socket, over: threading.Event) -> None:
        if self._away.is_set():
            return
        while not over.is_set():
            path = read_request(connection).split(b" ")[1:2]
            if not path:
                return
            connection.sendall(self._answer(path[0].decode()))
            if "/logs" in path[0].decode():
                return

    def _answer(self, path: str) -> bytes:
        if "/logs" in path:
            return b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"".join(self._frames(path))
        if path.endswith("/containers/json?all=1"):
            return http(json.dumps([{"Id": "a" * 64, "Names": ["/web"], "State": "running"}]).encode())
        return http(json.dumps({"ApiVersion": "1.41", "Version": "25", "ID": "x"}).encode())

    def _frames(self, path: str) -> Iterator[bytes]:
        tail = path.partition("tail=")[2].partition("&")[0]
        numbers = range(LINES) if tail == "all" else range(max(0, LINES - int(tail)), LINES)
        cut, self._cut = self._cut, LINES
        yield from map(frame, numbers[:cut])
        if cut < LINES and self._remark:
            yield bytes([3, 0, 0, 0]) + len(self._remark).to_bytes(4, "big") + self._remark
        elif cut < LINES:
            self._away.set()
            threading.Timer(0.5, self._away.clear).start()


class Told(LogListener):
    """What was told: of nothing but remarks."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def gap(self, log: ContainerLog, before: bytes, first: bytes) -> None:
        raise AssertionError((log, before, first))

    def engine_message(self, log: ContainerLog, words: str) -> None:  # noqa: ARG002
        self.messages.append(words)

    def unreadable(self, container: Container, error: EngineFailed) -> None:
        raise AssertionError((container, error))


@contextmanager
def shown(engine: ShuttingDown, out: list[bytes], lost: list[ResinError], told: Told) -> Iterator[None]:
    with serving(engine) as place:
        device = Device(
            place.address, (place.address,), engine_ports=(place.port,), access_method=AccessMethod.TCP
        )
        link = ReconnectingEngine(device, connect, lost=lost.append, back=lambda _: None, patience=10.0)
        writer = LogWriter(out.append, None)
        try:
            logs = LogFollower(link, LogQuery(frozenset()), LogFormat(), ServiceLabels(), writer, told)
            logs.select()
            logs.show_existing()
            yield
        finally:
            writer.close()
            with suppress(ResinError):
                link.close()


@pytest.mark.parametrize("cut", [0, 1, 250, 399])
def test_records_cut_off_by_a_stopping_engine_are_read_later(cut: int) -> None:
    out: list[bytes] = []
    lost: list[ResinError] = []
    with shown(ShuttingDown(cut), out, lost, Told()):
        assert b"".join(out).split() == [b"%d" % number for number in range(LINES)]
    assert len(lost) == 1


def test_reading_resumes_after_an_error_within_the_log() -> None:
    out: list[bytes] = []
    told = Told()
    with shown(ShuttingDown(100, remark=b"Error grabbing logs: EOF"), out, [], told):
        assert b"".join(out).split() == [b"%d" % number for number in range(LINES)]
    assert told.messages == ["Error grabbing logs: EOF"]
