"""The holes of a sparse file: lseek(2), SEEK_HOLE and SEEK_DATA."""

from __future__ import annotations

import errno
import os

MOST_HOLES = 1_000_000
LEAST = 64 * 1024
"""A smaller hole holds no unit that could be left out, and a file may have very many of them."""


def holes(descriptor: int, size: int) -> list[tuple[int, int]]:
    """The holes in the first `size` bytes, as (start, end), of at least `LEAST` bytes.

    None where the file system cannot tell. The file's position is kept. Of a file with more than
    `MOST_HOLES`, small ones too, the first are looked at.
    """
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    found: list[tuple[int, int]] = []
    end = 0
    try:
        for _ in range(MOST_HOLES):
            if end >= size:
                break
            start = os.lseek(descriptor, end, os.SEEK_HOLE)
            if start >= size:
                break
            end = _next_data(descriptor, start, size)
            if end - start >= LEAST:
                found.append((start, end))
    except OSError:
        return []
    finally:
        os.lseek(descriptor, position, os.SEEK_SET)
    return found


def _next_data(descriptor: int, start: int, size: int) -> int:
    try:
        return min(os.lseek(descriptor, start, os.SEEK_DATA), size)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a hole up to the end
            return size
        raise
