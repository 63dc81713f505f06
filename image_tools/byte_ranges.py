"""Arithmetic of byte ranges. Lists of ranges are ascending and disjoint unless stated otherwise."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

Range = tuple[int, int]
"""A (start, end) pair; the end is exclusive."""


def merged(ranges: Iterable[Range]) -> list[Range]:
    """Sort the ranges, and join adjacent and overlapping ones."""
    found: list[Range] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def subtracted(ranges: Sequence[Range], holes: Sequence[Range]) -> list[Range]:
    """The parts of `ranges` outside of `holes`."""
    left: list[Range] = []
    index = 0
    for start, end in ranges:
        while index < len(holes) and holes[index][1] <= start:
            index += 1
        place = index
        while place < len(holes) and holes[place][0] < end:
            first, last = holes[place]
            if first > start:
                left.append((start, first))
            start = max(start, last)
            place += 1
        if start < end:
            left.append((start, end))
    return left


def touching(ranges: Sequence[Range], start: int, end: int) -> Sequence[Range]:
    """The ranges that overlap or touch the bytes from `start` up to `end`."""
    first = bisect_left(ranges, start, key=lambda part: part[1])
    last = bisect_left(ranges, end, key=lambda part: part[0])
    return ranges[first:last]
