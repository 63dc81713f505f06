"""All input and output of a run: results, JSON, warnings, progress and prompts.

Results go to stdout, everything else to stderr, so that `resin … > file` and `resin … | jq` work.
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
    """What a command returns."""

    def data(self) -> Mapping[str, object]:
        """The `data` of the JSON envelope."""

    def text(self, screen: Screen) -> str:
        """The same as text; an empty text prints nothing."""


@dataclass(frozen=True)
class Settings:
    """The options that every command takes."""

    json: bool = False
    quiet: bool = False
    debug: bool = False
    no_input: bool = False
    yes: bool = False


class Report:
    """The input and output of one run. `settings` is replaced once the command line is parsed."""

    def __init__(self, settings: Settings | None = None, *, stdin: IO[str] | None = None) -> None:
        self.settings = settings or Settings()
        self.command: str | None = None
        self.streams = False
        self.if_interrupted = Interrupted("Interrupted.")
        """The error that Ctrl-C ends the run with; commands say here how things are left."""
        self._stdin = stdin if stdin is not None else sys.stdin
        self._notices: list[Notice] = []
        self._event_failure: OSError | None = None
        self.asked = False
        """Whether the user was prompted for a value."""

    # output

    @property
    def interactive(self) -> bool:
        """Whether prompts are possible: stdin is a terminal, and neither --json nor --no-input is given."""
        settings = self.settings
        return not (settings.no_input or settings.json) and self._stdin is not None and self._stdin.isatty()

    def say(self, text: str) -> None:
        """Print a line on stderr, unless --quiet or --json is given."""
        if not (self.settings.quiet or self.settings.json):
            self._error_line(text)

    def before_error(self, lines: Sequence[str]) -> None:
        """Print lines on stderr that explain the error to follow; with --json an event does."""
        for line in lines:
            if not self.settings.json:
                self._error_line(line)

    def warn(self, *notices: Notice) -> None:
        """Print warnings on stderr; with --json, list them in the envelope's data instead."""
        for notice in notices:
            if notice in self._notices:
                continue
            self._notices.append(notice)
            if not self.settings.json:
                self._error_line(f"warning: {notice.message}")

    def event(self, name: str, **fields: object) -> None:
        """Print one JSON object on a line, if --json is given and the command streams."""
        if not (self.settings.json and self.streams):
            return
        try:
            sys.stdout.write(_dump({"event": name, **fields}) + "\n")
            sys.stdout.flush()
        except OSError as error:
            # The reader is gone, which must not interrupt a flash.
            discard(sys.stdout)
            self._event_failure = None if isinstance(error, BrokenPipeError) else error

    def result(self, command: str, result: Result | None) -> None:
        """Print the result of a command. Raises if it, or an earlier event, could not be written."""
        if self._event_failure is not None:
            self.settings = replace(self.settings, json=False)
            raise from_os_error(self._event_failure, "stdout") from self._event_failure
        if self.settings.json:
            self._out(_dump(_envelope(command, data=self._data(result))))
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
        """Print a line of a result that is shown as it arrives; with --json there are events instead."""
        if not self.settings.json:
            self._out(clean(text))

    def heading(self, title: str, command: str) -> None:
        """Print the title of a step of a demonstration, and the command that it runs."""
        self._out(f"\n# {clean(title)}\n$ {clean(command)}")

    def raw(self, data: bytes) -> None:
        """Write bytes to stdout, unchanged."""
        with self._stdout():
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def failure(self, command: str | None, error: ResinError) -> None:
        """Print an error, as text or JSON, and the partial result if there is one."""
        partial: Any = error.partial
        if self.settings.json:
            data = self._data(partial) if partial is not None else None
            self._out(_dump(_envelope(command, data=data, error=error)))
            return
        if partial is not None:
            self._out(partial.text(screen()))
        self._error_line(f"error: {error.message}")
        if error.hint:
            self._error_line(f"hint: {error.hint}")

    def live(self) -> LiveText | None:
        """Return an area of stdout that is redrawn in place; None if stdout is no terminal."""
        from resin_toolkit.terminal.live_text import LiveText

        can_redraw = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not self.settings.json
        return LiveText(sys.stdout) if can_redraw else None

    # prompts

    def ask(self, question: str, *, default: str = "", check: Callable[[str], object] | None = None) -> str:
        """Prompt for a line, again while `check` raises BadValue. Requires `interactive`."""
        self.asked = True
        while True:
            suffix = f" [{default}]" if default else ""
            answer = self._line(f"{question}{suffix}: ") or default
            if self._accepted(answer, check):
                return answer

    def ask_secret(self, question: str, *, check: Callable[[str], object] | None = None) -> str:
        """Like `ask`, without echo."""
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
        """Let the user pick one of `choices`, pairs of a value and its text, by number. There is no default.

        Until something is typed, `choices` is called again each second and the list redrawn if it changed;
        the number refers to the list shown last.
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
            self._error_line("  None found yet. Plug one in.")

    @staticmethod
    def _prompt(question: str, choices: Sequence[object]) -> None:
        numbers = f" [1-{len(choices)}]" if choices else ""
        colon = "" if question.endswith("?") else ":"
        sys.stderr.write(clean(f"{question}{numbers}{colon} "))
        sys.stderr.flush()

    def _typed_within(self, seconds: float) -> bool:
        """Wait for a line to read."""
        import select

        ready, _, _ = select.select([self._stdin], [], [], seconds)
        return bool(ready)

    def confirm(self, question: str) -> None:
        """Return if the user confirms (or --yes is given), else raise Declined."""
        if self.settings.yes:
            return
        if not self.interactive:
            raise Declined(f"Confirmation is required: {question}", hint="Use --yes to confirm.")
        if self._line(f"{question} [y/N] ").lower() not in ("y", "yes"):
            raise Declined("Declined; nothing was changed.", hint="Answer y to continue.")

    def ask_trust(self, lines: Sequence[str], question: str) -> None:
        """Print `lines`, and return if the user agrees, else raise Declined. --yes does not agree."""
        for line in lines:
            self._error_line(line)
        if not self.agrees(question):
            raise Declined("Declined; nothing was sent.", hint="Answer y to continue.")

    def agrees(self, question: str) -> bool:
        """Whether the user answers yes; --yes does not answer. Requires `interactive`."""
        return self._line(f"{question} [y/N] ").lower() in ("y", "yes")

    # progress

    def progress(self) -> Progress:
        """Return the progress display: a bar on a terminal, else lines; with --json, events."""
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
        """Convert errors of stdout, such as a full disk, to be reported as text; not BrokenPipeError."""
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            # Python would try to write the rest again at exit.
            discard(sys.stdout)
            self.settings = replace(self.settings, json=False)
            raise from_os_error(error, "stdout") from error

    @staticmethod
    def _error_line(text: str) -> None:
        """Print a line on stderr; if that fails, the work goes on without output."""
        try:
            sys.stderr.write(clean(text) + "\n")
            sys.stderr.flush()
        except OSError:
            discard(sys.stderr)


def _envelope(
    command: str | None, *, data: Mapping[str, object] | None = None, error: ResinError | None = None
) -> dict[str, object]:
    problem = None
    if error is not None:
        problem = {"code": error.code, "message": clean(error.message), "hint": clean(error.hint)}
    return {"schema": SCHEMA, "command": command, "ok": error is None, "data": data, "error": problem}


def _dump(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=True, default=str)


def _no_answer(question: str) -> Declined:
    return Declined(
        f"stdin ended before an answer to: {question.strip()}",
        hint="Pass the value as an option, or run the command in a terminal.",
    )
