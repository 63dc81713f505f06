"""Whether what is sent to an engine is compressed, and how: engines tell gzip by its first bytes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

LEVEL = 1
SAMPLE = 1024 * 1024
"""So much of the beginning stands for the whole."""
USUAL_LINK = 100e6 / 8
"""Bytes per second of the link to a board, where none was measured: wired or Wi-Fi, rarely more."""
UNPACKING = 30e6
"""Bytes per second that an engine on a slow board makes of gzip: an estimate, on the cautious side."""
WORTH = 1.1
"""It has to be faster by this much: it also takes the processor of the board."""


def choose_compression(link_rate: float | None, sample: bytes) -> bool:
    """Whether all is there sooner if it is compressed.

    `link_rate` is what the link was measured to carry, in bytes per second; `sample` is the first MiB.
    """
    if not sample:
        return False
    link = USUAL_LINK if link_rate is None else link_rate
    ratio = len(sample) / sum(map(len, gzip_stream(iter([sample]))))
    return min(link * ratio, UNPACKING) > link * WORTH


def compress_if_faster(stream: Iterator[bytes], link_rate: float | None) -> Iterator[bytes]:
    """The stream as it is best sent: compressed or unchanged, decided by what comes first."""
    first: list[bytes] = []
    size = 0
    for piece in stream:
        first.append(piece)
        size += len(piece)
        if size >= SAMPLE:
            break
    whole = chain(iter(tuple(first)), stream)
    is_chosen = choose_compression(link_rate, b"".join(first)[:SAMPLE])
    first.clear()
    yield from gzip_stream(whole) if is_chosen else whole


def gzip_stream(stream: Iterator[bytes], level: int = LEVEL) -> Iterator[bytes]:
    """The stream as gzip, each piece as soon as there is one. `level` is from 0 (1 with zlib) to 3."""
    library: Any
    try:
        from isal import isal_zlib as library
    except ImportError:  # there is no wheel of it for every processor
        import zlib as library
    packer = library.compressobj(level, library.DEFLATED, 31)
    for piece in stream:
        if made := packer.compress(piece):
            yield made
    yield packer.flush()
