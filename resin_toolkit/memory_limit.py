"""The limit of the memory that decompression may take, which otherwise the compressed file itself chooses.

A Zstandard frame names its window and an .xz block its dictionary: up to 4 GiB, however small the file is.
"""

from __future__ import annotations

import re

from resin_toolkit.errors import BadValue, MemoryLimitExceeded

DEFAULT_MEMORY_LIMIT = 512 * 1024 * 1024
"""In bytes. Files of `xz -9` need 65 MiB, those of `zstd --ultra -22` 128 MiB."""
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d{1,12})\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)


def parse_memory_limit(text: str) -> int:
    """The bytes in a size such as `2G`, `1536M` or `800MiB`, in binary units. Raises BadValue."""
    match = _SIZE.fullmatch(text.strip())
    size = int(match[1]) * _UNITS[match[2].lower()] if match else 0
    if not size or not text.isascii():
        raise BadValue(f"{text!r} is not an amount of memory.", hint="Give a size such as 800M or 2G.")
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


def _shown(count: int) -> str:
    """A size in the largest binary unit that has at least one digit before the point."""
    if count >= 1 << 30:
        return f"{count / (1 << 30):.1f} GiB"
    return f"{-(-count // (1 << 20))} MiB"
