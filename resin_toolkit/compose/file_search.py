"""Find the compose files of a folder. Imports nothing else of this package: most projects have none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_BASES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OVERRIDES = (
    (
        "compose.override.yaml",
        "compose.override.yml",
        "docker-compose.override.yml",
        "docker-compose.override.yaml",
    ),
    ("docker-compose.dev.yml", "docker-compose.dev.yaml"),
)


def find_compose_files(folder: Path) -> list[Path]:
    """Return the compose file of a folder and its overrides, in the order in which they are merged."""
    base = _first(folder, _BASES)
    if base is None:
        return []
    return [base, *filter(None, (_first(folder, names) for names in _OVERRIDES))]


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
