"""The messages of builds, pulls and loads: a stream of JSON objects without separators."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from resin_toolkit.engine.error_responses import unexpected_answer
from resin_toolkit.untrusted_json import number, object_of, one_line, text

_LIMIT = 4 * 1024 * 1024
"""Characters that one object may have: far more than a line of a build."""
_TRIED_LIMIT = 256 * 1024 * 1024
"""Characters that are parsed in vain, again and again while an object arrives, before it is given up."""
_BUILT = re.compile(r"Successfully built ([0-9a-f]{12,64})\s*")
_LOADED = re.compile(r"Loaded image(?: ID)?: (\S+)\s*")


class MessageKind(StrEnum):
    """What a message contains."""

    TEXT = "text"
    STATUS = "status"
    IMAGE = "image"


@dataclass(frozen=True)
class ProgressMessage:
    """A message about a build, pull or load.

    TEXT: `text` is a chunk of output, unchanged, with line feeds and colours, and not always a whole line.
    STATUS: `text` is one printable line about the layer `id`, of which `current` of `total` bytes are done.
    IMAGE: `id` is the name or ID of the resulting image.
    """

    kind: MessageKind
    text: str = ""
    id: str = ""
    current: int = 0
    total: int = 0


@dataclass(frozen=True)
class FailureMessage:
    """The build, pull or load has failed. `words` are the engine's."""

    words: str
    code: int
    """The exit code of the command that failed; 0 if it is unknown."""


def read_objects(read: Callable[[], bytes], host: str) -> Iterator[Mapping[str, Any]]:
    """The JSON objects in what `read` returns, up to b"".

    Raises what `read` raises, and Unreachable for anything that is not a JSON object.
    """
    decoder, decode = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8")("replace").decode
    pending = ""
    tried = 0
    while True:
        data = read()
        pending = (pending + decode(data, final=not data)).lstrip()
        # Only a brace can end an object: data without one completes none.
        while pending and (b"}" in data or not data):
            try:
                value, end = decoder.raw_decode(pending)
            except (ValueError, RecursionError):
                tried += len(pending)
                break
            tried = 0
            if not isinstance(value, dict):
                raise unexpected_answer(host)
            yield value
            pending = pending[end:].lstrip()
        is_too_long = len(pending) > _LIMIT or tried > _TRIED_LIMIT
        if (pending and pending[0] != "{") or is_too_long or (pending and not data):
            raise unexpected_answer(host)
        if not data:
            return


def parse_messages(known: Mapping[str, Any]) -> Iterator[ProgressMessage | FailureMessage]:
    """The messages in one object."""
    error = known.get("error")
    detail = object_of(known, "errorDetail")
    if error or detail:
        words = error if isinstance(error, str) and error else text(detail, "message")
        yield FailureMessage(one_line(" ".join(words.split()), 2000).rstrip("."), number(detail, "code"))
        return
    stream = known.get("stream")
    if isinstance(stream, str) and stream:
        yield ProgressMessage(MessageKind.TEXT, stream)
        found = _BUILT.fullmatch(stream) or _LOADED.fullmatch(stream)
        if found:
            yield ProgressMessage(MessageKind.IMAGE, id=one_line(found[1]))
    identity = text(object_of(known, "aux"), "ID")
    if identity:
        yield ProgressMessage(MessageKind.IMAGE, id=identity)
    status = text(known, "status")
    if status:
        progress = object_of(known, "progressDetail")
        sizes = number(progress, "current"), number(progress, "total")
        yield ProgressMessage(MessageKind.STATUS, status, text(known, "id"), *sizes)
