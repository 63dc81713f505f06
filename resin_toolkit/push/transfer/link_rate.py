"""How much the link to a device carries, by what was sent before: it decides whether that is compressed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

_LEAST = 8 * 1024 * 1024
"""Bytes from which on the time that they took says something: less may still lie in buffers on the way."""


@dataclass
class LinkRate:
    """In bytes a second, None where it is not known; what is sent by `timed` tells it anew."""

    known: float | None = None

    def timed(self, body: Iterator[bytes]) -> Iterator[bytes]:
        """The same, and how long who takes the pieces needs for them, without what it takes to make them."""
        sent, seconds = 0, 0.0
        for piece in body:
            began = time.monotonic()
            yield piece
            seconds += time.monotonic() - began
            sent += len(piece)
        if sent >= _LEAST and seconds > 0:
            self.known = sent / seconds
