"""Records what was written, as hashes, for comparison with what is read back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

HASH_BLOCK = 64 * 1024
"""Bytes per hash; a difference is located with this precision."""
HASH = 16


@dataclass(frozen=True)
class Extent:
    """`length` bytes written at `offset`, and the hashes of their blocks."""

    offset: int
    length: int
    hashes: bytes

    @property
    def end(self) -> int:
        return self.offset + self.length


def extent_of(offset: int, data: memoryview | bytes) -> Extent:
    """The record of `data` written at `offset`."""
    return Extent(offset, len(data), block_hashes(memoryview(data)))


def block_hashes(data: memoryview) -> bytes:
    """The xxh3-128 hashes of all blocks of `data`, concatenated."""
    from xxhash import xxh3_128_digest

    return b"".join(
        xxh3_128_digest(data[start : start + HASH_BLOCK]) for start in range(0, len(data), HASH_BLOCK)
    )


@lru_cache(maxsize=64)
def hash_of_same(byte: int, length: int) -> bytes:
    """The hash of a block that repeats one byte `length` times."""
    return block_hashes(memoryview(bytes([byte]) * length))
