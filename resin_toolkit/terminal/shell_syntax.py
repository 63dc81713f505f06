"""Setting and unsetting environment variables in the syntax of a shell."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import PurePath


class ShellSyntax(Enum):
    """The shells whose syntax is known; that of bash suits every POSIX shell."""

    BASH = "bash"
    FISH = "fish"
    POWERSHELL = "powershell"


def login_shell_syntax() -> ShellSyntax:
    """The syntax of the shell in $SHELL, by default that of bash."""
    names = {
        "fish": ShellSyntax.FISH,
        "pwsh": ShellSyntax.POWERSHELL,
        "powershell": ShellSyntax.POWERSHELL,
    }
    return names.get(PurePath(os.environ.get("SHELL", "")).name, ShellSyntax.BASH)


def set_variable(syntax: ShellSyntax, name: str, value: str) -> str:
    """The line that sets and exports a variable."""
    if syntax is ShellSyntax.FISH:
        return f"set -gx {name} {quote(syntax, value)};"
    if syntax is ShellSyntax.POWERSHELL:
        return f"$Env:{name} = {quote(syntax, value)}"
    return f"export {name}={quote(syntax, value)}"


def unset_variable(syntax: ShellSyntax, name: str) -> str:
    """The line that unsets a variable, which need not be set."""
    if syntax is ShellSyntax.FISH:
        return f"set -e {name};"
    if syntax is ShellSyntax.POWERSHELL:
        return f"Remove-Item -ErrorAction Ignore Env:{name}"
    return f"unset {name}"


def quote(syntax: ShellSyntax, value: str) -> str:
    """Quote a value so that the shell takes it literally."""
    if syntax is ShellSyntax.FISH:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if syntax is ShellSyntax.POWERSHELL:
        return "'" + value.replace("'", "''") + "'"
    from shlex import quote as quote_posix

    return quote_posix(value)
