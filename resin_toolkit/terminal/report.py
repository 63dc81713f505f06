"""The one place that talks to the user: text, JSON, warnings, progress, questions.

Results go to stdout and everything else to stderr, so that `resin … > file` and `resin … | jq` work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

from resin_toolkit.errors import BadValue, Declined, Interrupted, Notice, ResinError, from_os_error
from resin_toolkit.progress import Progress, SilentProgress
from resin_toolkit.terminal.screen import Screen, clean, discard, screen

if TYPE_CHECKING:
    from resin_toolkit.terminal.live_text import LiveText

C = TypeVar("C")

SCHEMA = 1


class Result(Protocol):
    """What a verb returns."""

    def data(self) -> Mapping[str, object]:
        """The `data` of the JSON envelope."""

    def text(self, screen: Screen) -> str:
        """The same for a person; an empty text prints nothing."""


@dataclass(frozen=True)
class Settings:
    """The options that every verb takes."""

    json: bool = False
    quiet: bool = False
    debug: bool = False
    no_input: bool = False
    yes: bool = False


class Report:
    """One run's conversation with its user. `settings` is replaced once the command line is parsed."""

    def __init__(self, settings: Settings | None = None, *, stdin: IO[str] | None = None) -> None:
        self.settings = settings or Settings()
        self.verb: str | None = None
        self.streams = False
        self.if_interrupted = Interrupted("Interrupted.")
        """What Ctrl-C ends the run with; verbs say here what state it would leave things in."""
        self._stdin = stdin if stdin is not None else sys.stdin
        self._notices: list[Notice] = []
        self._unheard: OSError | None = None
        self.asked = False
        """Whether the user was asked for a value."""

    # what is said

    @property
    def interactive(self) -> bool:
        """Whether questions may be asked."""
        settings = self.settings
        return not (settings.no_input or settings.json) and self._stdin is not None and self._stdin.isatty()

    def say(self, text: str) -> None:
        """A remark on stderr; silenced by --quiet and --json."""
        if not (self.settings.quiet or self.settings.json):
            self._error_line(text)

    def before_error(self, lines: Sequence[str]) -> None:
        """What explains the error that follows, on stderr; with --json it is told by an event."""
        for line in lines:
            if not self.settings.json:
                self._error_line(line)

    def warn(self, *notices: Notice) -> None:
        """Warnings on stderr; with --json they are also in the envelope's data."""
        for notice in notices:
            if notice in self._notices:
                continue
            self._notices.append(notice)
            if not self.settings.json:
                self._error_line(f"warning: {notice.message}")

    def event(self, name: str, **fields: object) -> None:
        """One JSON object on a line of its own, for verbs that stream; nothing without --json."""
        if not (self.settings.json and self.streams):
            return
        try:
            sys.stdout.write(_dump({"event": name, **fields}) + "\n")
            sys.stdout.flush()
        except OSError as error:
            # Whoever listened has gone: that must not end a flash half-way.
            discard(sys.stdout)
            self._unheard = None if isinstance(error, BrokenPipeError) else error

    def result(self, verb: str, result: Result | None) -> None:
        """Print what a verb returned; raises where that, or an event before it, could not be written."""
        if self._unheard is not None:
            self.settings = replace(self.settings, json=False)
            raise from_os_error(self._unheard, "stdout") from self._unheard
        if self.settings.json:
            self._out(_dump(_envelope(verb, data=self._data(result))))
        elif result is not None:
            text = result.text(screen())
            if text:
                self._out(text)

    def _data(self, result: Result | None) -> dict[str, object]:
        data = dict(result.data()) if result is not None else {}
        if self._notices:
            data["warnings"] = [{"code": n.code, "message": n.message} for n in self._notices]
        return data

    def line(self, text: str) -> None:
        """A line of a result that comes bit by bit; with --json there are events instead."""
        if not self.settings.json:
            self._out(clean(text))

    def heading(self, title: str, command: str) -> None:
        """A step of a demonstration: what it shows, and the command that follows."""
        self._out(f"\n# {clean(title)}\n$ {clean(command)}")

    def raw(self, data: bytes) -> None:
        """Bytes of a result on stdout, as they are."""
        with self._stdout():
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def failure(self, verb: str | None, error: ResinError) -> None:
        """Print a failure, in the form the user asked for, and what was done all the same."""
        partial: Any = error.partial
        if self.settings.json:
            data = self._data(partial) if partial is not None else None
            self._out(_dump(_envelope(verb, data=data, error=error)))
            return
        if partial is not None:
            self._out(partial.text(screen()))
        self._error_line(f"error: {error.message}")
        if error.hint:
            self._error_line(f"hint: {error.hint}")

    def live(self) -> LiveText | None:
        """A result on stdout that is written anew in its place as more is known; None off a terminal."""
        from resin_toolkit.terminal.live_text import LiveText

        takes_it = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not self.settings.json
        return LiveText(sys.stdout) if takes_it else None

    # what is asked

    def ask(self, question: str, *, default: str = "", check: Callable[[str], object] | None = None) -> str:
        """A line typed by the user; asked again while `check` raises BadValue. Needs `interactive`."""
        self.asked = True
        while True:
            suffix = f" [{default}]" if default else ""
            answer = self._line(f"{question}{suffix}: ") or default
            if self._accepted(answer, check):
                return answer

    def ask_secret(self, question: str, *, check: Callable[[str], object] | None = None) -> str:
        """Like `ask`, typed without echo."""
        from getpass import getpass

        self.asked = True
        while True:
            try:
                answer = getpass(f"{question}: ", stream=sys.stderr)
            except EOFError:
                raise _no_answer(question) from None
            except KeyboardInterrupt:
                sys.stderr.write("\n")
                raise
            if self._accepted(answer, check):
                return answer

    def choose(self, question: str, choices: Callable[[], Sequence[tuple[C, str]]]) -> C:
        """The one of `choices` that the user picks by its number; nothing is preselected.

        While nothing is typed, `choices` is asked again each second, and the list shown anew where it has
        changed: the number that is typed counts for the list that was shown last.
        """
        shown = list(choices())
        self._list(shown)
        self._prompt(question, shown)
        try:
            return self._chosen(question, shown, choices)
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            raise

    def _chosen(
        self, question: str, shown: list[tuple[C, str]], choices: Callable[[], Sequence[tuple[C, str]]]
    ) -> C:
        while True:
            if not self._typed_within(1.0):
                found = list(choices())
                if [text for _, text in found] != [text for _, text in shown]:
                    shown = found
                    self._error_line("")
                    self._list(shown)
                    self._prompt(question, shown)
                continue
            answer = self._stdin.readline()
            if not answer:
                raise _no_answer(question)
            number = answer.strip()
            if number.isdecimal() and 1 <= int(number) <= len(shown):
                return shown[int(number) - 1][0]
            self._prompt(question, shown)

    def _list(self, choices: Sequence[tuple[object, str]]) -> None:
        for number, (_, text) in enumerate(choices, start=1):
            self._error_line(f"  {number}  {text}")
        if not choices:
            self._error_line("  Nothing is there yet: plug it in.")

    @staticmethod
    def _prompt(question: str, choices: Sequence[object]) -> None:
        numbers = f" [1-{len(choices)}]" if choices else ""
        sys.stderr.write(clean(f"{question}{numbers}: "))
        sys.stderr.flush()

    def _typed_within(self, seconds: float) -> bool:
        """Whether a line is there to be read."""
        import select

        ready, _, _ = select.select([self._stdin], [], [], seconds)
        return bool(ready)

    def confirm(self, question: str) -> None:
        """Return if the user agrees (or --yes was given), else raise Declined."""
        if self.settings.yes:
            return
        if not self.interactive:
            raise Declined(f"Nobody could be asked: {question}", hint="Say --yes to agree beforehand.")
        if self._line(f"{question} [y/N] ").lower() not in ("y", "yes"):
            raise Declined("Declined; nothing was changed.", hint="Answer y to go on.")

    # how far it is

    def progress(self) -> Progress:
        """Where long work reports to: a bar on a terminal, a line now and then elsewhere, or events."""
        from resin_toolkit.terminal.progress_display import BarProgress, EventProgress, LineProgress

        if self.settings.json:
            return EventProgress(self) if self.streams else SilentProgress()
        if self.settings.quiet:
            return SilentProgress()
        return BarProgress() if sys.stderr.isatty() else LineProgress(self)

    def _accepted(self, answer: str, check: Callable[[str], object] | None) -> bool:
        if check is None:
            return True
        try:
            check(answer)
        except BadValue as error:
            self._error_line(f"{error.message} {error.hint}".rstrip())
            return False
        return True

    def _line(self, question: str) -> str:
        sys.stderr.write(clean(question))
        sys.stderr.flush()
        try:
            answer = self._stdin.readline()
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            raise
        if not answer:
            sys.stderr.write("\n")
            raise _no_answer(question)
        return answer.strip()

    def _out(self, text: str) -> None:
        with self._stdout():
            sys.stdout.write(text if text.endswith("\n") else text + "\n")
            sys.stdout.flush()

    @contextmanager
    def _stdout(self) -> Iterator[None]:
        """A full disk behind stdout is told as such, in text; a closed pipe goes its own way."""
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            # What could not be written must not be tried again as the process ends.
            discard(sys.stdout)
            self.settings = replace(self.settings, json=False)
            raise from_os_error(error, "stdout") from error

    @staticmethod
    def _error_line(text: str) -> None:
        """A line on stderr, as long as somebody takes it: what is said must not end what is done."""
        try:
            sys.stderr.write(clean(text) + "\n")
            sys.stderr.flush()
        except OSError:
            discard(sys.stderr)


def _envelope(
    verb: str | None, *, data: Mapping[str, object] | None = None, error: ResinError | None = None
) -> dict[str, object]:
    problem = None
    if error is not None:
        problem = {"code": error.code, "message": clean(error.message), "hint": clean(error.hint)}
    return {"schema": SCHEMA, "command": verb, "ok": error is None, "data": data, "error": problem}


def _dump(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=True, default=str)


def _no_answer(question: str) -> Declined:
    return Declined(
        f"The input ended before an answer to: {question.strip()}",
        hint="Give the value as an option, or run it on a terminal.",
    )
