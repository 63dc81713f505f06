"""The manual page, made from the table of commands and the help of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from manual import roff
from manual.parameters import default_of, long_names, option_names, shared_names, subcommands
from resin_toolkit import __version__
from resin_toolkit.cli.command import HELP_OPTIONS
from resin_toolkit.cli.command_table import COMMANDS, CommandEntry
from resin_toolkit.cli.root import load_command, root_command

PAGE = Path(__file__).parent.parent.parent / "completions" / "resin.1"
"""The page in the checkout, beside the other files that a wheel installs in share/."""
_CONFIGURE = next(entry for entry in COMMANDS if entry.name == "configure")
_SECTIONS = Path(__file__).with_name("sections.roff")
_PLACE_OF_COMMANDS = '.\\" The commands.\n'
_PLACE_OF_GROUPS = '.\\" The groups.\n'


def page(date: str) -> str:
    """The page, with a date such as `2026-11-24`."""
    text = _SECTIONS.read_text(encoding="utf-8")
    text = text.replace(_PLACE_OF_GROUPS, _lines(_groups()))
    text = text.replace(_PLACE_OF_COMMANDS, _lines(_command_sections()))
    return f'.TH RESIN 1 {date} "resin {__version__}"\n{text}'


def date_of(text: str) -> str:
    """The date of a page."""
    return text.split(maxsplit=4)[3]


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _groups() -> Iterator[str]:
    for group in _group_names():
        names = (roff.bold(entry.name) for entry in COMMANDS if entry.group == group)
        yield from (".TP", group, ",\n".join(names))


def _group_names() -> list[str]:
    return list(dict.fromkeys(entry.group for entry in COMMANDS))


def _command_sections() -> Iterator[str]:
    root = root_command()
    assert isinstance(root, click.Group)
    context = click.Context(root, help_option_names=HELP_OPTIONS["help_option_names"])
    shared = shared_names()
    own = [each for each in root.params if not long_names([each]) & shared]
    common = [each for each in root.params if long_names([each]) & shared]
    yield from (".SH OPTIONS", "With every command:")
    yield from _parameters(context, [*common, root.get_help_option(context)])
    yield from (".PP", "Without a command:")
    yield from _parameters(context, own)
    for group in _group_names():
        yield f".SH {group.upper()} COMMANDS"
        for entry in COMMANDS:
            if entry.group == group:
                yield from _command_section(entry, shared)


def _command_section(entry: CommandEntry, shared: set[str]) -> Iterator[str]:
    command = load_command(entry)
    documented = shared
    if entry.name == "flash":
        documented = shared | long_names(load_command(_CONFIGURE).params)
    yield from _command(command, f"resin {entry.name}", documented)
    for name, below in subcommands(command):
        yield from _command(below, f"resin {entry.name} {name}", shared)
    if documented != shared:
        names = sorted(long_names(command.params) & documented - shared)
        yield from (
            ".PP",
            f"And the options of {roff.bold('resin configure')}, which configure what is written:",
        )
        yield ",\n".join(map(roff.bold, names)) + "."


def _command(command: click.Command, path: str, documented: set[str]) -> Iterator[str]:
    """One section: usage, description, and the options that are not `documented` elsewhere."""
    context = click.Context(command, info_name=path)
    # Typer fills in the help of arguments when help is formatted.
    command.get_help(context)
    yield f'.SS "{path}"'
    usage = [roff.italic(piece) for piece in command.collect_usage_pieces(context)]
    yield " ".join([roff.bold(path), *usage])
    for paragraph in (command.help or "").split("\n\n"):
        yield from (".PP", roff.prose(paragraph))
    own = [
        each
        for each in command.params
        if isinstance(each, click.Argument) or not long_names([each]) & documented
    ]
    yield from _parameters(context, own)
    if not isinstance(command, click.Group):
        yield from roff.literal(line.strip() for line in (command.epilog or "").splitlines()[2:])


def _parameters(context: click.Context, parameters: Iterable[click.Parameter | None]) -> Iterator[str]:
    for each in parameters:
        if isinstance(each, click.Option):
            yield from roff.term(_option_names(context, each), f"{each.help or ''}{default_of(each)}")
        elif isinstance(each, click.Argument):
            yield from roff.term(
                roff.italic(each.make_metavar(context)), str(getattr(each, "help", "") or "")
            )


def _option_names(context: click.Context, option: click.Option) -> str:
    shown = ", ".join(map(roff.bold, option_names(option)))
    return shown if option.is_flag else f"{shown} {roff.italic(option.make_metavar(context))}"
