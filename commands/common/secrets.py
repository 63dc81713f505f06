"""Secrets from stdin or a prompt; a secret is never passed as an option."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from resin_toolkit.errors import BadValue
from resin_toolkit.terminal.report import Report

STDIN = Path("-")
_MAX_BYTES = 4096


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
