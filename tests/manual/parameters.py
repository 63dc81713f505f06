"""The arguments and options of commands, as the manual page and the documentation show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from resin_toolkit.cli.command_table import COMMANDS
from resin_toolkit.cli.root import load_command, root_command


def long_names(parameters: Iterable[click.Parameter]) -> set[str]:
    """The long names of the options among the parameters."""
    options = (each for each in parameters if isinstance(each, click.Option))
    return {max(each.opts, key=len) for each in options}


def shared_names() -> set[str]:
    """The long names of the options that every command takes."""
    return long_names(root_command().params) & long_names(load_command(COMMANDS[0]).params)


def option_names(option: click.Option) -> list[str]:
    """All names of an option, the short one first."""
    return sorted(option.opts, key=len) + option.secondary_opts


def default_of(option: click.Option) -> str:
    """A sentence with the default of an option whose value is a number; empty for others."""
    number = isinstance(option.default, int | float) and not option.is_flag
    return f" By default {option.default:g}." if number else ""


def subcommands(command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """The subcommands of a group with their names; nothing for a command without any."""
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield name, below
