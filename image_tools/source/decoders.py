"""Decompression of streams. Each function yields the image in chunks of bounded size and verifies all checks.

gz: CRC and length of each member (RFC 1952). bz2: CRCs of blocks and streams. xz: the check of each block and
the index of each stream (.xz file format 1.2). A file that is truncated, damaged, or followed by other data
raises ImageDamaged, and so does one with very many empty members, which would take forever to read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from image_tools.source.input_file import READ_SIZE, InputFile
from image_tools.source.xz_index import HEADER
from resin_toolkit.errors import ImageDamaged, Notice
from resin_toolkit.memory_limit import (
    XZ_BLOCK_HEADER,
    check_memory,
    is_xz_memory_error,
    memory_limit_exceeded,
    xz_decompressor,
    xz_dictionary_size,
)

CHUNK = 1024 * 1024
GZIP = 31
"""zlib's window bits for a gzip member."""
_PADDING = 64 * 1024
"""Padding is read in chunks of this size."""
_FIRST_READ = 4096
"""Bytes that a decompressor gets first, then twice as many: what a short member does not use is returned."""
_MAX_EMPTY = 10_000
"""Consecutive members without contents. Some programs write one at the end of a file."""
DOWNLOAD_AGAIN = "Download or copy it again."


class _Decompressor(Protocol):
    """The interface shared by `lzma` and `bz2`."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class EmptyParts:
    """Counts consecutive parts of a file without contents, such as members of gzip; too many are damage."""

    def __init__(self, raw: InputFile) -> None:
        self._raw = raw
        self._count = 0

    def note(self, *, is_empty: bool) -> None:
        self._count = self._count + 1 if is_empty else 0
        if self._count > _MAX_EMPTY:
            raise damaged_error(self._raw, f"more than {_MAX_EMPTY} parts in a row are empty")

    def counted(self, part: Iterator[bytes]) -> Iterator[bytes]:
        """The chunks of a part, which is counted at its end."""
        is_empty = True
        for chunk in part:
            is_empty = False
            yield chunk
        self.note(is_empty=is_empty)


def decode_gzip(raw: InputFile) -> Iterator[bytes]:
    """The contents of all members; zero bytes after the last one are padding."""
    empty = EmptyParts(raw)
    while True:
        yield from empty.counted(inflate(raw, GZIP))
        if not raw.peek(1):
            return
        if raw.peek(2) == b"\x1f\x8b":
            continue
        _skip_padding(raw, unit=1)
        return


def decode_xz(raw: InputFile, notify: Callable[[Notice], None], memory_limit: int) -> Iterator[bytes]:
    """The contents of all streams; zero bytes between and after them, a multiple of four, are padding.

    Raises MemoryLimitExceeded for a dictionary of more than `memory_limit` bytes.
    """
    import lzma

    def new() -> _Decompressor:
        return xz_decompressor(memory_limit)

    empty = EmptyParts(raw)
    while True:
        if raw.peek(8)[7:] == b"\0":
            notify(no_checksum_notice(raw))
        # The headers of later blocks are checked by liblzma.
        header = raw.peek(HEADER + XZ_BLOCK_HEADER)[HEADER:]
        check_memory(raw.name, xz_dictionary_size(header), memory_limit)
        try:
            yield from empty.counted(_stream(raw, new, (lzma.LZMAError,)))
        except ImageDamaged as error:
            if is_xz_memory_error(error.__cause__):
                raise memory_limit_exceeded(raw.name, None, memory_limit) from error
            raise
        _skip_padding(raw, unit=4, until=b"\xfd7zXZ\x00")
        if not raw.peek(1):
            return


def decode_bzip2(raw: InputFile) -> Iterator[bytes]:
    """The contents of all streams."""
    import bz2

    empty = EmptyParts(raw)
    while True:
        yield from empty.counted(_stream(raw, bz2.BZ2Decompressor, (OSError, ValueError)))
        if not raw.peek(1):
            return
        if raw.peek(3) != b"BZh":
            raise trailing_garbage_error(raw)


def no_checksum_notice(raw: InputFile) -> Notice:
    return Notice("no-checksum", f"{raw.name} has no checksum: damage may go unnoticed.")


def trailing_garbage_error(raw: InputFile) -> ImageDamaged:
    return ImageDamaged(
        f"{raw.name} contains other data after the compressed data, at byte {raw.consumed}.",
        hint=DOWNLOAD_AGAIN,
        offset=raw.consumed,
    )


def damaged_error(raw: InputFile, reason: object) -> ImageDamaged:
    return ImageDamaged(
        f"{raw.name} is damaged near byte {raw.consumed}: {str(reason).lower().rstrip('.')}.",
        hint=DOWNLOAD_AGAIN,
        offset=raw.consumed,
    )


def deflate_decompressor(window_bits: int) -> tuple[Any, type[Exception]]:
    """The fastest available DEFLATE decompressor with zlib's interface, and the exception that it raises.

    `window_bits` is as for zlib: 31 for gzip, whose checksum and length are verified, -15 for raw DEFLATE.
    """
    library: Any
    try:
        from isal import isal_zlib as library
    except ImportError:  # not available for every processor
        import zlib as library
    return library.decompressobj(window_bits), library.error


def inflate(raw: InputFile, window_bits: int) -> Iterator[bytes]:
    """The contents of one DEFLATE stream; what follows it stays in `raw`."""
    member, failure = deflate_decompressor(window_bits)
    data, limit = b"", _FIRST_READ
    while not member.eof:
        if not data:
            data, limit = raw.take(limit), min(2 * limit, READ_SIZE)
        if not data:
            raise raw.truncated_error()
        try:
            chunk = member.decompress(data, CHUNK)
        except failure as error:
            raise damaged_error(raw, _reason(error)) from error
        data = member.unconsumed_tail
        if chunk:
            yield chunk
    raw.push_back(member.unused_data)


def _stream(
    raw: InputFile, new: Callable[[], _Decompressor], failures: tuple[type[Exception], ...]
) -> Iterator[bytes]:
    stream, limit = new(), _FIRST_READ
    while not stream.eof:
        data = b""
        if stream.needs_input:
            data, limit = raw.take(limit), min(2 * limit, READ_SIZE)
            if not data:
                raise raw.truncated_error()
        try:
            chunk = stream.decompress(data, CHUNK)
        except failures as error:
            raise damaged_error(raw, error) from error
        if chunk:
            yield chunk
    raw.push_back(stream.unused_data)


def _skip_padding(raw: InputFile, *, unit: int, until: bytes = b"") -> None:
    """Skip zero bytes up to the end, or up to `until`; raises ImageDamaged for anything else."""
    while start := raw.peek(_PADDING):
        zeros = len(start) - len(start.lstrip(b"\0"))
        raw.take_exactly(zeros - zeros % unit)
        if zeros == len(start) and not zeros % unit:
            continue
        if zeros % unit or not until or raw.peek(len(until)) != until:
            raise trailing_garbage_error(raw)
        return


def _reason(error: Exception) -> str:
    """The message of an error of zlib or isal without its numbers: "incorrect data check"."""
    return re.sub(r"^Error -?\d+ ", "", str(error)).rpartition(": ")[2]
