"""What a project takes from this machine: files outside its root, and variables of the environment.

Everything that a push reads is read through a ProjectAccess, which notes what was really opened, whatever
links lead there. Only then is the user asked, and only then is anything sent.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from resin_toolkit.project.bounded_file import is_within, read_bounded, read_with_path
from resin_toolkit.project.root import project_root


class ProjectAccess:
    """The files and variables that the project in `folder` has asked for so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.path.realpath(folder)
        self.root = project_root(folder)
        """Real paths."""
        self._paths: dict[str, str] = {}
        self._variables: dict[str, str] = {}
        self._mentioned: dict[str, str] = {}

    @property
    def paths(self) -> Mapping[str, str]:
        """The real paths outside the root, each with what it is for. A folder stands for what is in it."""
        folders = [path for path in self._paths if Path(path).is_dir()]
        return {
            path: use
            for path, use in self._paths.items()
            if not any(path != folder and is_within(path, folder) for folder in folders)
        }

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables of this machine's environment that are sent to the device, with what takes them."""
        return self._variables

    @property
    def mentioned(self) -> Mapping[str, str]:
        """Variables that only name an image or a port, with what they are in."""
        return {name: use for name, use in self._mentioned.items() if name not in self._variables}

    def read(self, path: Path, use: str) -> bytes:
        """The content of a file. Raises as `read_bounded`."""
        content, real = read_with_path(path)
        self._note(real, use)
        return content

    def read_named(self, path: Path, use: str) -> bytes:
        """The content of a file that the user has named: only links of the project may lead outside."""
        return self.read(path, use) if self.includes(path) else read_bounded(path)

    def includes(self, path: Path) -> bool:
        """Whether a path is in the project by its name; links in it may lead elsewhere."""
        parent = os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118 - as text
        return any(
            is_within(each, self.root)
            for each in (os.path.abspath(path), os.path.normpath(parent))  # noqa: PTH100 - keeps links
        )

    def note(self, path: str | os.PathLike[str], use: str) -> str:
        """Note a folder whose files may be sent; return its real path."""
        real = os.path.realpath(path)
        self._note(real, use)
        return real

    def take(self, names: Iterable[str], use: str) -> None:
        """Note variables whose values are sent."""
        for name in names:
            self._variables.setdefault(name, use)

    def mention(self, names: Iterable[str], use: str) -> None:
        """Note variables that name an image, a port, or a file."""
        for name in names:
            self._mentioned.setdefault(name, use)

    def _note(self, real: str, use: str) -> None:
        git = os.path.join(self.root, ".git")  # noqa: PTH118 - as text
        if not is_within(real, self.root) or is_within(real, git):
            self._paths.setdefault(real, use)
