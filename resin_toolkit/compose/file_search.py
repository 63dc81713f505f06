"""Which files of a folder are compose files: light to load, for most projects have none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_BASES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OVERLAYS = (
    (
        "compose.override.yaml",
        "compose.override.yml",
        "docker-compose.override.yml",
        "docker-compose.override.yaml",
    ),
    ("docker-compose.dev.yml", "docker-compose.dev.yaml"),
)


def find_compose_files(folder: Path) -> list[Path]:
    """The compose files of a folder, each to be laid over those before it; none without a first one."""
    base = _first(folder, _BASES)
    if base is None:
        return []
    return [base, *filter(None, (_first(folder, names) for names in _OVERLAYS))]


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
