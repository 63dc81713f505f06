"""Requests to an engine over reused connections, with failures as errors for users."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any

from resin_toolkit.engine.error_responses import refusal, unexpected_answer
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket, connection_lost
from resin_toolkit.engine.transport.http import (
    NETWORK_ERRORS,
    Answer,
    NotJson,
    deadline_in,
    exchange,
    parse_json,
    read_body,
    receive,
    send,
)
from resin_toolkit.engine.transport.raw_stream import RawStream
from resin_toolkit.engine.transport.transports import EngineTransport
from resin_toolkit.engine.transport.upload import TAR, ChunkedUpload

PATIENCE = 10.0
"""Seconds within which an engine answers a question, and begins a stream."""
CHANGE = 60.0
"""Seconds within which it carries out a change: a board with a worn card is slow. Meanwhile it must answer
other requests."""
_PING_TIMEOUT = 6.0
LIMIT = 8 * 1024 * 1024
"""Bytes that an answer may have: more than a list of a thousand containers."""
_NOT_MODIFIED = 304
"""The status if there is nothing to do, such as stopping a stopped container."""
_ERROR_LIMIT = 64 * 1024
_UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}


class ConnectionPool:
    """Sends requests to the engine behind `transport`. All methods are thread-safe."""

    def __init__(self, host: str, transport: EngineTransport) -> None:
        self.host = host
        self.transport = transport
        self._idle: deque[DeadlineSocket] = deque()

    def add(self, connection: DeadlineSocket) -> None:
        """Add an open connection, whose last answer was read completely, for the next request."""
        self._idle.append(connection)

    def call(self, method: str, path: str, content: object = None, *, within: float | None = PATIENCE) -> Any:
        """Send a request with `content` as JSON, and return the JSON of the answer; None if it is empty.

        Raises ServiceNotFound or ImageNotFound if there is no such container or image, EngineFailed for any
        other error response, and Unreachable if the connection is lost or there is no answer `within`
        seconds; None is no limit. With more than `PATIENCE`, or no limit, it is also raised as soon as the
        engine does not answer another request.
        """
        answer = self._exchange(method, path, content, within)
        if answer.status >= 300 and answer.status != _NOT_MODIFIED:
            raise refusal(self.host, answer.status, answer.body)
        if not answer.body.strip():
            return None
        try:
            return parse_json(answer.body)
        except NotJson as error:
            raise unexpected_answer(self.host) from error

    def stream(
        self,
        path: str,
        method: str = "GET",
        *,
        within: float | None = PATIENCE,
        silence: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RawStream:
        """Send a request, and return its answer as a stream once it begins.

        The stream has no limit, except that the engine may be silent for `silence` seconds. With more than
        `PATIENCE`, it must answer other requests meanwhile. Raises as `call` does.
        """
        connection, response = self._begin(method, path, None, within=within, headers=headers)
        if silence is not None:
            connection.settimeout(silence)
            connection.check = self._check(silence)
        return RawStream(self.host, connection, response)

    def upload(
        self, method: str, path: str, body: Iterable[bytes], headers: Mapping[str, str] | None = None
    ) -> ChunkedUpload:
        """Start a request whose body is sent by another thread. Raises Unreachable."""
        return ChunkedUpload(
            self.host, self.transport.open(), method, path, body, {"Content-Type": TAR, **(headers or {})}
        )

    def upgrade(self, path: str, content: object) -> tuple[DeadlineSocket, HTTPResponse]:
        """Send a POST after which the connection carries raw bytes in both directions; none are buffered."""
        return self._begin("POST", path, content, upgrade=True)

    def close_idle(self) -> None:
        """Close the connections that are not in use, so that the next request opens a new one."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def close(self) -> None:
        """Close the idle connections and the transport. Open streams have to be closed separately."""
        self.close_idle()
        self.transport.close()

    def _exchange(self, method: str, path: str, content: object, within: float | None) -> Answer:
        """Send a request; repeat a GET on a new connection if a reused one turns out to be closed."""
        deadline = None if within is None else deadline_in(within)
        connection = self._take_idle()
        while True:
            is_reused = connection is not None
            connection = connection or self.transport.open()
            try:
                answer = exchange(
                    connection,
                    method,
                    path,
                    content,
                    deadline=deadline,
                    limit=LIMIT,
                    check=self._check(within),
                )
            except NETWORK_ERRORS as error:
                connection.close()
                if is_reused and method == "GET" and not isinstance(error, TimeoutError):
                    connection = None
                    continue
                raise connection_lost(self.host, error) from error
            except BaseException:
                connection.close()
                raise
            if answer.reusable:
                self._idle.append(connection)
            else:
                connection.close()
            return answer

    def _check(self, within: float | None) -> Callable[[], object] | None:
        return self.ping if within is None or within > PATIENCE else None

    def ping(self, within: float | None = None) -> None:
        """Check that the engine answers within some seconds, on another connection.

        Raises OSError, HTTPException, and Unreachable if it accepts no connection.
        """
        within = _PING_TIMEOUT if within is None else within
        connection = self.transport.open()
        try:
            exchange(connection, "GET", "/_ping", deadline=deadline_in(within), limit=_ERROR_LIMIT)
        finally:
            connection.close()

    def _take_idle(self) -> DeadlineSocket | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_idle():
                return connection
            connection.close()

    def _begin(
        self,
        method: str,
        path: str,
        content: object,
        *,
        upgrade: bool = False,
        within: float | None = PATIENCE,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[DeadlineSocket, HTTPResponse]:
        connection = self.transport.open()
        response = None
        try:
            if within is not None:
                connection.deadline = deadline_in(within)
            connection.check = self._check(within)
            if upgrade:
                connection.buffer_size = 1
            send(connection, method, path, content, _UPGRADE if upgrade else headers)
            response = receive(connection, method)
            if response.status >= 300:
                body = read_body(connection, response, _ERROR_LIMIT)
                raise refusal(self.host, response.status, body)
            connection.unlimit()
        except BaseException as error:
            if response is not None:
                response.close()
            connection.close()
            if isinstance(error, NETWORK_ERRORS):
                raise connection_lost(self.host, error) from error
            raise
        return connection, response
