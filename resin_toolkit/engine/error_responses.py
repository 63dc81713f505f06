"""The errors for an engine's error responses, and for responses that no engine sends."""

from __future__ import annotations

import re

from resin_toolkit.engine.transport.http import NotJson, parse_json
from resin_toolkit.errors import EngineFailed, ImageNotFound, ResinError, ServiceNotFound, Unreachable
from resin_toolkit.untrusted_json import one_line

_NO_IMAGE = re.compile(r"no such image", re.IGNORECASE)
_NOTHING = re.compile(r"no such (?!file)", re.IGNORECASE)
"""For a file that is missing, an engine before 1.13 reports "no such file"."""


def refusal(host: str, status: int, body: bytes) -> ResinError:
    """The error for a response with an error status, with the engine's own message.

    Since API 1.24 the message is JSON, before that plain text.
    """
    try:
        answer = parse_json(body)
    except NotJson:
        answer = body.decode(errors="replace")
    if isinstance(answer, dict):
        answer = answer.get("message")
    words = one_line(" ".join(answer.split()) if isinstance(answer, str) else "", 500).rstrip(".")
    if status == 404 and _NO_IMAGE.search(words):
        return no_such_image(host, words, status)
    if status == 404 and _NOTHING.search(words):
        return no_such_container(host, words, status)
    return EngineFailed(
        f"The engine of {host} reports: {words or f'HTTP status {status}'}.",
        hint="The message is the engine's own. `resin ssh` opens a shell on the device.",
        status=status,
        words=words,
    )


def no_such_image(host: str, words: str, status: int | None = None) -> ImageNotFound:
    """The error for an image that does not exist; `words` name it."""
    return ImageNotFound(f"{host}: {words}.", hint="Check the spelling of its name.", status=status)


def no_such_container(host: str, words: str, status: int | None = None) -> ServiceNotFound:
    """The error for a container, network or volume that does not exist; `words` name it."""
    return ServiceNotFound(f"{host}: {words}.", hint="`resin ps --all` lists all containers.", status=status)


def unexpected_answer(host: str) -> Unreachable:
    """The error for a response of another form than an engine sends."""
    return Unreachable(
        f"The response of {host} is not that of a container engine.",
        hint="Check whether another program listens on that port, or a proxy is in between.",
        cause="not-an-engine",
    )
