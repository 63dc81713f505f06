"""What is remembered of a project between pushes, in the user's state directory, by the project's real path.

Nothing is kept in the project itself: what lies there may come from anybody.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from resin_toolkit.errors import Notice, os_reason
from resin_toolkit.state import add_entry, read_state, state_folder, update_state
from resin_toolkit.untrusted_json import number, object_of, texts_of

STATE = "projects.json"
_HASHES = "hashes"
_MOST_PROJECTS = 200


class ProjectState:
    """What is remembered of the project in a folder."""

    def __init__(self, project: Path) -> None:
        self.project = os.path.realpath(project)
        """Its real path."""

    @property
    def device(self) -> str:
        """The DEVICE of the last push; empty without one."""
        return _text(self._entry(), "device")

    @property
    def app(self) -> str:
        """The application's name on that device; empty without one."""
        return _text(self._entry(), "app")

    @property
    def built(self) -> tuple[str, ...]:
        """The IDs of intermediate images of its builds."""
        return texts_of(self._entry(), "built")

    @property
    def hashes(self) -> Path:
        """The folder for the hashes of its files, which may not exist yet."""
        return _hashes_of(self.project)

    def device_type_of(self, engine: str) -> str | None:
        """Return the device type of the device whose engine has this ID; None if it is unknown."""
        found = self._of_engine("board", engine)
        return found if isinstance(found, str) and found else None

    def link_rate_to(self, engine: str) -> float | None:
        """Return the bytes per second of the link to the engine with this ID; None if unknown."""
        found = self._of_engine("rate", engine)
        rate = number({"rate": found}, "rate")
        return float(rate) if rate > 0 else None

    def remember(
        self,
        *,
        device: str | None = None,
        app: str | None = None,
        built: Iterable[str] | None = None,
        device_type: tuple[str, str] | None = None,
        rate: tuple[str, float] | None = None,
    ) -> list[Notice]:
        """Store the given values. If they cannot be written, return a notice instead of raising."""
        given: dict[str, object] = {
            "device": device,
            "app": app,
            "built": None if built is None else list(built),
            "board": None if device_type is None else {"engine": device_type[0], "value": device_type[1]},
            "rate": None if rate is None else {"engine": rate[0], "value": round(rate[1])},
        }
        changes = {name: value for name, value in given.items() if value is not None}
        known = self._entry()
        if all(known.get(name) == value for name, value in changes.items()):
            return []
        try:
            with update_state(STATE) as projects:
                before = set(projects)
                entry = {**object_of(projects, self.project), **changes}
                add_entry(projects, self.project, entry, limit=_MOST_PROJECTS)
                forgotten = before - set(projects)
        except OSError as error:
            reason = os_reason(error)
            return [Notice("not-remembered", f"The device cannot be saved for the next push: {reason}.")]
        for project in forgotten:
            shutil.rmtree(_hashes_of(project), ignore_errors=True)
        return []

    def _entry(self) -> dict[str, Any]:
        return object_of(read_state(STATE), self.project)

    def _of_engine(self, name: str, engine: str) -> object:
        found = object_of(self._entry(), name)
        return found.get("value") if found.get("engine") == engine else None


def find_project_state(folder: Path) -> ProjectState | None:
    """Return the state of the nearest project that contains `folder` and was pushed; None without one."""
    known = read_state(STATE)
    start = Path(os.path.realpath(folder))
    for parent in (start, *start.parents):
        if _text(object_of(known, str(parent)), "device"):
            return ProjectState(parent)
    return None


def _hashes_of(project: str) -> Path:
    name = hashlib.sha256(os.fsencode(project)).hexdigest()[:32]
    return state_folder() / _HASHES / name


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""
