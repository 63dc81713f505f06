"""The size of an .xz file's content, by the index of each stream (.xz file format 1.2, 2.1.2, 4)."""

from __future__ import annotations

import zlib
from collections.abc import Callable

_FOOTER = 12
_MOST_PADDING = 1024 * 1024
_MOST_INDEX = 64 * 1024 * 1024


def content_size(read_at: Callable[[int, int], bytes], length: int) -> int | None:
    """The size of the content in bytes, over all streams, or None where the indexes do not add up."""
    total, end = 0, length
    try:
        while end > 0:
            end = _without_padding(read_at, end)
            content, end = _last_stream(read_at, end)
            total += content
    except (ValueError, IndexError):
        return None
    return total


def _without_padding(read_at: Callable[[int, int], bytes], end: int) -> int:
    for _ in range(_MOST_PADDING // 4):
        if end < _FOOTER:
            raise ValueError("padding only")
        if any(read_at(end - 4, 4)):
            return end
        end -= 4
    raise ValueError("too much padding")


def _last_stream(read_at: Callable[[int, int], bytes], end: int) -> tuple[int, int]:
    """The content size of the stream that ends at `end`, and where that stream begins."""
    footer = read_at(end - _FOOTER, _FOOTER)
    index_length = (int.from_bytes(footer[4:8], "little") + 1) * 4
    start = end - _FOOTER - index_length
    if footer[10:] != b"YZ" or start < 0 or index_length > _MOST_INDEX:
        raise ValueError("no footer")
    index = read_at(start, index_length)
    if index[0] != 0 or zlib.crc32(index[:-4]) != int.from_bytes(index[-4:], "little"):
        raise ValueError("no index")
    content, stored = _sums(index)
    begin = start - stored - _FOOTER
    if begin < 0:
        raise ValueError("index longer than the file")
    return content, begin


def _sums(index: bytes) -> tuple[int, int]:
    """The sum of the uncompressed sizes, and of the stored sizes rounded up to four, of all blocks."""
    count, position = _number(index, 1)
    content = stored = 0
    for _ in range(count):
        unpadded, position = _number(index, position)
        size, position = _number(index, position)
        stored += unpadded + -unpadded % 4
        content += size
    return content, stored


def _number(data: bytes, position: int) -> tuple[int, int]:
    """The variable-length integer at `position` (1.2), and the position after it."""
    value = 0
    for shift in range(0, 63, 7):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
    raise ValueError("a number that is too long")
