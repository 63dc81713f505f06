"""What every verb has in common: its class of command, and the options that all of them take."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from functools import wraps
from typing import Any, get_type_hints

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


def takes(options: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator for a verb whose last parameter is a dataclass of options: each field becomes an option.

    The fields are annotated as Typer's parameters are, and have defaults, so that several verbs can take the
    same group of options.
    """
    hints = get_type_hints(options, include_extras=True)
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

    def decorate(verb: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(verb, eval_str=True)
        *own, last = signature.parameters.values()

        @wraps(verb)
        def call(**values: Any) -> Any:
            group = options(**{name: values.pop(name) for name in names})
            return verb(**values, **{last.name: group})

        parameters = [*(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own), *grouped]
        call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del call.__wrapped__
        return call

    return decorate
