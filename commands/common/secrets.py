"""Secrets: from a file, the environment, stdin or the user. They never come as the value of an option."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from resin_toolkit.errors import BadValue, Usage
from resin_toolkit.terminal.report import Report

if TYPE_CHECKING:
    from image_tools.answers import SecretReference

STDIN = Path("-")
_LARGEST = 4096


def read_secret(
    reference: SecretReference,
    question: str,
    report: Report,
    *,
    check: Callable[[str], None] | None = None,
) -> str:
    """The secret that `reference` names; `-` is stdin, and on a terminal that is asked for without echo.

    Raises BadValue for what holds no secret, and what `check` raises.
    """
    if reference.file == STDIN and report.interactive:
        return report.ask_secret(question, check=check)
    secret = _from_stdin() if reference.file == STDIN else reference.read()
    if check is not None:
        check(secret)
    return secret


def required_secret(
    reference: SecretReference | None,
    question: str,
    report: Report,
    *,
    hint: str,
    check: Callable[[str], None] | None = None,
) -> str:
    """The secret that `reference` names, else what the user types. Raises Usage with `hint` if nobody can."""
    if reference is not None:
        return read_secret(reference, question, report, check=check)
    if not report.interactive:
        raise Usage(f"{question}: this is needed.", hint=hint)
    return report.ask_secret(question, check=check)


def _from_stdin() -> str:
    if sys.stdin is None:
        raise BadValue("There is no stdin to read the passphrase from.", hint="Name a file.")
    data = sys.stdin.buffer.read(_LARGEST + 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    line = text.removesuffix("\n").removesuffix("\r")
    if not line or "\n" in line or len(data) > _LARGEST:
        raise BadValue("stdin does not hold one secret.", hint="Put the secret alone on its first line.")
    return line


def password_prompt(report: Report) -> Callable[[str], str] | None:
    """The function that asks the user for a password; None if nobody can be asked."""
    return report.ask_secret if report.interactive else None
