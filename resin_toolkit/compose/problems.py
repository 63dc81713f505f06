"""Problems in compose files, collected so that one run reports all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from resin_toolkit.compose.nodes import Location, Node, format_path
from resin_toolkit.errors import ComposeInvalid, Notice

_MAX_SHOWN = 10


@dataclass(frozen=True)
class Problem:
    """Something that is wrong at a location."""

    location: Location
    text: str
    """A sentence without the period."""
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.location}: {self.text}."


@dataclass
class Diagnostics:
    """Problems, which end the run, and notices, which do not; each is stored once."""

    problems: list[Problem] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    _known: set[Problem] = field(default_factory=set, init=False, repr=False, compare=False)

    def add(self, location: Location, text: str, hint: str = "") -> None:
        problem = Problem(location, text, hint)
        if problem not in self._known:
            self._known.add(problem)
            self.problems.append(problem)

    def notice(self, code: str, message: str) -> None:
        notice = Notice(code, message)
        if notice not in self.notices:
            self.notices.append(notice)

    def raise_if_any(self) -> None:
        """Raise ComposeInvalid if there are problems, with the first ten in the order of the files."""
        if not self.problems:
            return
        found = sorted(self.problems, key=lambda problem: (problem.location.shown, problem.location.line))
        if len(found) == 1:
            raise ComposeInvalid(str(found[0]), hint=found[0].hint, problems=tuple(found))
        lines = [f"{problem} {problem.hint}".rstrip() for problem in found[:_MAX_SHOWN]]
        if len(found) > _MAX_SHOWN:
            lines.append(f"{len(found) - _MAX_SHOWN} more are not shown.")
        raise ComposeInvalid("\n".join(lines), hint="Fix these lines.", problems=tuple(found))


@dataclass(frozen=True)
class ValuePath:
    """A path in the tree of values, and the diagnostics that collect its problems."""

    diagnostics: Diagnostics
    path: tuple[str | int, ...] = ()

    def __truediv__(self, step: str | int) -> ValuePath:
        return ValuePath(self.diagnostics, (*self.path, step))

    def __str__(self) -> str:
        return format_path(self.path)

    def add_problem(self, at: Node | Location, text: str, hint: str = "") -> None:
        """Add a problem of the value at this path; `text` is the predicate: `is not a valid duration`."""
        self.diagnostics.add(at if isinstance(at, Location) else at.location, f"{self} {text}", hint)


class InvalidValue(ValueError):
    """A value that cannot be parsed; `reason` is a predicate, which is reported with the location."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


@contextmanager
def collecting_problems(path: ValuePath, at: Node | Location) -> Iterator[None]:
    """Turn an InvalidValue that the block raises into a problem of `path`."""
    try:
        yield
    except InvalidValue as error:
        path.add_problem(at, error.reason, error.hint)
