"""The holes of a sparse file: lseek(2), SEEK_HOLE and SEEK_DATA."""

from __future__ import annotations

import errno
import os

MAX_HOLES = 1_000_000
MIN_HOLE = 64 * 1024
"""Smaller holes contain no whole grain that could be skipped, and there may be very many."""


def holes(descriptor: int, size: int) -> list[tuple[int, int]]:
    """The holes in the first `size` bytes, as (start, end), of at least `MIN_HOLE` bytes.

    Empty if the file system does not support it. Keeps the position of the file. Examines at most `MAX_HOLES`
    holes.
    """
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    found: list[tuple[int, int]] = []
    end = 0
    try:
        for _ in range(MAX_HOLES):
            if end >= size:
                break
            start = os.lseek(descriptor, end, os.SEEK_HOLE)
            if start >= size:
                break
            end = _next_data(descriptor, start, size)
            if end - start >= MIN_HOLE:
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
