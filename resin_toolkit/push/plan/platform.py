"""What kind of device is pushed to: its board and its architecture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from resin_toolkit.device.types import device_type, os_architecture
from resin_toolkit.engine import Engine
from resin_toolkit.errors import BadValue


@dataclass(frozen=True)
class Platform:
    """`machines` are the names that its board goes by, its own first; none where only the engine is known."""

    machines: tuple[str, ...]
    arch: str
    """As the OS says it: armv7hf."""

    @property
    def machine(self) -> str:
        return self.machines[0] if self.machines else ""


def detect_platform(engine: Engine, named: str, ask: Callable[[], str]) -> Platform:
    """The kind that is `named`, else what `ask` finds the board to be, else by the engine's architecture.

    Raises BadValue for a name that no board has.
    """
    arch = os_architecture(engine.facts.architecture)
    if named:
        known = device_type(named)
        return Platform((known.slug, *known.aliases), known.arch)
    slug = ask()
    if not slug:
        return Platform((), arch)
    try:
        known = device_type(slug)
    except BadValue:
        # A board that is newer than the table, or somebody's own.
        return Platform((slug,), arch)
    return Platform(tuple(dict.fromkeys((slug, known.slug, *known.aliases))), known.arch)
