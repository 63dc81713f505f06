"""What is shared while a project is loaded: folder, variables, diagnostics and the files that were read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from resin_toolkit.compose.nodes import Location
from resin_toolkit.compose.problems import Diagnostics
from resin_toolkit.errors import from_os_error


@dataclass
class LoadContext:
    """One load of a project."""

    folder: Path
    """The project folder; messages name files relative to it."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """The environment of this process over the variables of `.env`."""
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    files: list[Path] = field(default_factory=list)
    """All files that were read."""

    def shown(self, path: Path) -> str:
        """The path as messages show it."""
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else str(path)

    def text(self, path: Path, named_at: Location | None = None) -> str | None:
        """Read a file; return None after adding a problem if another file names it, at `named_at`.

        Raises the error of reading a file that the user has named.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            location = named_at or Location(self.shown(path), 1, path.parent)
            self.diagnostics.add(location, f"{self.shown(path)} is not UTF-8 text", "Save it as UTF-8.")
            return None
        except OSError as error:
            if named_at is None:
                raise from_os_error(error, path) from error
            reason = (error.strerror or str(error)).lower()
            self.diagnostics.add(
                named_at, f"{self.shown(path)} cannot be read: {reason}", "Check its name and folder."
            )
            return None
        if path not in self.files:
            self.files.append(path)
        return text
