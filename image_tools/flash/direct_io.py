"""Direct I/O past the page cache: aligned buffers, whole blocks, short reads and writes."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator

BLOCK = 4096
"""Buffers, offsets and lengths that are multiples of this suit the direct I/O of files and of most drives."""
CHUNK = 4 * 1024 * 1024
"""The size of reads and writes in bytes; a multiple of `GRAIN`."""


def buffers(count: int, size: int) -> list[memoryview]:
    """`count` page-aligned buffers of `size` bytes each."""
    return [memoryview(mmap.mmap(-1, size)) for _ in range(count)]


def aligned(data: bytes | bytearray | memoryview, length: int) -> memoryview:
    """A page-aligned copy of `data`, filled up with zeros to `length` bytes."""
    buffer = memoryview(mmap.mmap(-1, max(length, 1)))[:length]
    buffer[: len(data)] = data
    return buffer


def round_up(value: int, block: int) -> int:
    return value + -value % block


def write_all(descriptor: int, data: memoryview, offset: int) -> None:
    """Write all of `data` at `offset`, in as many calls as it takes; raises OSError."""
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], offset + done)


def read_all(descriptor: int, buffer: memoryview, offset: int, wanted: int) -> int:
    """Read at least `wanted` bytes at `offset`, fewer only at the end of the file; raises OSError.

    `buffer` has the size `wanted`, rounded up to whole blocks. Returns the number of bytes read.
    """
    done = 0
    while done < wanted:
        count = os.preadv(descriptor, [buffer[done:]], offset + done)
        if count == 0:
            break
        done += count
    return done


def spans(start: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Split a range into parts of `size` bytes, the last one shorter, as (offset, length)."""
    for offset in range(start, end, size):
        yield offset, min(size, end - offset)
