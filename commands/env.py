"""`resin env`: print the environment variables that point docker at a device's engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from commands.common.device import DeviceArgument, DeviceOptions, find_device, open_engine
from resin_toolkit.cli.command import report_of, single_command, with_options
from resin_toolkit.terminal.screen import Screen
from resin_toolkit.terminal.shell_syntax import (
    ShellSyntax,
    login_shell_syntax,
    set_variable,
    unset_variable,
)

EXAMPLES = """\b
Examples:
  eval "$(resin env kitchen)"; docker ps
  resin env kitchen --shell fish | source
  resin env kitchen --shell powershell | Invoke-Expression
"""
TLS_VARIABLE = "DOCKER_TLS_VERIFY"
"""If it is set, docker requires TLS, which a device's engine does not speak."""


@dataclass(frozen=True)
class EngineEnvironment:
    """The variables that make docker use the engine of a device."""

    docker_host: str
    syntax: ShellSyntax
    unset_tls: bool

    def data(self) -> Mapping[str, object]:
        return {"DOCKER_HOST": self.docker_host}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        lines = [set_variable(self.syntax, "DOCKER_HOST", self.docker_host)]
        return "\n".join([*lines, unset_variable(self.syntax, TLS_VARIABLE)] if self.unset_tls else lines)


def env(
    context: typer.Context,
    device: DeviceArgument = None,
    shell: Annotated[
        ShellSyntax | None,
        typer.Option("--shell", help="Shell syntax to print (default: that of $SHELL).", show_default=False),
    ] = None,
    *,
    options: DeviceOptions,
) -> EngineEnvironment:
    """Print the DOCKER_HOST setting for a device, to be evaluated by a shell."""

    report = report_of(context)
    with open_engine(report, find_device(report, device, options)) as engine:
        return EngineEnvironment(engine.url, shell or login_shell_syntax(), TLS_VARIABLE in os.environ)


app = single_command(with_options(DeviceOptions)(env), epilog=EXAMPLES)
