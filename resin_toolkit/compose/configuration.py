"""An application in plain values, to be shown before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path

from resin_toolkit.project.application import Application

_NAMES_ONLY = {"environment", "args"}
"""Variables may hold secrets, and what is shown ends up in logs."""
_LEFT_OUT = {"notices"}


def configuration_of(application: Application) -> Mapping[str, object]:
    """All that was read, without what is empty or the default; of variables the names alone."""
    shown = _plain(application)
    assert isinstance(shown, dict)
    return shown


def _plain(value: object) -> object:
    if is_dataclass(value):
        found = {}
        for field in fields(value):
            inner = getattr(value, field.name)
            if field.name not in _LEFT_OUT and inner not in (None, "", (), {}, False):
                found[field.name] = sorted(inner) if field.name in _NAMES_ONLY else _plain(inner)
        return found
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    return value
