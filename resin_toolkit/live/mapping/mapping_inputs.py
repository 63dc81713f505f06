"""What has to be known, beside the Dockerfile, to say where a file of the context lies in the container."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from resin_toolkit.live.snapshot import scan
from resin_toolkit.project.context_walk import NEVER_SENT, FileType
from resin_toolkit.project.ignore import IgnoreRules


@dataclass(frozen=True)
class BaseImage:
    """What an image that a stage begins with does by itself."""

    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    triggers: tuple[str, ...] = ()
    """The instructions that its ONBUILD left for builds on it."""
    volumes: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> BaseImage:
        """From an image's configuration, as the engine gives it."""
        pairs = (str(pair).partition("=") for pair in config.get("Env") or ())
        return cls(
            {name: value for name, _, value in pairs},
            str(config.get("WorkingDir") or ""),
            tuple(str(trigger) for trigger in config.get("OnBuild") or ()),
            tuple(str(path) for path in config.get("Volumes") or ()),
        )


BaseImageLookup = Callable[[str], BaseImage | None]
"""What an image does by itself, by its reference; None where that is not known."""
IsFolder = Callable[[str], bool | None]
"""Whether a path of the image that was built is a folder; None where that is not known."""


class ContextListing(Protocol):
    """The files that are sent for a build, as they are now. Paths are relative, with slashes."""

    def kind(self, path: str) -> FileType | None:
        """What lies there; None for nothing, and for what is not sent."""

    def entries(self) -> Iterable[tuple[str, FileType]]:
        """All of it, folders too."""

    def is_archive(self, path: str) -> bool:
        """Whether ADD would unpack it."""


@dataclass(frozen=True)
class FolderContext:
    """The context that is a folder less what the rules leave out."""

    root: Path
    rules: IgnoreRules = field(default_factory=IgnoreRules)

    def is_ignored(self, path: str) -> bool:
        return path.partition("/")[0] in NEVER_SENT or self.rules.is_ignored(path)

    def kind(self, path: str) -> FileType | None:
        if self.is_ignored(path):
            return None
        try:
            return _kind((self.root / path).lstat().st_mode)
        except OSError:
            return None

    def entries(self) -> Iterable[tuple[str, FileType]]:
        # What is left out may hold what is brought back: it is left out one by one.
        found = scan(self.root, lambda path, _: path in NEVER_SENT)
        for path, stamp in found.items():
            kind = _kind(stamp.mode)
            if kind and not self.is_ignored(path):
                yield path, kind

    def is_archive(self, path: str) -> bool:
        return is_archive(self.root / path)


def _kind(mode: int) -> FileType | None:
    if stat.S_ISDIR(mode):
        return FileType.FOLDER
    if stat.S_ISLNK(mode):
        return FileType.LINK
    return FileType.FILE if stat.S_ISREG(mode) else None


_SUFFIXES = (".tar", ".tgz", ".gz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz", ".zst", ".tzst")


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one that ADD unpacks, or by its name might be one."""
    if os.fspath(path).lower().endswith(_SUFFIXES):
        return True
    try:
        return tarfile.is_tarfile(path)
    except (OSError, tarfile.TarError, EOFError):
        return False
