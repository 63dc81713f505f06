"""HTTP as an engine speaks it, over a wire: one request, one answer, neither without bounds.

Source: RFC 9112 for the form; the paths and bodies are those of the Docker Engine API.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any, cast
from urllib.parse import urlencode

import resin_toolkit
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket, TooMuch

NETWORK_ERRORS = (OSError, HTTPException)
"""What the functions here raise where a connection breaks or what comes is no HTTP."""
LAST_CHUNK = b"0\r\n\r\n"
"""What ends a body that is sent in chunks."""
HEAD_LIMIT = 256 * 1024
"""Bytes that the head of an answer may have, generously."""


@dataclass(frozen=True)
class Answer:
    """What came back, whole."""

    status: int
    body: bytes
    reusable: bool
    """Whether the connection serves for another request."""


class NotJson(ValueError):
    """An answer that is no JSON, or JSON of a depth or length that no engine sends."""


def exchange(
    wire: DeadlineSocket,
    method: str,
    path: str,
    content: object = None,
    *,
    deadline: float | None,
    limit: int,
) -> Answer:
    """Send a request, with `content` as JSON, and take the whole answer; at most `limit` bytes of it.

    Without a deadline it waits as long as the connection lives.

    Raises OSError (TimeoutError after the deadline, TooMuch) and HTTPException.
    """
    if deadline is None:
        wire.unlimited()
    wire.deadline = deadline
    send(wire, method, path, content)
    response = receive(wire, method)
    try:
        wire.budget = limit
        if (response.length or 0) > limit:
            # Room is made for all that is promised before any of it comes.
            raise TooMuch("it promises too much")
        body = response.read()
        reusable = not response.will_close
    finally:
        response.close()
    wire.budget = None
    return Answer(response.status, body, reusable)


def send(
    wire: DeadlineSocket,
    method: str,
    path: str,
    content: object = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send a request; `path` is quoted already."""
    body = b"" if content is None else json.dumps(content).encode()
    lines = _head(method, path, headers)
    if content is not None:
        lines.append("Content-Type: application/json")
    if method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body)}")
    wire.sendall("\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body)


def begin_chunked(
    wire: DeadlineSocket, method: str, path: str, headers: Mapping[str, str] | None = None
) -> None:
    """Send the head of a request whose body follows in chunks."""
    lines = [*_head(method, path, headers), "Transfer-Encoding: chunked"]
    wire.sendall("\r\n".join(lines).encode("ascii") + b"\r\n\r\n")


def in_chunk(piece: bytes) -> bytes:
    """A piece of such a body, which is not empty, as it is sent (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def receive(wire: DeadlineSocket, method: str) -> HTTPResponse:
    """The answer up to the end of its head. Raises as `exchange` does."""
    wire.budget = HEAD_LIMIT
    response = HTTPResponse(cast(Any, wire), method=method)
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
    """The JSON in `body`. Raises NotJson."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotJson("no JSON") from error


def with_query(path: str, /, **fields: str) -> str:
    """`path` with those fields as its query that are not empty."""
    query = urlencode({name: value for name, value in fields.items() if value})
    return f"{path}?{query}" if query else path


def later(seconds: float) -> float:
    """The deadline that is so many seconds away."""
    return time.monotonic() + seconds


__all__ = [
    "HEAD_LIMIT",
    "LAST_CHUNK",
    "NETWORK_ERRORS",
    "Answer",
    "NotJson",
    "TooMuch",
    "begin_chunked",
    "exchange",
    "in_chunk",
    "later",
    "parse_json",
    "receive",
    "send",
    "with_query",
]
