"""The root command: it lists the commands by name and imports the one that was typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click
import typer
from click.shell_completion import CompletionItem, ShellComplete
from typer.main import get_command

from resin_toolkit import __version__
from resin_toolkit.cli.command import HELP_OPTIONS, METAVAR, Group, report_of, require_subcommand
from resin_toolkit.cli.command_table import COMMANDS, CommandEntry
from resin_toolkit.cli.completion import CompletionRequest, Completions, Files, Folders
from resin_toolkit.errors import Exit
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import Screen

_HELP = (
    "resin is a command line toolkit for resinOS and balenaOS devices. It configures OS images, flashes and "
    "verifies SD cards, discovers devices on your network, and deploys containers to them directly. "
    "No account, no cloud."
)
_BY_NAME = {entry.name: entry for entry in COMMANDS}


class RootGroup(Group):
    """A group whose commands are imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_BY_NAME)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        entry = _BY_NAME.get(cmd_name)
        return load_command(entry) if entry else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for group in dict.fromkeys(entry.group for entry in COMMANDS):
            with formatter.section(group):
                formatter.write_dl([(e.name, e.help) for e in COMMANDS if e.group == group])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(e.name, help=e.help) for e in COMMANDS if e.name.startswith(incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        report = ctx.find_object(Report)
        if report is not None and args and args[0] in _BY_NAME:
            report.streams = _BY_NAME[args[0]].streams
        return super().resolve_command(ctx, args)


@dataclass(frozen=True)
class Version:
    """The result of `--version` beside other options, such as --json."""

    def data(self) -> Mapping[str, object]:
        return {"version": __version__}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return f"resin {__version__}"


def load_command(entry: CommandEntry) -> click.Command:
    """Import the module of a command and return the command."""
    command = get_command(import_module(entry.module).app)
    command.name = entry.name
    return command


def root_command() -> click.Command:
    """The command `resin` itself."""
    app = typer.Typer(
        cls=RootGroup,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=HELP_OPTIONS,
        subcommand_metavar=METAVAR,
        help=_HELP,
    )
    app.callback(invoke_without_command=True)(_resin)
    return get_command(app)


def complete_request(request: CompletionRequest) -> Completions:
    """Return the completions of a line that is being typed."""
    shell = ShellComplete(root_command(), {}, "resin", "")
    values = []
    for item in shell.get_completions(list(request.words), request.last):
        if item.type == "file" or isinstance(item.value, Files):
            return Completions(kind="files")
        if item.type == "dir" or isinstance(item.value, Folders):
            return Completions(kind="folders")
        values.append((str(item.value), item.help or ""))
    return Completions(values)


def complete(instruction: str) -> int:
    """Serve Typer's own completion scripts (earlier versions, PowerShell), or print the script of a shell."""
    from typer import _completion_classes as shells

    from resin_toolkit.cli.completion_scripts import SCRIPTS

    what, _, name = instruction.partition("_")
    if what == "source" and name in SCRIPTS:
        typer.echo(SCRIPTS[name].text(), nl=False)
        return Exit.DONE
    # The help of our commands has no markup, so rich need not be loaded at each TAB.
    shells._sanitize_help_text = lambda text: text
    shells.completion_init()
    try:
        root_command().main([], prog_name="resin")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1


def _resin(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", "-V", help="Show the version and exit."),
    install_completion: bool = typer.Option(
        False, "--install-completion", help="Install completion for the current shell."
    ),
    show_completion: bool = typer.Option(
        False, "--show-completion", help="Print the completion script of the current shell."
    ),
) -> None:
    if version:
        report_of(context).result("version", Version())
        raise typer.Exit()
    if install_completion or show_completion:
        from resin_toolkit.cli import completion_scripts

        shell = completion_scripts.current_shell()
        done = (
            completion_scripts.install(shell)
            if install_completion
            else completion_scripts.PrintedScript(shell)
        )
        report_of(context).result("completion", done)
        raise typer.Exit()
    require_subcommand(context)


def click_errors() -> tuple[type[click.ClickException], type[click.exceptions.Exit], type[click.Abort]]:
    """The exceptions that end a run of click: a usage error, a requested exit, Ctrl-C."""
    return click.ClickException, click.exceptions.Exit, click.Abort
