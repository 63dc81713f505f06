"""Secrets from stdin or a prompt; a secret is never passed as an option."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from resin_toolkit.errors import BadValue, Usage
from resin_toolkit.terminal.report import Report

STDIN = Path("-")
_STDIN_NAMES = frozenset(("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"))
_MAX_BYTES = 4096


def check_stdin_readers(readers: Iterable[tuple[str, str | Path | None]]) -> None:
    """Raise Usage if more than one of the (name, file) pairs would read stdin."""
    found = [name for name, file in readers if file is not None and str(file) in _STDIN_NAMES]
    if len(found) > 1:
        raise Usage(
            f"stdin cannot be read for both {found[0]} and {found[1]}.", hint="Put one of them in a file."
        )


def read_stdin_secret() -> str:
    """Read one secret, a single line, from stdin. Raises BadValue."""
    if sys.stdin is None:
        raise BadValue("stdin is closed, so no secret can be read from it.", hint="Use a file.")
    data = sys.stdin.buffer.read(_MAX_BYTES + 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    line = text.removesuffix("\n").removesuffix("\r")
    if not line or "\n" in line or len(data) > _MAX_BYTES:
        raise BadValue("stdin does not hold a single line.", hint="Pass only the secret, on one line.")
    return line


def password_prompt(report: Report) -> Callable[[str], str] | None:
    """Return the function that asks the user for a password; None without a terminal."""
    return report.ask_secret if report.interactive else None
