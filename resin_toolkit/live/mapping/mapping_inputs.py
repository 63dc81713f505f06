"""Base images and build contexts, as far as the mapping of files needs them."""

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
from resin_toolkit.untrusted_json import object_of, texts_of


@dataclass(frozen=True)
class BaseImage:
    """The configuration of a base image."""

    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    triggers: tuple[str, ...] = ()
    """Its ONBUILD instructions."""
    volumes: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> BaseImage:
        """From an image's configuration in the engine's API."""
        working_dir = config.get("WorkingDir")
        pairs = (pair.partition("=") for pair in texts_of(config, "Env"))
        return cls(
            {name: value for name, _, value in pairs},
            working_dir if isinstance(working_dir, str) else "",
            texts_of(config, "OnBuild"),
            tuple(object_of(config, "Volumes")),
        )


BaseImageLookup = Callable[[str], BaseImage | None]
"""A base image by its reference; None if it is unknown."""
IsFolder = Callable[[str], bool | None]
"""Whether a path of the built image is a folder; None if it is unknown."""


class ContextListing(Protocol):
    """The files of a build context. Paths are relative, with slashes."""

    def kind(self, path: str) -> FileType | None:
        """The kind of a file; None if it does not exist or is not sent."""

    def entries(self) -> Iterable[tuple[str, FileType]]:
        """All paths, including folders."""

    def is_archive(self, path: str) -> bool:
        """Whether ADD would unpack the file."""


@dataclass(frozen=True)
class FolderContext:
    """The context of a folder, without what the rules exclude."""

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
        # An excluded folder may hold a file that a later rule includes again: exclude one by one.
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
    """Whether ADD unpacks a file, or might do so by its name."""
    if os.fspath(path).lower().endswith(_SUFFIXES):
        return True
    try:
        return tarfile.is_tarfile(path)
    except (OSError, tarfile.TarError, EOFError):
        return False
