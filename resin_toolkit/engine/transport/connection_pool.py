"""Requests to an engine: over connections that are used again, from any thread, failures put into words."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any

from resin_toolkit.engine.error_responses import refusal, strange_answer
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket, connection_lost
from resin_toolkit.engine.transport.http import (
    NETWORK_ERRORS,
    Answer,
    NotJson,
    exchange,
    later,
    parse_json,
    receive,
    send,
)
from resin_toolkit.engine.transport.transports import EngineTransport
from resin_toolkit.engine.transport.upload import TAR, ChunkedUpload

PATIENCE = 60.0
"""Seconds that an engine has for an answer: a board with a worn card is slow."""
LIMIT = 64 * 1024 * 1024
"""Bytes that an answer may have: far more than a list of a thousand containers."""
_AS_IT_IS = 304
"""What an engine answers with that has nothing to do: the container is stopped already."""
_ERROR_LIMIT = 64 * 1024
_UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}


class ConnectionPool:
    """Requests to the engine at the end of `transport`; every method may be called from any thread."""

    def __init__(self, host: str, transport: EngineTransport) -> None:
        self.host = host
        self.transport = transport
        self._idle: deque[DeadlineSocket] = deque()

    def give_back(self, wire: DeadlineSocket) -> None:
        """Keep a connection whose last answer was read to its end for the next request."""
        self._idle.append(wire)

    def call(self, method: str, path: str, content: object = None, *, within: float | None = PATIENCE) -> Any:
        """The JSON that the engine answers with; None where it answers with nothing, or has nothing to do.

        Raises ServiceNotFound and ImageNotFound where it has no such container or image, EngineFailed with
        its own words where it refuses, and Unreachable where the connection breaks or no answer comes within
        so many seconds; None is no limit while the connection lives.
        """
        answer = self._exchange(method, path, content, within)
        if answer.status >= 300 and answer.status != _AS_IT_IS:
            raise refusal(self.host, answer.status, answer.body)
        if not answer.body.strip():
            return None
        try:
            return parse_json(answer.body)
        except NotJson as error:
            raise strange_answer(self.host) from error

    def stream(
        self,
        path: str,
        method: str = "GET",
        *,
        within: float | None = PATIENCE,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[DeadlineSocket, HTTPResponse]:
        """A request whose answer is read bit by bit, once it has begun within that time; no read is limited.

        Raises as `call` does.
        """
        return self._begun(method, path, None, within=within, headers=headers)

    def sending(
        self, method: str, path: str, body: Iterable[bytes], headers: Mapping[str, str] | None = None
    ) -> ChunkedUpload:
        """A request whose body is sent bit by bit, by a thread of its own, while the answer is read.

        Raises Unreachable where there is no connection.
        """
        return ChunkedUpload(
            self.host, self.transport.open(), method, path, body, {"Content-Type": TAR, **(headers or {})}
        )

    def upgraded(self, path: str, content: object) -> tuple[DeadlineSocket, HTTPResponse]:
        """A POST after which the connection carries bytes both ways; nothing of them is read ahead."""
        return self._begun("POST", path, content, upgrade=True)

    def close_idle(self) -> None:
        """Close the connections that are not in use, so that the next request opens a new one."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def close(self) -> None:
        """Close the idle connections and the transport; open streams are closed by whoever holds them."""
        self.close_idle()
        self.transport.close()

    def _exchange(self, method: str, path: str, content: object, within: float | None) -> Answer:
        """One request; sent again over a new connection where an old one turns out to have ended."""
        deadline = None if within is None else later(within)
        wire = self._kept()
        while True:
            was_kept = wire is not None
            wire = wire or self.transport.open()
            try:
                answer = exchange(wire, method, path, content, deadline=deadline, limit=LIMIT)
            except NETWORK_ERRORS as error:
                wire.close()
                if was_kept and method == "GET" and not isinstance(error, TimeoutError):
                    wire = None
                    continue
                raise connection_lost(self.host, error) from error
            except BaseException:
                wire.close()
                raise
            self._keep(wire, answer)
            return answer

    def _kept(self) -> DeadlineSocket | None:
        while True:
            try:
                wire = self._idle.pop()
            except IndexError:
                return None
            if wire.is_idle():
                return wire
            wire.close()

    def _keep(self, wire: DeadlineSocket, answer: Answer) -> None:
        if answer.reusable:
            self._idle.append(wire)
        else:
            wire.close()

    def _begun(
        self,
        method: str,
        path: str,
        content: object,
        *,
        upgrade: bool = False,
        within: float | None = PATIENCE,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[DeadlineSocket, HTTPResponse]:
        wire = self.transport.open()
        response = None
        try:
            if within is not None:
                wire.deadline = later(within)
            if upgrade:
                wire.buffer_size = 1
            send(wire, method, path, content, _UPGRADE if upgrade else headers)
            response = receive(wire, method)
            if response.status >= 300:
                wire.budget = _ERROR_LIMIT
                raise refusal(self.host, response.status, response.read())
            wire.unlimited()
        except BaseException as error:
            if response is not None:
                response.close()
            wire.close()
            if isinstance(error, NETWORK_ERRORS):
                raise connection_lost(self.host, error) from error
            raise
        return wire, response


__all__ = ["LIMIT", "PATIENCE", "ConnectionPool", "refusal", "strange_answer"]
