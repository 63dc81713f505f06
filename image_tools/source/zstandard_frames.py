"""Zstandard (RFC 8878), parsed block by block, to bound the memory and to detect truncation.

The library's stream reader does not report a file that ends in the middle of a frame, and its one-shot
interface may expand a few kilobytes to gigabytes. A block has at most 128 KiB of contents. By its header,
the window of a frame, which the decoder keeps in memory, may have up to 3.75 TiB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from image_tools.source.decoders import EmptyParts, damaged_error, no_checksum_notice, trailing_garbage_error
from image_tools.source.formats import is_skippable_frame
from image_tools.source.input_file import InputFile
from resin_toolkit.errors import NotAnImage, Notice
from resin_toolkit.memory_limit import MAX_ZSTANDARD_WINDOW, check_memory

_MAGIC = b"\x28\xb5\x2f\xfd"
_RLE, _RESERVED = 1, 3
_MAX_COUNTED = 1_000_000
"""Blocks and frames beyond which the size of the contents is not computed; that would take seconds."""


@dataclass(frozen=True)
class FrameHeader:
    """A frame header. Sizes in bytes; `content`, that of the contents, is None if it is not given."""

    raw: bytes
    content: int | None
    window: int
    has_checksum: bool
    needs_dictionary: bool


def decode_zstandard(raw: InputFile, notify: Callable[[Notice], None], memory_limit: int) -> Iterator[bytes]:
    """The contents of all frames; verifies the checksum and content size of frames that have them.

    Raises MemoryLimitExceeded for a window of more than `memory_limit` bytes, NotAnImage for a frame that
    needs a dictionary.
    """
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=min(memory_limit, MAX_ZSTANDARD_WINDOW))
    empty = EmptyParts(raw)
    while raw.peek(1):
        magic = raw.peek(4)
        if is_skippable_frame(magic):
            _skip_frame(raw)
            empty.note(is_empty=True)
            continue
        if magic != _MAGIC:
            raise trailing_garbage_error(raw)
        header = read_header(raw.take_exactly)
        check_memory(raw.name, header.window, memory_limit)
        if header.needs_dictionary:
            raise NotAnImage(
                f"{raw.name} was compressed with a dictionary, which is not part of the file.",
                hint="Decompress it with `zstd -D DICTIONARY`, and use the result.",
            )
        if not header.has_checksum:
            notify(no_checksum_notice(raw))
        try:
            yield from _frame(raw, header, decompressor.decompressobj(), empty)
        except zstandard.ZstdError as error:
            raise damaged_error(raw, error) from error


def read_header(take: Callable[[int], bytes]) -> FrameHeader:
    """Read the frame header, including the magic number, with `take(count)`."""
    start = take(5)
    descriptor = start[4]
    single_segment = bool(descriptor & 0x20)
    size_flag = descriptor >> 6
    own_window = 0 if single_segment else 1
    skip = own_window + (0, 1, 2, 4)[descriptor & 3]
    size_length = (1 if single_segment else 0, 2, 4, 8)[size_flag]
    rest = take(skip + size_length) if skip + size_length else b""
    content = int.from_bytes(rest[skip:], "little") if size_length else None
    if content is not None and size_length == 2:
        content += 256
    # The window descriptor (3.1.1.1.2); without one, the window is as large as the contents.
    window = (1 << 10 + (rest[0] >> 3)) // 8 * (8 + (rest[0] & 7)) if own_window else content or 0
    return FrameHeader(start + rest, content, window, bool(descriptor & 4), any(rest[own_window:skip]))


def block_length(header: bytes) -> tuple[int, bool]:
    """The stored length of the block with this 3-byte header, and whether it is the last."""
    word = int.from_bytes(header, "little")
    kind, size = word >> 1 & 3, word >> 3
    if kind == _RESERVED:
        raise ValueError("a block of a reserved type")
    return (1 if kind == _RLE else size), bool(word & 1)


def content_size(read_at: Callable[[int, int], bytes], length: int) -> int | None:
    """The size of the contents of all frames in bytes, from their headers; None if it is not given.

    `read_at(offset, count)` reads the compressed file of `length` bytes. Damage is not reported here.
    """
    total = position = parts = 0

    def take(count: int) -> bytes:
        nonlocal position
        data = read_at(position, count)
        if len(data) < count:
            raise EOFError
        position += count
        return data

    try:
        while position < length:
            magic = read_at(position, 4)
            parts += 1
            if parts > _MAX_COUNTED:
                return None
            if is_skippable_frame(magic):
                position += 8 + int.from_bytes(read_at(position + 4, 4), "little")
                continue
            if magic != _MAGIC:
                return None
            header = read_header(take)
            if header.content is None:
                return None
            total += header.content
            last = False
            while not last:
                stored, last = block_length(take(3))
                position += stored
                parts += 1
                if parts > _MAX_COUNTED:
                    return None
            position += 4 if header.has_checksum else 0
    except (EOFError, ValueError):
        return None
    return total


def _frame(raw: InputFile, header: FrameHeader, decompressor: Any, empty: EmptyParts) -> Iterator[bytes]:
    first = decompressor.decompress(header.raw)
    if first:
        yield first
    last = False
    while not last:
        start = raw.take_exactly(3)
        try:
            stored, last = block_length(start)
        except ValueError as error:
            raise damaged_error(raw, error) from error
        chunk = decompressor.decompress(start + raw.take_exactly(stored))
        empty.note(is_empty=not chunk)
        if chunk:
            yield chunk
    if header.has_checksum:
        chunk = decompressor.decompress(raw.take_exactly(4))
        if chunk:
            yield chunk
    if not decompressor.eof:
        raise damaged_error(raw, "a frame does not end where its last block does")


def _skip_frame(raw: InputFile) -> None:
    remaining = int.from_bytes(raw.take_exactly(8)[4:], "little")
    while remaining:
        remaining -= len(raw.take_exactly(min(remaining, 65536)))
