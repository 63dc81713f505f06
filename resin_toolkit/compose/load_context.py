"""What is shared while a project is loaded: folder, variables, diagnostics and the files that were read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from resin_toolkit.compose.interpolation import Origins
from resin_toolkit.compose.nodes import Location
from resin_toolkit.compose.problems import Diagnostics
from resin_toolkit.errors import BadValue, from_os_error, os_reason
from resin_toolkit.project.access import ProjectAccess
from resin_toolkit.project.bounded_file import read_bounded


@dataclass
class LoadContext:
    """One load of a project."""

    folder: Path
    """The project folder; messages name files relative to it."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """The environment of this process over the variables of `.env`."""
    origins: Origins = field(default_factory=dict)
    """For each variable, those of this process that its value comes from."""
    access: ProjectAccess | None = None
    """What the project takes from this machine; None if nobody wants to know."""
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    files: list[Path] = field(default_factory=list)
    """All files that were read."""
    left: int = 1 << 23
    """Bytes that may still be read: a file may be named many times."""

    def shown(self, path: Path) -> str:
        """The path as messages show it."""
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else str(path)

    def _spend(self, content: bytes) -> None:
        self.left -= len(content)
        if self.left < 0:
            raise BadValue(
                "The files of the project are larger than 8 MiB together.",
                hint="Name fewer or smaller files in env_file and extends.",
            )

    def note(self, folder: Path, use: str) -> None:
        """Note a folder whose files may be sent."""
        if self.access is not None:
            self.access.note(folder, use)

    def take(self, names: Iterable[str], use: str) -> None:
        """Note variables whose values are sent."""
        if self.access is not None:
            for name in names:
                self.access.take(self.origins.get(name, ()), use)

    def text(self, path: Path, use: str, named_at: Location | None = None) -> str | None:
        """Read a file; return None after adding a problem if another file names it, at `named_at`.

        `use` says what it is for. Raises the error of reading a file that the user has named.
        """
        try:
            content = self.access.read(path, use) if self.access else read_bounded(path)
            self._spend(content)
            text = content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError:
            location = named_at or Location(self.shown(path), 1, path.parent)
            self.diagnostics.add(location, f"{self.shown(path)} is not UTF-8 text", "Save it as UTF-8.")
            return None
        except BadValue as error:
            if named_at is None:
                raise
            self.diagnostics.add(named_at, error.message.rstrip("."), error.hint)
            return None
        except OSError as error:
            if named_at is None:
                raise from_os_error(error, path) from error
            self.diagnostics.add(
                named_at,
                f"{self.shown(path)} cannot be read: {os_reason(error)}",
                "Check its name and folder.",
            )
            return None
        if path not in self.files:
            self.files.append(path)
        return text
