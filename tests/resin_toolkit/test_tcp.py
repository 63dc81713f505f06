"""Connecting to the first of several endpoints, on real sockets."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from resin_toolkit import tcp
from resin_toolkit.errors import Unreachable
from resin_toolkit.tcp import Endpoint, connect_any, endpoints


@contextmanager
def listening(address: str = "127.0.0.1") -> Iterator[Endpoint]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as server:
        server.bind((address, 0))
        server.listen()
        yield Endpoint(address, server.getsockname()[1])


def closed_port() -> Endpoint:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return Endpoint("127.0.0.1", server.getsockname()[1])


@contextmanager
def unresponsive() -> Iterator[Endpoint]:
    """An endpoint that neither accepts nor refuses a connection: its backlog is full."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        endpoint = Endpoint("127.0.0.1", server.getsockname()[1])
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((endpoint.address, endpoint.port))
        yield endpoint


def test_endpoints_are_ordered_by_port() -> None:
    assert endpoints(["a", "b"], [1, 2]) == [
        Endpoint("a", 1),
        Endpoint("b", 1),
        Endpoint("a", 2),
        Endpoint("b", 2),
    ]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_connection_is_open_and_blocking(address: str) -> None:
    with listening(address) as endpoint:
        connection, found = connect_any("here", [endpoint])
        with connection:
            assert found == endpoint
            assert connection.getblocking()
            assert connection.getpeername()[1] == endpoint.port


def test_the_preferred_one_of_two_that_answer_is_taken() -> None:
    with listening() as first, listening() as second:
        for wanted in ([first, second], [second, first]):
            connection, found = connect_any("here", wanted)
            connection.close()
            assert found == wanted[0]


class LateAnswers(selectors.DefaultSelector):
    """Reports the connection to the first endpoint only after that to another one."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(timeout)
        return [event for event in events if event[0].data != 0] or events


def test_a_preferred_endpoint_that_answers_a_little_later_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp.selectors, "DefaultSelector", LateAnswers)
    with listening() as first, listening() as second:
        connection, found = connect_any("here", [first, second])
        connection.close()
    assert found == first


def test_an_endpoint_is_taken_when_the_preferred_one_stays_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "_PREFERENCE", 0.05)
    with unresponsive() as silent, listening() as second:
        connection, found = connect_any("here", [silent, second], within=60.0)
        connection.close()
    assert found == second


def test_one_that_answers_is_enough() -> None:
    with unresponsive() as silent, listening() as endpoint:
        connection, found = connect_any("here", [closed_port(), silent, endpoint])
        connection.close()
    assert found == endpoint


def test_a_closed_port_is_refused() -> None:
    with pytest.raises(Unreachable) as caught:
        connect_any("there", [closed_port()])
    assert caught.value.facts["cause"] == "refused"
    assert "there" in caught.value.message


def test_silence_ends_in_time() -> None:
    started = time.monotonic()
    with unresponsive() as silent, pytest.raises(Unreachable) as caught:
        connect_any("there", [silent], within=0.3)
    assert caught.value.facts["cause"] == "no-answer"
    # The system itself would give up after two minutes.
    assert 0.3 <= time.monotonic() - started < 60


@pytest.mark.parametrize("address", ["fe80::1%no-such-interface", "255.255.255.255"])
def test_an_address_that_leads_nowhere(address: str) -> None:
    with pytest.raises(Unreachable) as caught:
        connect_any("there", [Endpoint(address, 1)])
    assert caught.value.facts["cause"] == "no-route"


def test_no_address_at_all() -> None:
    with pytest.raises(Unreachable):
        connect_any("there", [])
