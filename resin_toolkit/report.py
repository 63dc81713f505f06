"""The one place that talks to the user: text, JSON, warnings, progress, questions.

Results go to stdout and everything else to stderr, so that `resin … > file` and `resin … | jq` work.
"""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import IO, Any, Protocol, Self, TypeVar

from resin_toolkit.errors import BadValue, Declined, Interrupted, Notice, ResinError, from_os_error
from resin_toolkit.progress import Progress, Silent, Step

C = TypeVar("C")

SCHEMA = 1
SECONDS_BETWEEN_LINES = 10.0

_CONTROLS = {code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in (0x09, 0x0A)}


def clean(text: str) -> str:
    """`text` with control characters replaced, so that no name from outside moves the cursor."""
    return text.translate(_CONTROLS)


@dataclass(frozen=True)
class Screen:
    """What stdout can show."""

    width: int
    is_terminal: bool
    colour: bool
    unicode: bool = True
    """Whether it takes characters outside ASCII."""


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
        if self.settings.json:
            return _EventProgress(self) if self.streams else Silent()
        if self.settings.quiet:
            return Silent()
        return _BarProgress() if sys.stderr.isatty() else _LineProgress(self)

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


def screen() -> Screen:
    """What stdout can show right now."""
    import shutil

    is_terminal = sys.stdout.isatty()
    colour = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    return Screen(shutil.get_terminal_size((80, 24)).columns, is_terminal, colour, unicode)


def discard(stream: IO[str]) -> None:
    """Let what is still to be written to stdout or stderr vanish."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def table(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> str:
    """Aligned columns, two spaces between them; the columns in `right` are aligned to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def human_size(count: int) -> str:
    """A number of bytes in binary units, three digits: 40.0 MiB."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{count} B" if unit == "B" else f"{value:.{max(0, 3 - len(str(int(value))))}f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


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


class _Step(ABC):
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(finished=kind is None)

    @abstractmethod
    def close(self, *, finished: bool) -> None:
        """The step is over; `finished` unless an error ended it."""


class _BarStep(_Step):
    def __init__(self, name: str, total: int | None) -> None:
        from tqdm import tqdm

        self._bar: Any = tqdm(
            total=total,
            desc=name,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            file=sys.stderr,
            dynamic_ncols=True,
            miniters=1,
        )

    def advance(self, amount: int) -> None:
        try:
            self._bar.update(amount)
        except OSError:
            discard(sys.stderr)

    def close(self, *, finished: bool) -> None:  # noqa: ARG002
        try:
            self._bar.close()
        except OSError:
            discard(sys.stderr)


def _titled(name: str, subject: str) -> str:
    return f"{subject}: {name}" if subject else name


class _BarProgress:
    def step(self, name: str, total: int | None, *, subject: str = "") -> Step:
        return _BarStep(_titled(name, subject), total)


class _TimedStep(_Step):
    """Counts, and calls `tell` at most once in `SECONDS_BETWEEN_LINES`."""

    def __init__(self, total: int | None, tell: Callable[[int, float], None]) -> None:
        self.total = total
        self._tell = tell
        self._done = 0
        self._started = self._told = time.monotonic()

    def advance(self, amount: int) -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._told >= SECONDS_BETWEEN_LINES:
            self._told = now
            self._tell(self._done, now - self._started)

    def close(self, *, finished: bool) -> None:
        if finished:
            self._tell(self._done, time.monotonic() - self._started)


class _LineProgress:
    def __init__(self, report: Report) -> None:
        self._report = report

    def step(self, name: str, total: int | None, *, subject: str = "") -> Step:
        title = _titled(name, subject)

        def tell(done: int, seconds: float) -> None:
            rate = f", {human_size(int(done / seconds))}/s" if seconds > 0.1 else ""
            share = f" of {human_size(total)} ({100 * done // total}%)" if total else ""
            self._report.say(f"{title}: {human_size(done)}{share}{rate}")

        return _TimedStep(total, tell)


class _EventProgress:
    def __init__(self, report: Report) -> None:
        self._report = report

    def step(self, name: str, total: int | None, *, subject: str = "") -> Step:
        about = {"target": subject} if subject else {}

        def tell(done: int, seconds: float) -> None:
            times = {"seconds": round(seconds, 3)}
            self._report.event("progress", step=name, **about, bytes=done, total=total, **times)

        return _TimedStep(total, tell)
