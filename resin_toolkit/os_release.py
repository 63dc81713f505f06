"""Reading os-release files (freedesktop.org's os-release(5))."""

from __future__ import annotations

import shlex

_MOST_CHARACTERS = 1 << 16


def parse_os_release(text: str) -> dict[str, str]:
    """The assignments of an os-release file, unquoted as in a shell; an unmatched quote is kept.

    Only the first 64 KiB are read.
    """
    values = {}
    for line in text[:_MOST_CHARACTERS].splitlines():
        name, separator, value = line.strip().partition("=")
        name = name.strip()
        if not separator or not name.isidentifier():
            continue
        try:
            values[name] = " ".join(shlex.split(value))
        except ValueError:
            values[name] = value.strip()
    return values
