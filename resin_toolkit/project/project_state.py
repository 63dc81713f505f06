"""The state that a project keeps between pushes, in the folder `.resin`, which git ignores.

Its files: `device`, the DEVICE of the last push; `app`, the application's name; `built`, the IDs of
intermediate images of its builds, one per line; `board`, the ID of an engine and the slug of its device type;
`rate`, the ID of an engine and the bytes per second of the link to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from resin_toolkit.errors import Notice

FOLDER = ".resin"
_IGNORE = "# The state of resin for this project on this machine.\n*\n"


class ProjectState:
    """The state of the project in a folder."""

    def __init__(self, project: Path) -> None:
        self.folder = project / FOLDER

    @property
    def device(self) -> str:
        """The DEVICE of the last push; empty without one."""
        return self._read("device").strip()

    @property
    def app(self) -> str:
        """The application's name on that device; empty without one."""
        return self._read("app").strip()

    @property
    def built(self) -> tuple[str, ...]:
        """The IDs of intermediate images of its builds."""
        return tuple(self._read("built").split())

    def device_type_of(self, engine: str) -> str | None:
        """Return the device type of the device whose engine has this ID; None if it is unknown."""
        known, _, slug = self._read("board").strip().partition(" ")
        return slug if slug and known == engine else None

    def link_rate_to(self, engine: str) -> float | None:
        """Return the bytes per second of the link to the engine with this ID; None if unknown."""
        known, _, rate = self._read("rate").strip().partition(" ")
        return float(rate) if known == engine and rate.isdecimal() else None

    def remember(
        self,
        *,
        device: str | None = None,
        app: str | None = None,
        built: Iterable[str] | None = None,
        device_type: tuple[str, str] | None = None,
        rate: tuple[str, float] | None = None,
    ) -> list[Notice]:
        """Store the given values. If the folder cannot be written, return a notice instead of raising."""
        given = {
            "device": None if device is None else f"{device}\n",
            "app": None if app is None else f"{app}\n",
            "board": None if device_type is None else f"{device_type[0]} {device_type[1]}\n",
            "rate": None if rate is None else f"{rate[0]} {rate[1]:.0f}\n",
            "built": None if built is None else "".join(f"{each}\n" for each in built),
        }
        try:
            self.folder.mkdir(exist_ok=True)
            self._write(".gitignore", _IGNORE)
            for name, text in given.items():
                if text is not None and text != self._read(name):
                    self._write(name, text)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            return [Notice("not-remembered", f"The device cannot be saved for the next push: {reason}.")]
        return []

    def _read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _write(self, name: str, text: str) -> None:
        """Replace a file atomically."""
        partial = self.folder / f".{name}.{os.getpid()}"
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(self.folder / name)
        finally:
            partial.unlink(missing_ok=True)


def find_project_state(folder: Path) -> ProjectState | None:
    """Return the state of the nearest project that contains `folder`; None without one."""
    for parent in (folder, *folder.parents):
        if (parent / FOLDER / "device").is_file():
            return ProjectState(parent)
    return None
