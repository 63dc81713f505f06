"""What the user is asked before a project is sent: where it goes, and what it takes from this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from resin_toolkit.engine import Engine
from resin_toolkit.errors import Notice, NotTrusted, Refused
from resin_toolkit.project.access import ProjectAccess
from resin_toolkit.project.approvals import Approvals
from resin_toolkit.project.context_walk import printable_path
from resin_toolkit.push.plan.platform import is_device_os
from resin_toolkit.terminal.report import Report

_MOST_NAMED = 5
_MOST_LINES = 15
"""More may have scrolled away by the time of the question, which then says how many there are."""
_LONGEST_USE = 100


@dataclass(frozen=True)
class _Request:
    """What a project wants and the user has not allowed yet."""

    destination: str
    """A DEVICE; empty if it is allowed."""
    paths: tuple[tuple[str, str], ...] = ()
    """Each with what it is for."""
    variables: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.destination or self.paths or self.variables)

    def lines(self) -> Iterator[str]:
        """One line for each thing that it wants. Values of variables are never shown."""
        if self.destination:
            yield f"  send to  {self.destination} (device in resin.toml)"
        for path, use in self.paths:
            yield f"  read     {printable_path(path)} ({_use(use)})"
        for name, use in self.variables:
            yield f"  use      ${printable_path(name)} ({_use(use)})"

    def clause(self) -> str:
        """Everything in one clause: `send to 10.0.0.5 and read /home/me/.aws/credentials`."""
        parts = [f"send to {self.destination}"] if self.destination else []
        parts += [f"read {_named([printable_path(path) for path, _ in self.paths])}"] if self.paths else []
        names = [f"${printable_path(name)}" for name, _ in self.variables]
        parts += [f"use {_named(names)} from the environment"] if names else []
        return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]


class PushTrust:
    """Asks the user to allow what the project in `folder` wants; `agrees` stands for --trust."""

    def __init__(self, report: Report, folder: Path, *, agrees: bool) -> None:
        self._report = report
        self._folder = folder
        self._agrees = agrees
        self._approvals = Approvals.of(folder)
        self._device = ""
        self._paths: set[str] = set()
        self._variables: set[str] = set()
        self._engines: set[str] = set()
        """What was allowed in this run, even if it could not be stored."""
        self.may_ask = True
        """Whether a prompt is possible: not while live mode works in the background."""

    def choose_device(self, device: str) -> None:
        """Note the device, as a `device_key`, that the user has typed, picked or pushed to before."""
        self._device = device

    def check_destination(self, device: str, word: str, access: ProjectAccess | None) -> None:
        """Ask to allow a device that the project's own file names, and what the project takes.

        Without `access`, only the device. Raises NotTrusted, and Declined.
        """
        self._device = device
        self._settle("" if self._approvals.includes(device) else word, access)

    def check(self, access: ProjectAccess) -> None:
        """Ask to allow what the project takes. Raises NotTrusted, and Declined."""
        self._settle("", access)

    def check_engine(self, engine: Engine) -> None:
        """Ask to allow an engine whose OS is not that of a device. Raises Declined, Refused."""
        facts = engine.facts
        if is_device_os(facts) or facts.id in self._engines:
            return
        if not self._approvals.includes_engine(self._device, facts.id):
            named = facts.operating_system or "an unknown operating system"
            what = f"{engine.host} runs {named}, not resinOS or balenaOS."
            if not self.may_ask:
                raise Refused(what, hint="Stop with Ctrl-C, and push again to allow it.")
            self._report.confirm(f"{what} Push to it anyway?")
        self._engines.add(facts.id)
        self._remember(engines=[facts.id] if facts.id else [])

    def remember_device(self) -> None:
        """Remember that the project was sent to the device: from now on, its own file may name it."""
        self._remember()

    def _settle(self, destination: str, access: ProjectAccess | None) -> None:
        paths, variables = ({}, {}) if access is None else (access.paths, access.variables)
        request = _Request(
            destination,
            tuple(
                (path, paths[path])
                for path in self._approvals.missing_paths(self._device, paths)
                if path not in self._paths
            ),
            tuple(
                (name, variables[name])
                for name in self._approvals.missing_variables(self._device, variables)
                if name not in self._variables
            ),
        )
        if not request:
            return
        if self._agrees:
            self._report.say(f"Allowed by --trust: {request.clause()}.")
        else:
            self._ask(request)
        new_paths = [path for path, _ in request.paths]
        new_variables = [name for name, _ in request.variables]
        self._paths.update(new_paths)
        self._variables.update(new_variables)
        self._remember(paths=new_paths, variables=new_variables)

    def _ask(self, request: _Request) -> None:
        if not self.may_ask:
            raise NotTrusted(
                f"The project now wants to {request.clause()}.",
                hint="Undo the change, or stop with Ctrl-C and push again to allow it.",
            )
        if not self._report.interactive:
            raise NotTrusted(
                f"The project in {self._folder} wants to {request.clause()}.",
                hint="If you trust it, pass `--trust`, or run the command in a terminal to be asked.",
            )
        aim = "" if request.destination else f", and send the result to {self._device}"
        lines = list(request.lines())
        what = "this" if len(lines) <= _MOST_LINES else f"all {len(lines)} of these"
        self._report.ask_trust(
            [f"The project in {self._folder} wants to do the following{aim}:", *lines],
            f"Allow {what}, now and for later pushes?",
        )

    def _remember(self, **given: list[str]) -> None:
        notices: list[Notice] = self._approvals.add(self._device, **given)
        self._report.warn(*notices)


def _use(use: str) -> str:
    """What something is for, short enough that the names in it, which the project chose, hide nothing."""
    shown = printable_path(use)
    return shown if len(shown) <= _LONGEST_USE else f"{shown[: _LONGEST_USE - 1]}…"


def _named(words: list[str]) -> str:
    more = len(words) - _MOST_NAMED
    shown = words if more <= 0 else [*words[:_MOST_NAMED], f"{more} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else shown[0]
