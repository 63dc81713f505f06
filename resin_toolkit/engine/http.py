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
from resin_toolkit.engine.wire import TooMuch, Wire

NETWORK_ERRORS = (OSError, HTTPException)
"""What the functions here raise where a connection breaks or what comes is no HTTP."""
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
    wire: Wire, method: str, path: str, content: object = None, *, deadline: float, limit: int
) -> Answer:
    """Send a request, with `content` as JSON, and take the whole answer; at most `limit` bytes of it.

    Raises OSError (TimeoutError after the deadline, TooMuch) and HTTPException.
    """
    wire.deadline = deadline
    send(wire, method, path, content)
    response = receive(wire, method)
    try:
        wire.budget = limit
        body = response.read()
        reusable = not response.will_close
    finally:
        response.close()
    wire.budget = None
    return Answer(response.status, body, reusable)


def send(
    wire: Wire, method: str, path: str, content: object = None, headers: Mapping[str, str] | None = None
) -> None:
    """Send a request; `path` is quoted already."""
    body = b"" if content is None else json.dumps(content).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: docker",
        f"User-Agent: resin/{resin_toolkit.__version__}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    if content is not None:
        lines.append("Content-Type: application/json")
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    wire.sendall("\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body)


def receive(wire: Wire, method: str) -> HTTPResponse:
    """The answer up to the end of its head. Raises as `exchange` does."""
    wire.budget = HEAD_LIMIT
    response = HTTPResponse(cast(Any, wire), method=method)
    try:
        response.begin()
    except BaseException:
        response.close()
        raise
    return response


def parse_json(body: bytes) -> Any:
    """The JSON in `body`. Raises NotJson."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotJson("no JSON") from error


def with_query(path: str, **fields: str) -> str:
    """`path` with those fields as its query that are not empty."""
    query = urlencode({name: value for name, value in fields.items() if value})
    return f"{path}?{query}" if query else path


def later(seconds: float) -> float:
    """The deadline that is so many seconds away."""
    return time.monotonic() + seconds


__all__ = [
    "HEAD_LIMIT",
    "NETWORK_ERRORS",
    "Answer",
    "NotJson",
    "TooMuch",
    "exchange",
    "later",
    "parse_json",
    "receive",
    "send",
    "with_query",
]
