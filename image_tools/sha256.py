"""SHA-256 sums as people give them."""

from __future__ import annotations

from resin_toolkit.errors import BadValue


def parse_sha256(text: str) -> str:
    """64 hexadecimal digits, in lower case; raises BadValue."""
    digest = text.strip().lower()
    if len(digest) != 64 or any(digit not in "0123456789abcdef" for digit in digest):
        raise BadValue("A SHA-256 has 64 hexadecimal digits.", hint="Copy it whole, without the file's name.")
    return digest
