"""Compression of data sent to an engine, which recognizes gzip by its first bytes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

LEVEL = 1
SAMPLE_SIZE = 1024 * 1024
"""Bytes at the beginning from which the ratio of the whole is estimated."""
TYPICAL_LINK_RATE = 100e6 / 8
"""Bytes per second, if the link was not measured: wired or Wi-Fi, boards rarely reach more."""
DECOMPRESSION_RATE = 30e6
"""Bytes per second that an engine on a slow board decompresses: a cautious estimate."""
MIN_SPEEDUP = 1.1
"""Compression must be faster by this factor: it also costs processor time on the board."""


def choose_compression(link_rate: float | None, sample: bytes) -> bool:
    """Whether the transfer is faster with compression.

    `link_rate` is the measured rate of the link in bytes per second; `sample` is the first MiB.
    """
    if not sample:
        return False
    link = TYPICAL_LINK_RATE if link_rate is None else link_rate
    ratio = len(sample) / sum(map(len, gzip_stream(iter([sample]))))
    return min(link * ratio, DECOMPRESSION_RATE) > link * MIN_SPEEDUP


def compress_if_faster(stream: Iterator[bytes], link_rate: float | None) -> Iterator[bytes]:
    """Yield the stream compressed if that is faster, judging by its beginning; else unchanged."""
    first: list[bytes] = []
    size = 0
    for piece in stream:
        first.append(piece)
        size += len(piece)
        if size >= SAMPLE_SIZE:
            break
    whole = chain(iter(tuple(first)), stream)
    is_faster = choose_compression(link_rate, b"".join(first)[:SAMPLE_SIZE])
    first.clear()
    yield from gzip_stream(whole) if is_faster else whole


def gzip_stream(stream: Iterator[bytes], level: int = LEVEL) -> Iterator[bytes]:
    """Yield the stream compressed with gzip, without delay. `level` is from 0 (1 with zlib) to 3."""
    library: Any
    try:
        from isal import isal_zlib as library
    except ImportError:  # it has no wheel for some architectures
        import zlib as library
    compressor = library.compressobj(level, library.DEFLATED, 31)
    for piece in stream:
        if compressed := compressor.compress(piece):
            yield compressed
    yield compressor.flush()
