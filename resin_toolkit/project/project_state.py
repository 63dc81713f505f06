"""What a project remembers between pushes, in a folder of its own that git leaves out: `.resin`.

`device` holds the DEVICE word it was last pushed to, `app` the application's name there, `built` the IDs of
the images that its builds have made on the way, a line each, `board` and `rate` the ID of an engine with its
board, and with the bytes a second that the link to it carried.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from resin_toolkit.errors import Notice

FOLDER = ".resin"
_IGNORE = "# What resin remembers of this project on this workstation.\n*\n"


class ProjectState:
    """The memory of the project in a folder; nothing is written before something is remembered."""

    def __init__(self, project: Path) -> None:
        self.folder = project / FOLDER

    @property
    def device(self) -> str:
        """The DEVICE word of the last push; empty for none."""
        return self._read("device").strip()

    @property
    def app(self) -> str:
        """The application's name on that device; empty for none."""
        return self._read("app").strip()

    @property
    def built(self) -> tuple[str, ...]:
        """IDs of images that builds have made on the way."""
        return tuple(self._read("built").split())

    def board_of(self, engine: str) -> str | None:
        """The board of the device whose engine has that ID; None where it is not known."""
        known, _, slug = self._read("board").strip().partition(" ")
        return slug if slug and known == engine else None

    def link_rate_to(self, engine: str) -> float | None:
        """Bytes a second that the link to that engine carried; None where that is not known."""
        known, _, rate = self._read("rate").strip().partition(" ")
        return float(rate) if known == engine and rate.isdecimal() else None

    def remember(
        self,
        *,
        device: str | None = None,
        app: str | None = None,
        built: Iterable[str] | None = None,
        kind: tuple[str, str] | None = None,
        rate: tuple[str, float] | None = None,
    ) -> list[Notice]:
        """Keep what is given. A folder that cannot be written is no failure: it comes back as a notice."""
        given = {
            "device": None if device is None else f"{device}\n",
            "app": None if app is None else f"{app}\n",
            "board": None if kind is None else f"{kind[0]} {kind[1]}\n",
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
            return [Notice("not-remembered", f"The project does not remember its device: {reason}.")]
        return []

    def _read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _write(self, name: str, text: str) -> None:
        """In one step: a reader sees the old text or the new one."""
        partial = self.folder / f".{name}.{os.getpid()}"
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(self.folder / name)
        finally:
            partial.unlink(missing_ok=True)


def find_project_state(folder: Path) -> ProjectState | None:
    """The memory of the project that `folder` lies in, the nearest one; None for none."""
    for place in (folder, *folder.parents):
        if (place / FOLDER / "device").is_file():
            return ProjectState(place)
    return None
