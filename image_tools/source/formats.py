"""The formats of image files, recognized by their first bytes."""

from __future__ import annotations

from enum import Enum

MAGIC_LENGTH = 18


class ImageFormat(Enum):
    """The compression or archive format of an image file."""

    RAW = "raw"
    GZIP = "gz"
    XZ = "xz"
    ZSTD = "zst"
    BZIP2 = "bz2"
    ZIP = "zip"


_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"
_BZIP2_BLOCKS = (b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90")


def image_format_of(start: bytes) -> ImageFormat:
    """The format of a file with these first `MAGIC_LENGTH` bytes; unknown data is raw.

    Magic numbers: RFC 1952, the .xz file format 1.2, RFC 8878, bzip2's block header, PKWARE's APPNOTE.
    """
    if start[:3] == b"\x1f\x8b\x08":
        return ImageFormat.GZIP
    if start[:6] == b"\xfd7zXZ\x00":
        return ImageFormat.XZ
    if start[:4] == _ZSTD_FRAME or is_skippable_frame(start[:4]):
        return ImageFormat.ZSTD
    if start[:3] == b"BZh" and start[3:4] in b"123456789" and start[4:10] in _BZIP2_BLOCKS:
        return ImageFormat.BZIP2
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return ImageFormat.ZIP
    return ImageFormat.RAW


def is_skippable_frame(magic: bytes) -> bool:
    """Whether `magic` is that of a Zstandard skippable frame (RFC 8878, 3.1.2)."""
    return len(magic) == 4 and magic[1:] == b"\x2a\x4d\x18" and 0x50 <= magic[0] <= 0x5F
