"""The root command: knows the verbs by name and opens the one that was typed."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

import click
import typer
from click.shell_completion import CompletionItem
from typer.core import TyperGroup
from typer.main import get_command

from resin_toolkit import __version__
from resin_toolkit.cli import VERBS, VerbEntry
from resin_toolkit.verb import HELP_OPTIONS

_BY_NAME = {entry.name: entry for entry in VERBS}


class Verbs(TyperGroup):
    """A group whose commands are opened on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_BY_NAME)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        entry = _BY_NAME.get(cmd_name)
        return open_verb(entry) if entry else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for group in dict.fromkeys(entry.group for entry in VERBS):
            with formatter.section(group):
                formatter.write_dl([(e.name, e.help) for e in VERBS if e.group == group])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(e.name, help=e.help) for e in VERBS if e.name.startswith(incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _BY_NAME and not args[0].startswith("-"):
            near = get_close_matches(args[0], _BY_NAME, n=1)
            guess = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"No such command '{args[0]}'.{guess}")
        return super().resolve_command(ctx, args)


def open_verb(entry: VerbEntry) -> click.Command:
    """Import the module of a verb and return its command."""
    command = get_command(import_module(f"commands.{entry.name}").app)
    command.name = entry.name
    return command


def root_command() -> click.Command:
    """The command `resin` itself."""
    app = typer.Typer(
        cls=Verbs,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings=HELP_OPTIONS,
        help="Put containers on embedded boards: configure images, flash cards. For resinOS and balenaOS.",
    )

    @app.callback()
    def resin(
        version: bool = typer.Option(False, "--version", "-V", help="Print the version.", is_eager=True),
    ) -> None:
        if version:
            click.echo(f"resin {__version__}")
            raise click.exceptions.Exit(0)

    return get_command(app)


def click_errors() -> tuple[type[click.ClickException], type[click.exceptions.Exit], type[click.Abort]]:
    """The exceptions by which click ends a run: wrong usage, an asked-for exit, Ctrl-C."""
    return click.ClickException, click.exceptions.Exit, click.Abort
