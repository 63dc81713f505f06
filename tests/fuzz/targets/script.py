"""Inputs with a structure: numbers, lines, documents and changes to a valid image, all taken from bytes.

A fuzzer changes bytes one at a time. What it should change one at a time is one file of several, or a field
of an image that has checksums; so those are built here from bytes that say what to do.
"""

from __future__ import annotations

import lzma
import zlib
from functools import cache
from pathlib import Path

_BASES = Path(__file__).parent.parent / "bases"
SEPARATOR = b"\n--- "
"""Precedes the name of a file in an input that holds several."""


class Script:
    """Reads an input from its start. Once it has ended, every number is 0 and every text is empty."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def __bool__(self) -> bool:
        return self._position < len(self._data)

    def number(self, size: int = 1) -> int:
        """The next `size` bytes, big-endian."""
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        taken = self._data[self._position : self._position + size]
        self._position += size
        return taken

    def block(self) -> bytes:
        """As many of the next bytes as the byte in front of them says."""
        return self.take(self.number())

    def line(self) -> bytes:
        """The bytes up to the next line feed, without it."""
        end = self._data.find(b"\n", self._position)
        line = self._data[self._position : None if end < 0 else end]
        self._position += len(line) + 1
        return line

    def rest(self) -> bytes:
        return self.take(len(self._data))


def documents(data: bytes, first: str) -> dict[str, bytes]:
    """The files of an input, by name: the text up to the first separator is `first`."""
    start, *others = data.split(SEPARATOR)
    found = {first: start}
    for other in others:
        name, _, content = other.partition(b"\n")
        found[name.decode("ascii", "replace")] = content
    return found


@cache
def base(name: str) -> bytes:
    """A valid image."""
    return lzma.decompress((_BASES / f"{name}.xz").read_bytes())


def patched(image: bytes, script: Script, head: int) -> bytearray:
    """`image` with up to 15 changes, half of them within its first `head` bytes.

    Each is a byte, or a number of two or four, little-endian.
    """
    changed = bytearray(image)
    for _ in range(script.number() & 15):
        kind = script.number()
        place = script.number(3) % (head if kind & 1 else len(image))
        value = script.take((1, 1, 2, 4)[kind >> 1 & 3])[::-1]
        changed[place : place + len(value)] = value[: len(image) - place]
    return changed


def sealed(content: bytes) -> bytes:
    """`content` with its CRC-32 behind it, little-endian."""
    return content + zlib.crc32(content).to_bytes(4, "little")
