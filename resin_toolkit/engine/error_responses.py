"""What an engine refuses, and what is no engine's answer at all, in words."""

from __future__ import annotations

import re

from resin_toolkit.engine.models import one_line
from resin_toolkit.engine.transport.http import NotJson, parse_json
from resin_toolkit.errors import EngineFailed, ImageNotFound, ResinError, ServiceNotFound, Unreachable

_NO_IMAGE = re.compile(r"no such image", re.IGNORECASE)
_NOTHING = re.compile(r"no such (?!file)", re.IGNORECASE)
"""Of a file that is missing, an engine before 1.13 says that there is no such file."""


def refusal(host: str, status: int, body: bytes) -> ResinError:
    """The failure that an engine's answer with an error status stands for, in the engine's own words.

    Since API 1.24 they come as JSON, before as plain text.
    """
    try:
        said = parse_json(body)
    except NotJson:
        said = body.decode(errors="replace")
    if isinstance(said, dict):
        said = said.get("message")
    words = one_line(" ".join(said.split()) if isinstance(said, str) else "", 500).rstrip(".")
    if status == 404 and _NO_IMAGE.search(words):
        return ImageNotFound(f"{host}: {words}.", hint="Is its name spelled right?", status=status)
    if status == 404 and _NOTHING.search(words):
        return ServiceNotFound(
            f"{host}: {words}.", hint="`resin ps --all` lists what is there.", status=status
        )
    return EngineFailed(
        f"The engine of {host} refuses: {words or f'HTTP status {status}'}.",
        hint="The words are the engine's own; `resin ssh` lets you look on the device.",
        status=status,
        words=words,
    )


def strange_answer(host: str) -> Unreachable:
    """Where JSON was due and something else came."""
    return Unreachable(
        f"{host} answers as no engine would.",
        hint="Does something else listen on that port, or is there a proxy between?",
        cause="not-an-engine",
    )
