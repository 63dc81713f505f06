"""`resin env`: print the environment variables that point docker at a device's engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Annotated

import typer

from commands.common.device import DeviceArgument, DeviceOptions, find_device
from resin_toolkit.cli.verb import report_of, single_command, with_options
from resin_toolkit.terminal.screen import Screen

EXAMPLES = """\b
Examples:
  eval "$(resin env kitchen)"; docker ps
  resin env kitchen --shell fish | source
  resin env kitchen --shell powershell | Invoke-Expression
"""
TLS = "DOCKER_TLS_VERIFY"
"""Where it is set, docker expects TLS, which a device's engine does not speak."""


class Language(Enum):
    """The shells that lines are written for; bash's are those of every POSIX shell."""

    BASH = "bash"
    FISH = "fish"
    POWERSHELL = "powershell"


@dataclass(frozen=True)
class Variables:
    """What other tools take for the device's engine, as a shell reads it."""

    docker_host: str
    language: Language
    without_tls: bool
    """Whether TLS has to be turned off, too."""

    def data(self) -> Mapping[str, object]:
        return {"DOCKER_HOST": self.docker_host}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        lines = [_set(self.language, "DOCKER_HOST", self.docker_host)]
        return "\n".join([*lines, _unset(self.language, TLS)] if self.without_tls else lines)


def env(
    context: typer.Context,
    device: DeviceArgument = None,
    shell: Annotated[
        Language | None,
        typer.Option("--shell", help="Shell syntax to print (default: that of $SHELL).", show_default=False),
    ] = None,
    *,
    options: DeviceOptions,
) -> Variables:
    """Print the DOCKER_HOST setting for a device, to be evaluated by a shell."""
    from commands.common.engine import open_engine

    report = report_of(context)
    with open_engine(report, find_device(report, device, options)) as engine:
        return Variables(engine.place, shell or _used(), TLS in os.environ)


def _used() -> Language:
    names = {"fish": Language.FISH, "pwsh": Language.POWERSHELL, "powershell": Language.POWERSHELL}
    return names.get(PurePath(os.environ.get("SHELL", "")).name, Language.BASH)


def _set(language: Language, name: str, value: str) -> str:
    if language is Language.FISH:
        return f"set -gx {name} {_quoted(language, value)};"
    if language is Language.POWERSHELL:
        return f"$Env:{name} = {_quoted(language, value)}"
    return f"export {name}={_quoted(language, value)}"


def _unset(language: Language, name: str) -> str:
    if language is Language.FISH:
        return f"set -e {name};"
    if language is Language.POWERSHELL:
        return f"Remove-Item -ErrorAction Ignore Env:{name}"
    return f"unset {name}"


def _quoted(language: Language, value: str) -> str:
    if language is Language.FISH:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if language is Language.POWERSHELL:
        return "'" + value.replace("'", "''") + "'"
    from shlex import quote

    return quote(value)


app = single_command(with_options(DeviceOptions)(env), epilog=EXAMPLES)
