"""What the files of a project are read in: the workstation's variables, and the files that were needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from resin_toolkit.compose.nodes import Location
from resin_toolkit.compose.problems import Diagnostics
from resin_toolkit.errors import from_os_error


@dataclass
class LoadContext:
    folder: Path
    """The project's; messages name files as seen from it."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """The workstation's, and those of `.env` that it has not itself."""
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    files: list[Path] = field(default_factory=list)
    """All that was read."""

    def shown(self, path: Path) -> str:
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else str(path)

    def text(self, path: Path, named_at: Location | None = None) -> str | None:
        """The text of a file; None, and a problem, where the file that names it is wrong.

        Raises the failure of reading it where the user has named it.
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
                named_at, f"{self.shown(path)} cannot be read: {reason}", "Check the spelling and the folder."
            )
            return None
        if path not in self.files:
            self.files.append(path)
        return text
