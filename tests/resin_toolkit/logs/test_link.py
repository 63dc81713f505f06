"""The connection that logs are read over: what is waited for, and what is not."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from support.loopback_server import http, read_request, routes, serving

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.record import Device
from resin_toolkit.engine import connect
from resin_toolkit.errors import ResinError, Unreachable
from resin_toolkit.reach.reconnecting_engine import ReconnectingEngine


def answers(method: str, path: str) -> bytes:  # noqa: ARG001
    """Greets as an engine does, and lists no containers but an object."""
    return http(json.dumps({"ApiVersion": "1.41", "Version": "25", "ID": "x"}).encode())


def test_an_answer_that_is_not_from_an_engine_ends_the_wait() -> None:
    told: list[object] = []
    with serving(routes(answers)) as place:
        device = Device(
            "board.local", (place.address,), engine_ports=(place.port,), access_method=AccessMethod.TCP
        )
        link = ReconnectingEngine(device, connect, lost=told.append, back=told.append)
        engine, number = link.engine()
        with pytest.raises(Unreachable) as asked:
            engine.containers(all=True)
        with pytest.raises(Unreachable) as caught:
            link.reconnect(number, asked.value)
        link.close()
    assert caught.value is asked.value
    assert told == []


def ends_when_asked(connection: socket.socket, over: threading.Event) -> None:
    """Greets as an engine does, and is gone when it is asked for its containers."""
    while not over.is_set():
        request = read_request(connection)
        if not request or b"/containers/" in request:
            return
        connection.sendall(answers("GET", "/"))


def ask_again_and_again(link: ReconnectingEngine) -> None:
    for _ in range(100):
        engine, number = link.engine()
        with pytest.raises(Unreachable) as asked:
            engine.containers(all=True)
        link.reconnect(number, asked.value)


def test_connections_that_end_immediately_are_retried_with_longer_pauses_until_the_timeout() -> None:
    lost: list[ResinError] = []
    with serving(ends_when_asked) as place:
        device = Device(
            "board.local", (place.address,), engine_ports=(place.port,), access_method=AccessMethod.TCP
        )
        link = ReconnectingEngine(device, connect, lost=lost.append, back=lambda _: None, patience=1.0)
        with pytest.raises(Unreachable) as caught:
            ask_again_and_again(link)
        link.close()
    assert caught.value is lost[-1]
    assert len(lost) < 10


def hung_engine() -> Unreachable:
    return Unreachable("board.local did not respond in time.", cause="no-answer")


def test_an_engine_that_has_never_answered_a_request_is_given_up() -> None:
    lost: list[ResinError] = []
    with serving(routes(answers)) as place:
        device = Device(
            "board.local", (place.address,), engine_ports=(place.port,), access_method=AccessMethod.TCP
        )
        link = ReconnectingEngine(device, connect, lost=lost.append, back=lambda _: None)
        _, number = link.engine()
        with pytest.raises(Unreachable, match="did not respond in time"):
            link.reconnect(number, hung_engine())
        assert lost == []
        link.progress()
        link.reconnect(number, hung_engine())
        link.close()
    assert len(lost) == 1
