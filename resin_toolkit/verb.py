"""What every verb has in common: its class of command, and the options that all of them take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click
import typer
from typer.core import TyperCommand, TyperGroup

from resin_toolkit.report import Report

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}

_SHARED = {
    "json": (["--json"], "Print one JSON object on stdout."),
    "quiet": (["--quiet", "-q"], "Print results and errors only."),
    "no_input": (["--no-input"], "Never ask; fail where an answer would be needed."),
    "yes": (["--yes", "-y"], "Agree to the confirmation beforehand."),
    "debug": (["--debug"], "Show the traceback of an error (also RESIN_DEBUG=1)."),
}


def report_of(context: typer.Context) -> Report:
    """The report of the run that `context` belongs to."""
    report = context.find_object(Report)
    assert report is not None
    return report


def _set(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    report = context.find_object(Report)
    if value and report is not None and parameter.name is not None:
        report.settings = replace(report.settings, **{parameter.name: True})


class Verb(TyperCommand):
    """A command that also takes the shared options and puts them into the run's report."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        for name, (words, text) in _SHARED.items():
            option = click.Option(
                [name, *words], is_flag=True, expose_value=False, is_eager=True, callback=_set, help=text
            )
            self.params.append(option)


def single(verb: Any, *, epilog: str | None = None) -> typer.Typer:
    """The application of a verb that is one command."""
    app = _application()
    app.command(cls=Verb, context_settings=HELP_OPTIONS, epilog=epilog)(verb)
    return app


def group(help: str, **verbs: Any) -> typer.Typer:
    """The application of a verb that has verbs of its own."""
    app = _application(help=help, no_args_is_help=True, cls=TyperGroup, context_settings=HELP_OPTIONS)
    app.callback()(lambda: None)
    for name, verb in verbs.items():
        app.command(name, cls=Verb, context_settings=HELP_OPTIONS)(verb)
    return app


def _application(**settings: Any) -> typer.Typer:
    return typer.Typer(
        rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, **settings
    )
