"""HTTP requests and responses with limits on time and size. Source: RFC 9112."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any, cast
from urllib.parse import urlencode

import resin_toolkit
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket, TooMuch
from resin_toolkit.untrusted_json import load_json

NETWORK_ERRORS = (OSError, HTTPException)
"""What the functions here raise for a lost connection or an answer that is not HTTP."""
LAST_CHUNK = b"0\r\n\r\n"
"""The end of a chunked body."""
_PIECE = 65536
HEAD_LIMIT = 256 * 1024
"""Bytes that the head of an answer may have."""


@dataclass(frozen=True)
class Answer:
    """A complete answer."""

    status: int
    body: bytes
    reusable: bool
    """Whether the connection can be reused."""


class NotJson(ValueError):
    """An answer that is not JSON, or JSON with excessive nesting."""


def exchange(
    connection: DeadlineSocket,
    method: str,
    path: str,
    content: object = None,
    *,
    deadline: float | None,
    limit: int,
    check: Callable[[], object] | None = None,
) -> Answer:
    """Send a request with `content` as JSON, and return the complete answer, of at most `limit` bytes.

    `deadline` is a time.monotonic(); None waits as long as the connection lives. `check` is called while the
    server is silent (`DeadlineSocket.check`). Raises what `check` raises, OSError (TimeoutError after the
    deadline, TooMuch beyond the limit) and HTTPException.
    """
    if deadline is None:
        connection.unlimit()
    connection.deadline, connection.check = deadline, check
    send(connection, method, path, content)
    response = receive(connection, method)
    try:
        body = read_body(connection, response, limit)
        reusable = not response.will_close
    finally:
        response.close()
    connection.budget = connection.check = None
    return Answer(response.status, body, reusable)


def read_body(connection: DeadlineSocket, response: HTTPResponse, limit: int) -> bytes:
    """The body of an answer, of at most `limit` bytes with its framing. Raises as `exchange` does."""
    connection.budget = limit
    # http.client allocates what is announced before it receives any of it: a whole body, or a chunk.
    if (response.length or 0) > limit:
        raise TooMuch
    try:
        if not response.chunked:
            return response.read()
        body = bytearray()
        while piece := response.read(_PIECE):
            body += piece
            # Bytes in chunks of their own take long even once all of them are here.
            connection.require_time()
        return bytes(body)
    except (ValueError, OverflowError) as error:
        raise HTTPException(f"an invalid size of a chunk: {error}") from error


def send(
    connection: DeadlineSocket,
    method: str,
    path: str,
    content: object = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send a request; `path` is quoted."""
    body = b"" if content is None else json.dumps(content).encode()
    lines = _head(method, path, headers)
    if content is not None:
        lines.append("Content-Type: application/json")
    if method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body)}")
    connection.sendall("\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body)


def send_chunked_head(
    connection: DeadlineSocket, method: str, path: str, headers: Mapping[str, str] | None = None
) -> None:
    """Send the head of a request whose body follows in chunks."""
    lines = [*_head(method, path, headers), "Transfer-Encoding: chunked"]
    connection.sendall("\r\n".join(lines).encode("ascii") + b"\r\n\r\n")


def encode_chunk(piece: bytes) -> bytes:
    """A non-empty piece of a body as a chunk (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def receive(connection: DeadlineSocket, method: str) -> HTTPResponse:
    """Receive the head of an answer. Raises as `exchange` does."""
    connection.budget = HEAD_LIMIT
    response = HTTPResponse(cast(Any, connection), method=method)
    try:
        response.begin()
    except BaseException:
        response.close()
        raise
    return response


def _head(method: str, path: str, headers: Mapping[str, str] | None) -> list[str]:
    return [
        f"{method} {path} HTTP/1.1",
        "Host: docker",
        f"User-Agent: resin/{resin_toolkit.__version__}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]


def parse_json(body: bytes) -> Any:
    """Parse `body` as JSON. Raises NotJson, also if it would take too much memory."""
    try:
        return load_json(body)
    except (ValueError, RecursionError) as error:
        raise NotJson from error


def with_query(path: str, /, **fields: str) -> str:
    """`path` with the non-empty `fields` as its query."""
    query = urlencode({name: value for name, value in fields.items() if value})
    return f"{path}?{query}" if query else path


def deadline_in(seconds: float) -> float:
    """The time.monotonic() in this number of seconds."""
    return time.monotonic() + seconds
