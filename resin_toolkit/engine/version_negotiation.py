"""The first words with what listens at a place: an engine, and of which version, or what it is instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from resin_toolkit.engine.models import one_line
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket
from resin_toolkit.engine.transport.http import Answer, NotJson, exchange, parse_json
from resin_toolkit.errors import EngineFailed, ResinError, Unreachable

OURS = (1, 45)
"""The newest version of the API that is asked for."""
OLDEST = (1, 22)
"""The oldest that is served: Docker 1.10, in resinOS 2.0."""
_LIMIT = 256 * 1024
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})")
_TLS = (b"\x15\x03", b"\x16\x03")
"""How a TLS record begins, an alert or a handshake (RFC 8446, section 5.1)."""


@dataclass(frozen=True)
class NegotiatedVersion:
    """What an engine said to the first request."""

    said: dict[str, Any]
    """The answer to /version."""
    api_version: str
    """The version of the API that both sides speak."""


def negotiate_version(host: str, where: str, wire: DeadlineSocket, deadline: float) -> NegotiatedVersion:
    """Ask what listens at the far end of `wire`, which `where` names to people.

    The wire can be used again afterwards, unless this raises: Unreachable with the cause `not-an-engine` or
    `tls`, or EngineFailed where the engine is too old or too new. The caller closes it.
    """
    try:
        answer = exchange(wire, "GET", "/version", deadline=deadline, limit=_LIMIT)
    except (OSError, HTTPException) as error:
        raise _no_engine(host, where, wire.first, error) from error
    if answer.status != 200:
        raise _not_understood(host, where, answer)
    try:
        said = parse_json(answer.body)
    except NotJson:
        said = None
    spoken = said.get("ApiVersion") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(spoken, str) or not _VERSION.fullmatch(spoken):
        raise _not_an_engine(f"What listens at {where} of {host} speaks HTTP, but is no container engine.")
    return NegotiatedVersion(said, _agreed(host, spoken, said.get("MinAPIVersion")))


def version_of(text: object) -> tuple[int, int]:
    """`1.22` as numbers that compare; (0, 0) for what is no version."""
    match = _VERSION.fullmatch(text) if isinstance(text, str) else None
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _agreed(host: str, spoken: str, least: object) -> str:
    newest = version_of(spoken)
    if newest < OLDEST:
        raise EngineFailed(
            f"The engine of {host} speaks API {spoken}, which is too old.",
            hint="1.22 is the oldest that is served: Docker 1.10, in resinOS 2.0.",
        )
    if version_of(least) > OURS:
        raise EngineFailed(
            f"The engine of {host} speaks API {one_line(str(least))} at least, which is too new.",
            hint="A newer version of resin may know it.",
        )
    return "{}.{}".format(*min(newest, OURS))


def _no_engine(host: str, where: str, first: bytes, error: Exception) -> ResinError:
    if first.startswith(_TLS):
        return _tls(host, where)
    if first.startswith(b"SSH-"):
        return _not_an_engine(f"What listens at {where} of {host} is an SSH server, not an engine.")
    if isinstance(error, TimeoutError):
        slow = "does not end its answer" if first else "says nothing"
        return _not_an_engine(f"What listens at {where} of {host} {slow}; it is no engine, or it hangs.")
    if not first:
        return _not_an_engine(
            f"What listens at {where} of {host} ends the connection without a word; it is no engine, "
            "or it expects TLS."
        )
    return _not_an_engine(f"What listens at {where} of {host} does not answer as an engine.")


def _not_understood(host: str, where: str, answer: Answer) -> ResinError:
    # Go's server: "Client sent an HTTP request to an HTTPS server."
    if answer.status == 400 and b"HTTPS" in answer.body:
        return _tls(host, where)
    return _not_an_engine(
        f"What listens at {where} of {host} answers with HTTP status {answer.status}; it is no engine."
    )


def _tls(host: str, where: str) -> Unreachable:
    return Unreachable(
        f"What listens at {where} of {host} expects TLS, which a device's engine does not use.",
        hint="Name the port of a plain engine, or reach the device by SSH: ssh://root@HOST:22222.",
        cause="tls",
    )


def _not_an_engine(sentence: str) -> Unreachable:
    return Unreachable(
        sentence,
        hint="Name the engine's port (HOST:PORT), or reach the device by SSH: ssh://root@HOST:22222.",
        cause="not-an-engine",
    )
