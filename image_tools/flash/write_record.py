"""What was written where, as hashes: what the medium holds is compared with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

GRAIN = 64 * 1024
"""A hash is kept of each so many bytes, so that a difference is found to that precision."""
HASH = 16


@dataclass(frozen=True)
class Extent:
    """`length` bytes that were written at `offset`, and the hashes of their grains, counted from `offset`."""

    offset: int
    length: int
    grains: bytes

    @property
    def end(self) -> int:
        return self.offset + self.length


def extent_of(offset: int, data: memoryview | bytes) -> Extent:
    """The extent that `data`, written at `offset`, makes."""
    return Extent(offset, len(data), grain_hashes(memoryview(data)))


def grain_hashes(data: memoryview) -> bytes:
    """The xxh3-128 hashes of all grains of `data`, one after the other."""
    from xxhash import xxh3_128_digest

    return b"".join(xxh3_128_digest(data[start : start + GRAIN]) for start in range(0, len(data), GRAIN))


@lru_cache(maxsize=64)
def hash_of_same(byte: int, length: int) -> bytes:
    """The hash of a grain of `length` times the same byte."""
    return grain_hashes(memoryview(bytes([byte]) * length))
