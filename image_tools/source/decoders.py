"""Decompression of streams: each function gives the image in pieces of bounded size, all checks enforced.

gz: every member's CRC and length (RFC 1952). bz2: block and stream CRCs. xz: the check of each block and the
index of each stream (.xz file format 1.2). A file that is cut off, damaged, or followed by something that is
not a further member raises ImageDamaged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from image_tools.source.compressed import Compressed
from resin_toolkit.errors import ImageDamaged, Notice

PIECE = 1024 * 1024
GZIP = 31
"""zlib's window bits for a gzip member."""
_PADDING = 64 * 1024
"""So much of it is looked at together."""
DOWNLOAD_AGAIN = "Download or copy it again."


class _Decompressor(Protocol):
    """What `lzma` and `bz2` share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def gzip_pieces(raw: Compressed) -> Iterator[bytes]:
    """The content of all members; zero bytes after the last one are padding."""
    while True:
        yield from inflated(raw, GZIP)
        if not raw.peek(1):
            return
        if raw.peek(2) == b"\x1f\x8b":
            continue
        _skip_padding(raw, unit=1)
        return


def xz_pieces(raw: Compressed, tell: Callable[[Notice], None]) -> Iterator[bytes]:
    """The content of all streams; between and after them zero bytes, a multiple of four, are padding."""
    import lzma

    def new() -> _Decompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ)

    while True:
        if raw.peek(8)[7:] == b"\0":
            tell(no_checksum(raw))
        yield from _stream(raw, new, (lzma.LZMAError,))
        _skip_padding(raw, unit=4, until=b"\xfd7zXZ\x00")
        if not raw.peek(1):
            return


def bzip2_pieces(raw: Compressed) -> Iterator[bytes]:
    """The content of all streams."""
    import bz2

    while True:
        yield from _stream(raw, bz2.BZ2Decompressor, (OSError, ValueError))
        if not raw.peek(1):
            return
        if raw.peek(3) != b"BZh":
            raise trailing_garbage(raw)


def no_checksum(raw: Compressed) -> Notice:
    return Notice("no-checksum", f"{raw.name} carries no checksum: damage to it may go unnoticed.")


def trailing_garbage(raw: Compressed) -> ImageDamaged:
    return ImageDamaged(
        f"{raw.name} goes on after its compressed data, at byte {raw.consumed}, with something else.",
        hint=DOWNLOAD_AGAIN,
        offset=raw.consumed,
    )


def damaged(raw: Compressed, reason: object) -> ImageDamaged:
    return ImageDamaged(
        f"{raw.name} is damaged near byte {raw.consumed}: {str(reason).lower().rstrip('.')}.",
        hint=DOWNLOAD_AGAIN,
        offset=raw.consumed,
    )


def inflater(window_bits: int) -> tuple[Any, type[Exception]]:
    """A decompressor of DEFLATE with zlib's interface, the fastest there is, and what it raises.

    `window_bits` is as for zlib: 31 for gzip, whose checksum and length it enforces, -15 for bare DEFLATE.
    """
    library: Any
    try:
        from isal import isal_zlib as library
    except ImportError:  # there is no wheel of it for every processor
        import zlib as library
    return library.decompressobj(window_bits), library.error


def inflated(raw: Compressed, window_bits: int) -> Iterator[bytes]:
    """One stream of DEFLATE, up to its end; what follows it stays in `raw`."""
    member, failure = inflater(window_bits)
    data = b""
    while not member.eof:
        data = data or raw.take()
        if not data:
            raise raw.ends_early()
        try:
            piece = member.decompress(data, PIECE)
        except failure as error:
            raise damaged(raw, _reason(error)) from error
        data = member.unconsumed_tail
        if piece:
            yield piece
    raw.give_back(member.unused_data)


def _stream(
    raw: Compressed, new: Callable[[], _Decompressor], failures: tuple[type[Exception], ...]
) -> Iterator[bytes]:
    stream = new()
    while not stream.eof:
        data = b""
        if stream.needs_input:
            data = raw.take()
            if not data:
                raise raw.ends_early()
        try:
            piece = stream.decompress(data, PIECE)
        except failures as error:
            raise damaged(raw, error) from error
        if piece:
            yield piece
    raw.give_back(stream.unused_data)


def _skip_padding(raw: Compressed, *, unit: int, until: bytes = b"") -> None:
    """Take zero bytes up to the end, or up to `until`; anything else is garbage."""
    while start := raw.peek(_PADDING):
        zeros = len(start) - len(start.lstrip(b"\0"))
        raw.take_exactly(zeros - zeros % unit)
        if zeros == len(start) and not zeros % unit:
            continue
        if zeros % unit or not until or raw.peek(len(until)) != until:
            raise trailing_garbage(raw)
        return


def _reason(error: Exception) -> str:
    """The words of an error of zlib or isal without its numbers: "incorrect data check"."""
    return re.sub(r"^Error -?\d+ ", "", str(error)).rpartition(": ")[2]
