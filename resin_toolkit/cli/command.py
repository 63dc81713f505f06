"""The base of all commands: the command and group classes, and the options that they share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, replace
from functools import wraps
from typing import Any, get_type_hints

import click
import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.models import ArgumentInfo

from resin_toolkit.errors import Exit, Usage
from resin_toolkit.terminal.report import Report

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}

METAVAR = "COMMAND [ARGS]..."

_SHARED = {
    "json": (["--json"], "Print the result as JSON."),
    "quiet": (["--quiet", "-q"], "Print only results, warnings and errors."),
    "no_input": (["--no-input"], "Never prompt; fail if an answer is needed."),
    "yes": (["--yes", "-y"], "Answer yes to confirmation prompts."),
    "debug": (["--debug"], "Print tracebacks of errors (or set RESIN_DEBUG=1)."),
}


def report_of(context: typer.Context) -> Report:
    """Return the report of the run that `context` belongs to."""
    report = context.find_object(Report)
    assert report is not None
    return report


def _set(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    report = context.find_object(Report)
    if value and report is not None and parameter.name is not None:
        report.settings = replace(report.settings, **{parameter.name: True})


class ResinCommand(TyperCommand):
    """A command with the shared options. Its help starts with the epilog, the examples."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params.extend(_shared_options())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _set_report_command(ctx)
        if ctx.resilient_parsing and args and self._takes_value(args[-1]):
            # During completion the value is yet to be typed: without it, click would parse no other word.
            args = args[:-1]
        return super().parse_args(ctx, args)

    def _takes_value(self, word: str) -> bool:
        return any(word in p.opts and not p.is_flag for p in self.params if isinstance(p, click.Option))

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self._restore_help_of_arguments()
        self.format_usage(ctx, formatter)
        self.format_epilog(ctx, formatter)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the arguments and the options, with a section for each heading of `with_options`."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_argument = parameter.param_type_name == "argument"
                heading = getattr(parameter, "rich_help_panel", None) or "Options"
                sections.setdefault("Arguments" if is_argument else heading, []).append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)

    def _restore_help_of_arguments(self) -> None:
        """Work around click 8.5, whose own `help` of arguments empties the one that Typer has set."""
        signature = inspect.signature(self.callback, eval_str=True) if self.callback else inspect.Signature()
        for parameter in self.params:
            if isinstance(parameter, TyperArgument) and parameter.help is None and parameter.name:
                annotation = signature.parameters[parameter.name].annotation
                facts = getattr(annotation, "__metadata__", ())
                parameter.help = next((fact.help for fact in facts if isinstance(fact, ArgumentInfo)), None)


class Group(TyperGroup):
    """A command with subcommands and the shared options. Its help starts with the epilog, the examples."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params.extend(_shared_options())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _set_report_command(ctx)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(args[0], names, n=1)
            guess = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"No such command '{args[0]}'.{guess}")
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_usage(ctx, formatter)
        self.format_epilog(ctx, formatter)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, c.get_short_help_str(200)) for name, c in commands if c is not None])


def require_subcommand(context: typer.Context) -> None:
    """If no subcommand was given, print the help of the group and exit with a usage error."""
    if context.invoked_subcommand is not None:
        return
    if report_of(context).settings.json:
        raise Usage("No command was given.", hint=f"Run `{context.command_path} --help` for a list.")
    typer.echo(context.get_help())
    raise typer.Exit(Exit.USAGE)


def single_command(function: Any, *, epilog: str | None = None) -> typer.Typer:
    """Build the Typer application of a single command; its help starts with `epilog`, the examples."""
    app = _application()
    app.command(cls=ResinCommand, context_settings=HELP_OPTIONS, epilog=epilog)(function)
    return app


def command_group(help: str, examples: Mapping[str, str], **subcommands: Any) -> typer.Typer:
    """Build the Typer application of a command with subcommands, each with its examples, one a line.

    Its own help starts with the first example of each.
    """
    first = as_examples("\n".join(lines.strip().splitlines()[0] for lines in examples.values()))
    app = _application(
        help=help, cls=Group, context_settings=HELP_OPTIONS, subcommand_metavar=METAVAR, epilog=first
    )
    app.callback(invoke_without_command=True)(_group_callback)
    for name, function in subcommands.items():
        epilog = as_examples(examples[name])
        app.command(name, cls=ResinCommand, context_settings=HELP_OPTIONS, epilog=epilog)(function)
    return app


def as_examples(lines: str) -> str:
    """Return the epilog that shows command lines unwrapped."""
    shown = "\n".join(f"  {line.strip()}" for line in lines.strip().splitlines())
    return f"\b\nExamples:\n{shown}"


def _group_callback(context: typer.Context) -> None:
    require_subcommand(context)


def _shared_options() -> list[click.Option]:
    return [
        click.Option(
            [name, *words], is_flag=True, expose_value=False, is_eager=True, callback=_set, help=text
        )
        for name, (words, text) in _SHARED.items()
    ]


def _set_report_command(context: click.Context) -> None:
    """Record in the run's report which command is running: `flash`, `image ls`."""
    report = context.find_object(Report)
    if report is not None:
        report.command = context.command_path.partition(" ")[2] or None


def _application(**settings: Any) -> typer.Typer:
    return typer.Typer(
        rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, **settings
    )


def with_options(options: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a command whose last parameter is a dataclass of options: each field becomes an option.

    The fields are annotated as Typer's parameters are and have defaults, so several commands can share a
    group of options. An attribute HEADINGS maps a field to the heading in the help that begins with it.
    """
    hints = get_type_hints(options, include_extras=True)
    heading = None
    for entry in fields(options):
        heading = getattr(options, "HEADINGS", {}).get(entry.name, heading)
        hints[entry.name].__metadata__[0].rich_help_panel = heading
    grouped = [
        inspect.Parameter(
            entry.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=entry.default if entry.default is not MISSING else None,
            annotation=hints[entry.name],
        )
        for entry in fields(options)
    ]
    names = {parameter.name for parameter in grouped}

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(function, eval_str=True)
        *own, last = signature.parameters.values()

        @wraps(function)
        def call(**values: Any) -> Any:
            group = options(**{name: values.pop(name) for name in names})
            return function(**values, **{last.name: group})

        parameters = [*(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own), *grouped]
        call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del call.__wrapped__
        return call

    return decorate
