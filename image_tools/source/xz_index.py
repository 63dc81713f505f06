"""The streams and blocks of an .xz file, by the index of each stream (.xz file format 1.2, 2.1.2, 4)."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

from resin_toolkit.memory_limit import xz_dictionary_size, xz_number

HEADER = FOOTER = 12
MAGIC = b"\xfd7zXZ\x00"
FOOTER_MAGIC = b"YZ"
_MAX_PADDING = 1024 * 1024
_READ = 64 * 1024
_MAX_INDEX = 1024 * 1024
_MAX_STREAMS = 10_000
_MAX_BLOCKS = 200_000
"""An index of more blocks is not used. `xz -T` makes blocks of 192 KiB or more."""

ReadAt = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Block:
    """A block: its offset in the file, its size there without padding, and the size of its contents."""

    offset: int
    unpadded: int
    content: int
    flags: bytes
    """The flags of its stream, which include the check type."""

    @property
    def stored(self) -> int:
        """Its size in the file, which is a multiple of four."""
        return self.unpadded + -self.unpadded % 4


def blocks(read_at: ReadAt, length: int) -> list[Block] | None:
    """All blocks of a file of `length` bytes, in order; None if its indexes are invalid.

    Also None for a file with too many streams or blocks. Verifies headers, footers, indexes and stream
    padding, but not the blocks themselves.
    """
    streams: list[list[Block]] = []
    end, left = length, _MAX_BLOCKS
    try:
        while end > 0 and len(streams) < _MAX_STREAMS:
            end = _without_padding(read_at, end)
            stream, end = _last_stream(read_at, end, left)
            streams.append(stream)
            left -= len(stream)
    except (ValueError, IndexError):
        return None
    return None if end > 0 else [block for stream in reversed(streams) for block in stream]


def block_dictionary_size(read_at: ReadAt, block: Block) -> int:
    """The dictionary size that the header of a block names, in bytes."""
    size = (read_at(block.offset, 1) or b"\0")[0] * 4 + 4
    return xz_dictionary_size(read_at(block.offset, size))


def content_size(read_at: ReadAt, length: int) -> int | None:
    """The size of the contents of all streams in bytes; None if the indexes are invalid."""
    found = blocks(read_at, length)
    return None if found is None else sum(block.content for block in found)


def number_bytes(value: int) -> bytes:
    """A variable-length integer (1.2)."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def index_bytes(unpadded: int, content: int) -> bytes:
    """The index of a stream with one block (4)."""
    body = b"\0\1" + number_bytes(unpadded) + number_bytes(content)
    body += bytes(-len(body) % 4)
    return body + zlib.crc32(body).to_bytes(4, "little")


def header_bytes(flags: bytes) -> bytes:
    return MAGIC + flags + zlib.crc32(flags).to_bytes(4, "little")


def footer_bytes(flags: bytes, index: int) -> bytes:
    """The footer of a stream with an index of `index` bytes (2.1.2)."""
    fields = (index // 4 - 1).to_bytes(4, "little") + flags
    return zlib.crc32(fields).to_bytes(4, "little") + fields + FOOTER_MAGIC


def _without_padding(read_at: ReadAt, end: int) -> int:
    """The end of the stream before the padding that ends at `end`, in units of four bytes."""
    least = max(end - _MAX_PADDING, FOOTER)
    while end > least:
        count = min(_READ, end)
        data = read_at(end - count, count)
        zeros = len(data) - len(data.rstrip(b"\0"))
        end -= zeros - zeros % 4
        if zeros < count:
            return end
    raise ValueError("padding only, or too much of it")


def _last_stream(read_at: ReadAt, end: int, most: int) -> tuple[list[Block], int]:
    """The blocks of the stream that ends at `end`, at most `most`, and the offset of that stream."""
    footer = read_at(end - FOOTER, FOOTER)
    flags = footer[8:10]
    index_length = (int.from_bytes(footer[4:8], "little") + 1) * 4
    start = end - FOOTER - index_length
    if start < 0 or index_length > _MAX_INDEX or footer != footer_bytes(flags, index_length):
        raise ValueError("no footer")
    index = read_at(start, index_length)
    if index[0] != 0 or zlib.crc32(index[:-4]) != int.from_bytes(index[-4:], "little"):
        raise ValueError("no index")
    records = _records(index[:-4], most)
    begin = start - sum(unpadded + -unpadded % 4 for unpadded, _ in records) - HEADER
    if begin < 0 or read_at(begin, HEADER) != header_bytes(flags):
        raise ValueError("index longer than the file, or no header")
    found, offset = [], begin + HEADER
    for unpadded, content in records:
        found.append(Block(offset, unpadded, content, flags))
        offset += unpadded + -unpadded % 4
    return found, begin


def _records(index: bytes, most: int) -> list[tuple[int, int]]:
    """Unpadded size and uncompressed size of all blocks."""
    count, position = xz_number(index, 1)
    if count > min(len(index), most):
        raise ValueError("more records than fit, or than are used")
    records = []
    for _ in range(count):
        unpadded, position = xz_number(index, position)
        content, position = xz_number(index, position)
        records.append((unpadded, content))
    if len(index) - position > 3 or any(index[position:]):
        raise ValueError("more than padding")
    return records
