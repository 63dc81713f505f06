"""The reference of all commands as Markdown, made from the help of each."""

from __future__ import annotations

from collections.abc import Iterator

import click
from manual.parameters import default_of, long_names, option_names, shared_names, subcommands

from resin_toolkit.cli.command_table import COMMANDS, CommandEntry
from resin_toolkit.cli.root import load_command


def markdown() -> str:
    """Every command with its usage, examples, arguments and options; shared options are left out."""
    lines: list[str] = []
    for group in dict.fromkeys(entry.group for entry in COMMANDS):
        lines += [f"## {group} commands", ""]
        for entry in COMMANDS:
            if entry.group == group:
                lines += _entry(entry)
    return "\n".join(lines)


def _entry(entry: CommandEntry) -> Iterator[str]:
    command = load_command(entry)
    shared = shared_names()
    inherited: list[str] = []
    if entry.name == "flash":
        configure = next(each for each in COMMANDS if each.name == "configure")
        known = long_names(load_command(configure).params)
        inherited = sorted(long_names(command.params) & known - shared)
        shared |= known
    yield from _command(command, f"resin {entry.name}", shared)
    for name, below in subcommands(command):
        yield from _command(below, f"resin {entry.name} {name}", shared)
    if inherited:
        names = ", ".join(f"`{name}`" for name in inherited)
        yield f"The options of [resin configure](#resin-configure) configure what is written: {names}."
        yield ""


def _command(command: click.Command, path: str, documented: set[str]) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    # Typer fills in the help of arguments when help is formatted.
    command.get_help(context)
    yield from (f"### {path}", "")
    for paragraph in (command.help or "").split("\n\n"):
        yield from (_escaped(" ".join(paragraph.split())), "")
    yield from ("```", " ".join([path, *command.collect_usage_pieces(context)]), "```", "")
    if not isinstance(command, click.Group):
        examples = (command.epilog or "").splitlines()[2:]
        yield from ("Examples:", "", "```", *(line.strip() for line in examples), "```", "")
    rows = [*_rows(command, context, documented)]
    if rows:
        yield from ("| argument or option | meaning |", "| --- | --- |", *rows, "")


def _rows(command: click.Command, context: click.Context, documented: set[str]) -> Iterator[str]:
    for each in command.params:
        if isinstance(each, click.Option):
            if not long_names([each]) & documented:
                metavar = "" if each.is_flag else f" {each.make_metavar(context)}"
                yield _row(
                    f"{', '.join(option_names(each))}{metavar}", f"{each.help or ''}{default_of(each)}"
                )
        elif isinstance(each, click.Argument):
            yield _row(each.make_metavar(context), str(getattr(each, "help", "") or ""))


def _row(name: str, meaning: str) -> str:
    return f"| `{name.replace('|', chr(92) + '|')}` | {_escaped(meaning)} |"


def _escaped(text: str) -> str:
    """Escape what Markdown would interpret outside of code."""
    parts = text.split("`")
    for at in range(0, len(parts), 2):
        parts[at] = "".join(f"\\{letter}" if letter in "*_<>|[]" else letter for letter in parts[at])
    return "`".join(parts)
