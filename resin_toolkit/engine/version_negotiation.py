"""Negotiating the API version with an engine, or finding out what answers instead of one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket
from resin_toolkit.engine.transport.http import Answer, NotJson, exchange, parse_json
from resin_toolkit.errors import EngineFailed, ResinError, Unreachable
from resin_toolkit.untrusted_json import one_line

NEWEST = (1, 45)
"""The newest API version in use."""
OLDEST = (1, 22)
"""The oldest supported API version: Docker 1.10, in resinOS 2.0."""
_LIMIT = 256 * 1024
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})")
_TLS = (b"\x15\x03", b"\x16\x03")
"""How a TLS record begins, an alert or a handshake (RFC 8446, section 5.1)."""


@dataclass(frozen=True)
class NegotiatedVersion:
    """The result of the negotiation."""

    answer: dict[str, Any]
    """The answer of /version."""
    api_version: str
    """The newest API version that both sides support."""


def negotiate_version(
    host: str, where: str, connection: DeadlineSocket, deadline: float
) -> NegotiatedVersion:
    """Ask for the version of the engine behind `connection`, which error messages call `where`.

    The connection stays usable. Raises Unreachable with the cause `not-an-engine` or `tls`, and EngineFailed
    if the engine is too old or too new.
    """
    try:
        answer = exchange(connection, "GET", "/version", deadline=deadline, limit=_LIMIT)
    except (OSError, HTTPException) as error:
        raise _no_answer(host, where, connection.first, error) from error
    if answer.status != 200:
        raise _error_status(host, where, answer)
    try:
        known = parse_json(answer.body)
    except NotJson:
        known = None
    newest = known.get("ApiVersion") if isinstance(known, dict) else None
    if not isinstance(known, dict) or not isinstance(newest, str) or not _VERSION.fullmatch(newest):
        raise _not_an_engine(f"The HTTP server at {where} of {host} is not a container engine.")
    return NegotiatedVersion(known, _common_version(host, newest, known.get("MinAPIVersion")))


def parse_version(text: object) -> tuple[int, int]:
    """Parse an API version such as `1.22`; (0, 0) for anything else."""
    match = _VERSION.fullmatch(text) if isinstance(text, str) else None
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _common_version(host: str, newest: str, oldest: object) -> str:
    version = parse_version(newest)
    if version < OLDEST:
        raise EngineFailed(
            f"The engine of {host} is too old: it supports API {newest}.",
            hint="The oldest supported version is 1.22: Docker 1.10, in resinOS 2.0.",
        )
    if parse_version(oldest) > NEWEST:
        raise EngineFailed(
            f"The engine of {host} is too new: it requires API {one_line(str(oldest))} or later.",
            hint="A newer version of resin may support it.",
        )
    return "{}.{}".format(*min(version, NEWEST))


def _no_answer(host: str, where: str, first: bytes, error: Exception) -> ResinError:
    if first.startswith(_TLS):
        return _tls(host, where)
    if first.startswith(b"SSH-"):
        return _not_an_engine(f"{where} of {host} is an SSH server, not an engine.")
    if isinstance(error, TimeoutError):
        slow = "does not complete its response" if first else "does not respond"
        return _not_an_engine(f"The server at {where} of {host} {slow}: it is not an engine, or it hangs.")
    if not first:
        return _not_an_engine(
            f"The server at {where} of {host} closes the connection: it is not an engine, or it expects TLS."
        )
    return _not_an_engine(f"The server at {where} of {host} is not an engine.")


def _error_status(host: str, where: str, answer: Answer) -> ResinError:
    # Go's server: "Client sent an HTTP request to an HTTPS server."
    if answer.status == 400 and b"HTTPS" in answer.body:
        return _tls(host, where)
    return _not_an_engine(
        f"The server at {where} of {host} responds with HTTP status {answer.status}: it is not an engine."
    )


def _tls(host: str, where: str) -> Unreachable:
    return Unreachable(
        f"The server at {where} of {host} expects TLS, which a device's engine does not use.",
        hint="Specify the engine's port (HOST:PORT), or connect through SSH: ssh://root@HOST:22222.",
        cause="tls",
    )


def _not_an_engine(sentence: str) -> Unreachable:
    return Unreachable(
        sentence,
        hint="Specify the engine's port (HOST:PORT), or connect through SSH: ssh://root@HOST:22222.",
        cause="not-an-engine",
    )
