"""The tree of values of a compose file, each with its file and line.

Values are immutable: merging and interpolation create new ones that keep the location, so that every later
problem is reported with the file and line where the value was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

PlainValue: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True)
class Location:
    """The place where a value is written."""

    shown: str
    """The file as messages show it."""
    line: int
    base: Path
    """The folder that relative paths in the file refer to."""

    def __str__(self) -> str:
        return f"{self.shown}:{self.line}"


@dataclass(frozen=True)
class Scalar:
    """A single value."""

    value: PlainValue
    location: Location
    tag: str = ""
    taken: frozenset[str] = field(default=frozenset(), compare=False)
    """The variables of this process that its value contains."""

    @property
    def text(self) -> str:
        """The value as compose converts it to a string: `true`, `1.5`; empty for null."""
        if self.value is None:
            return ""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if isinstance(self.value, float) and self.value.is_integer() and abs(self.value) < 1e15:
            return str(int(self.value))
        return str(self.value)


@dataclass(frozen=True)
class List:
    """A sequence."""

    items: tuple[Node, ...]
    location: Location
    tag: str = ""


@dataclass(frozen=True)
class Map:
    """A mapping, in the order of the file."""

    entries: Mapping[str, Node]
    location: Location
    keys: Mapping[str, Location] = field(default_factory=dict)
    """The location of each key; its value may begin on a later line, or come from an anchor."""
    tag: str = ""

    def get(self, key: str) -> Node | None:
        return self.entries.get(key)

    def key_location(self, key: str) -> Location:
        return self.keys.get(key, self.location)

    def items(self) -> Iterator[tuple[str, Node]]:
        """All entries except extensions, whose keys begin with `x-`."""
        return ((key, node) for key, node in self.entries.items() if not key.startswith("x-"))


Node: TypeAlias = Scalar | List | Map


def to_plain(node: Node) -> object:
    """Return the value without locations, as dict, list and scalars."""
    if isinstance(node, Map):
        return {key: to_plain(value) for key, value in node.entries.items()}
    if isinstance(node, List):
        return [to_plain(item) for item in node.items]
    return node.value


def format_path(path: tuple[str | int, ...]) -> str:
    """Format a path: `services.web.ports[0]`."""
    words = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return words.removeprefix(".")
