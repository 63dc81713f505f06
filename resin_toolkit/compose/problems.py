"""What is wrong with a project's compose files, gathered so that one run tells all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from resin_toolkit.compose.nodes import Location, Node, format_path
from resin_toolkit.errors import ComposeInvalid, Notice

_SHOWN = 10


@dataclass(frozen=True)
class Problem:
    location: Location
    text: str
    """A sentence without its full stop."""
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.location}: {self.text}."


@dataclass
class Diagnostics:
    """Problems, which end the run, and notices, which do not."""

    problems: list[Problem] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def add(self, location: Location, text: str, hint: str = "") -> None:
        problem = Problem(location, text, hint)
        if problem not in self.problems:
            self.problems.append(problem)

    def notice(self, code: str, message: str) -> None:
        notice = Notice(code, message)
        if notice not in self.notices:
            self.notices.append(notice)

    def raise_if_any(self) -> None:
        """Raises ComposeInvalid with what was found so far, the first ten in the order of the file."""
        if not self.problems:
            return
        found = sorted(self.problems, key=lambda problem: (problem.location.shown, problem.location.line))
        if len(found) == 1:
            raise ComposeInvalid(str(found[0]), hint=found[0].hint, problems=tuple(found))
        lines = [f"{problem} {problem.hint}".rstrip() for problem in found[:_SHOWN]]
        if len(found) > _SHOWN:
            lines.append(f"{len(found) - _SHOWN} more are not shown.")
        raise ComposeInvalid("\n".join(lines), hint="Fix these lines.", problems=tuple(found))


@dataclass(frozen=True)
class ValuePath:
    """A place in the tree of values, by its path, with the diagnostics to tell what is wrong there."""

    diagnostics: Diagnostics
    path: tuple[str | int, ...] = ()

    def __truediv__(self, step: str | int) -> ValuePath:
        return ValuePath(self.diagnostics, (*self.path, step))

    def __str__(self) -> str:
        return format_path(self.path)

    def add_problem(self, at: Node | Location, text: str, hint: str = "") -> None:
        """Tell that the value here `text`: `is not a valid duration`."""
        self.diagnostics.add(at if isinstance(at, Location) else at.location, f"{self} {text}", hint)


class InvalidValue(ValueError):
    """A text that cannot be read as what it should be; says why, to be told with its location."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


@contextmanager
def collecting_problems(path: ValuePath, at: Node | Location) -> Iterator[None]:
    """Turn an InvalidValue into a problem of `path`; the rest of the block is left out."""
    try:
        yield
    except InvalidValue as error:
        path.add_problem(at, error.reason, error.hint)
