"""The limit of the memory that decompression may take, which otherwise the compressed file itself chooses.

A Zstandard frame names its window and an .xz block its dictionary: up to 4 GiB, however small the file is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from resin_toolkit.errors import BadValue, MemoryLimitExceeded

if TYPE_CHECKING:
    import lzma

DEFAULT_MEMORY_LIMIT = 512 * 1024 * 1024
"""In bytes. Files of `xz -9` need 65 MiB, those of `zstd --ultra -22` 128 MiB."""
MAX_ZSTANDARD_WINDOW = 1 << 31
"""The largest window that the zstandard library decodes."""
XZ_BLOCK_HEADER = 1024
"""Bytes of the longest block header of an .xz file."""
_LZMA2 = 0x21
_XZ_SLACK = 4 * 1024 * 1024
"""What liblzma needs beside the dictionary, at most."""
_MAX_DICTIONARY_BITS = 40
"""4 GiB, less a byte."""
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d{1,12})\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_LEAST, _MOST = 1 << 20, 1 << 50
"""Less is a forgotten unit; the libraries cannot count much more."""


def parse_memory_limit(text: str) -> int:
    """The bytes in a size such as `2G`, `1536M` or `800MiB`, in binary units.

    Raises BadValue, also for less than 1 MiB or more than 1 PiB.
    """
    match = _SIZE.fullmatch(text.strip())
    size = int(match[1]) * _UNITS[match[2].lower()] if match else 0
    if not text.isascii() or not size:
        raise BadValue(f"{text!r} is not an amount of memory.", hint="Give a size such as 800M or 2G.")
    if not _LEAST <= size <= _MOST:
        few = "little" if size < _LEAST else "much"
        raise BadValue(f"{text!r} is too {few} memory.", hint="Give a size such as 800M or 2G.")
    return size


def check_memory(name: str, needed: int, limit: int) -> None:
    """Raise MemoryLimitExceeded if decompressing the file `name` needs more than `limit` bytes."""
    if needed > limit:
        raise memory_limit_exceeded(name, needed, limit)


def memory_limit_exceeded(name: str, needed: int | None, limit: int) -> MemoryLimitExceeded:
    """The error for a file that needs more memory than `limit`; `needed` is None if it is not known."""
    if needed is None:
        reason, size = f"it needs more memory than the limit of {_shown(limit)}", "SIZE"
    else:
        reason = f"it needs {_shown(needed)} of memory, and the limit is {_shown(limit)}"
        size = f"{-(-needed // (1 << 30))}G"
    return MemoryLimitExceeded(
        f"{name} cannot be decompressed: {reason}.",
        hint=f"If you trust the file, raise the limit with --memory-limit {size}.",
        needed=needed,
        limit=limit,
    )


def xz_decompressor(memory_limit: int) -> lzma.LZMADecompressor:
    """A decompressor for one .xz stream whose dictionaries have at most `memory_limit` bytes."""
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=memory_limit + _XZ_SLACK)


def is_xz_memory_error(error: BaseException | None) -> bool:
    """Whether it is liblzma's error for a stream that needs more memory than its limit."""
    return "memory usage limit" in str(error).lower()


def xz_dictionary_size(header: bytes) -> int:
    """The dictionary size in bytes that the header of an .xz block names; 0 if it names none.

    Source: the .xz file format 1.2, 3.1 and 5.3.1.
    """
    try:
        flags, position = header[1], 2
        for bit in (0x40, 0x80):
            if flags & bit:
                _, position = xz_number(header, position)
        for _ in range((flags & 3) + 1):
            kind, position = xz_number(header, position)
            length, position = xz_number(header, position)
            if kind == _LZMA2:
                bits = header[position]
                return (2 | bits & 1) << (bits // 2 + 11) if bits <= _MAX_DICTIONARY_BITS else 0
            position += length
    except (ValueError, IndexError):
        return 0
    return 0


def xz_number(data: bytes, position: int) -> tuple[int, int]:
    """The variable-length integer at `position` of an .xz file (1.2), and the position after it."""
    value = 0
    for shift in range(0, 63, 7):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
    raise ValueError("a number that is too long")


def _shown(count: int) -> str:
    """A size in the largest binary unit that has at least one digit before the point."""
    if count >= 1 << 30:
        return f"{count / (1 << 30):.1f} GiB"
    return f"{-(-count // (1 << 20))} MiB"
