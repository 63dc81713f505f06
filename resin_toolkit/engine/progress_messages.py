"""What an engine tells of a long work while it goes on: JSON objects, one after the other, cut anywhere."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from resin_toolkit.engine.api_client import object_of
from resin_toolkit.engine.error_responses import strange_answer
from resin_toolkit.engine.models import number, one_line, text

_LIMIT = 4 * 1024 * 1024
"""Characters that one object may have: far more than a line of a build."""
_BUILT = re.compile(r"Successfully built ([0-9a-f]{12,64})\s*")
_LOADED = re.compile(r"Loaded image(?: ID)?: (\S+)\s*")


class Kind(StrEnum):
    """What is told of."""

    TEXT = "text"
    STATUS = "status"
    IMAGE = "image"


@dataclass(frozen=True)
class Progressed:
    """A step of the work.

    With the kind `text`, `text` is a piece of what it puts out, as it is: line ends, colours, half a line;
    with `status`, one printable line about what `id` names, a layer, of which `current` bytes of `total` are
    done; with `image`, `id` is the name or ID of the image that has come of it.
    """

    kind: Kind
    text: str = ""
    id: str = ""
    current: int = 0
    total: int = 0


@dataclass(frozen=True)
class Failed:
    """The work has failed, in the engine's own words."""

    words: str
    code: int
    """The exit code of the command that failed; 0 where it is not known."""


def objects_in(read: Callable[[], bytes], host: str) -> Iterator[Mapping[str, Any]]:
    """The objects in what `read` gives, up to b"". Raises what it raises, and Unreachable for no JSON."""
    decoder, decode = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8")("replace").decode
    pending = ""
    while True:
        data = read()
        pending = (pending + decode(data, final=not data)).lstrip()
        # Only a brace can end an object: what has none need not be tried again.
        while pending and (b"}" in data or not data):
            try:
                value, end = decoder.raw_decode(pending)
            except (ValueError, RecursionError):
                break
            if not isinstance(value, dict):
                raise strange_answer(host)
            yield value
            pending = pending[end:].lstrip()
        if (pending and pending[0] != "{") or len(pending) > _LIMIT or (pending and not data):
            raise strange_answer(host)
        if not data:
            return


def messages_in(said: Mapping[str, Any]) -> Iterator[Progressed | Failed]:
    """What an object tells."""
    error = said.get("error")
    detail = object_of(said, "errorDetail")
    if error or detail:
        words = error if isinstance(error, str) and error else text(detail, "message")
        yield Failed(one_line(" ".join(words.split()), 2000).rstrip("."), number(detail, "code"))
        return
    stream = said.get("stream")
    if isinstance(stream, str) and stream:
        yield Progressed(Kind.TEXT, stream)
        found = _BUILT.fullmatch(stream) or _LOADED.fullmatch(stream)
        if found:
            yield Progressed(Kind.IMAGE, id=one_line(found[1]))
    identity = text(object_of(said, "aux"), "ID")
    if identity:
        yield Progressed(Kind.IMAGE, id=identity)
    status = text(said, "status")
    if status:
        progress = object_of(said, "progressDetail")
        sizes = number(progress, "current"), number(progress, "total")
        yield Progressed(Kind.STATUS, status, text(said, "id"), *sizes)
