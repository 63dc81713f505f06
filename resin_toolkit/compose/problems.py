"""What is wrong with a project's compose files, gathered so that one run tells all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from resin_toolkit.compose.nodes import Node, Place, dotted
from resin_toolkit.errors import ComposeInvalid, Notice

_SHOWN = 10


@dataclass(frozen=True)
class Problem:
    place: Place
    text: str
    """A sentence without its full stop."""
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.text}."


@dataclass
class Findings:
    """Problems, which end the run, and notices, which do not."""

    problems: list[Problem] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def add(self, place: Place, text: str, hint: str = "") -> None:
        problem = Problem(place, text, hint)
        if problem not in self.problems:
            self.problems.append(problem)

    def notice(self, code: str, message: str) -> None:
        notice = Notice(code, message)
        if notice not in self.notices:
            self.notices.append(notice)

    def end_if_any(self) -> None:
        """Raises ComposeInvalid with what was found so far, the first ten in the order of the file."""
        if not self.problems:
            return
        found = sorted(self.problems, key=lambda problem: (problem.place.shown, problem.place.line))
        if len(found) == 1:
            raise ComposeInvalid(str(found[0]), hint=found[0].hint, problems=tuple(found))
        lines = [f"{problem} {problem.hint}".rstrip() for problem in found[:_SHOWN]]
        if len(found) > _SHOWN:
            lines.append(f"{len(found) - _SHOWN} more are not shown.")
        raise ComposeInvalid("\n".join(lines), hint="Mend these lines.", problems=tuple(found))


@dataclass(frozen=True)
class Where:
    """A place in the tree of values, by its path, with the findings to tell what is wrong there."""

    findings: Findings
    path: tuple[str | int, ...] = ()

    def __truediv__(self, step: str | int) -> Where:
        return Where(self.findings, (*self.path, step))

    def __str__(self) -> str:
        return dotted(self.path)

    def bad(self, at: Node | Place, text: str, hint: str = "") -> None:
        """Tell that the value here `text`: `is no duration`."""
        self.findings.add(at if isinstance(at, Place) else at.place, f"{self} {text}", hint)


class Unusable(ValueError):
    """A text that cannot be read as what it should be; says why, to be told with its place."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint


@contextmanager
def told(where: Where, at: Node | Place) -> Iterator[None]:
    """Turn an Unusable into a problem of `where`; the rest of the block is left out."""
    try:
        yield
    except Unusable as error:
        where.bad(at, error.why, error.hint)
