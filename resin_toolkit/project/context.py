"""The build context: the files of a folder that are sent to the engine for a build."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from resin_toolkit.errors import Notice, from_os_error
from resin_toolkit.project.context_digest import HashCache, compute_digest
from resin_toolkit.project.context_size import ContextSize, measure_context
from resin_toolkit.project.context_tar import END, tar_member
from resin_toolkit.project.context_walk import ContextEntry, ContextWalk, FileType
from resin_toolkit.project.files_below import FilesBelow
from resin_toolkit.project.ignore import IGNORE_FILE, IgnoreRules

CHUNK = 256 * 1024


@dataclass(frozen=True)
class BuildContext:
    """The files in the folder `root` that `rules` do not ignore, and `extra`: generated files by path.

    The Dockerfile and `.dockerignore` are sent even if they are ignored: the engine needs them and removes
    them again before the build. A file of `extra` replaces the one in the folder.
    """

    root: Path
    dockerfile: str = "Dockerfile"
    """Relative to the root, with slashes."""
    rules: IgnoreRules = field(default_factory=IgnoreRules)
    extra: Mapping[str, bytes] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list, compare=False)
    """The entries that could not be sent, of the last walk through the folder."""

    def entries(self) -> Iterator[ContextEntry]:
        """Yield the files of `extra`, then the entries of the folder, each folder before its content.

        Raises an error that names the entry that cannot be read.
        """
        generated = self._generated
        self.notices.clear()
        for path in sorted(generated, key=os.fsencode):
            yield ContextEntry(path, FileType.FILE, 0o644, len(generated[path]), content=generated[path])
        rules = self.rules.with_exceptions_for((IGNORE_FILE, self.dockerfile))
        try:
            yield from ContextWalk(self.folder, rules, frozenset(generated), self.notices).entries()
        except OSError as error:
            raise from_os_error(error, self.root) from error

    def size(self) -> ContextSize:
        """Return the size and the largest folders of the context; reads no file."""
        return measure_context(self.entries())

    def digest(self, cache: Path | None = None) -> str:
        """Return a hash of all paths, types, modes, link targets and contents.

        `cache` is a file that keeps the hashes of files, so that only changed files are read.
        """
        with HashCache.at(cache) as known:
            return compute_digest(self.folder, self.entries(), known)

    def stream(self, chunk: int = CHUNK) -> Iterator[bytes]:
        """Yield the tar archive in pieces of about `chunk` bytes. It is incomplete if an error is raised."""
        buffer = bytearray()
        with FilesBelow(self.folder) as files:
            for entry in self.entries():
                for piece in tar_member(files, entry, chunk):
                    buffer += piece
                    if len(buffer) >= chunk:
                        yield bytes(buffer)
                        buffer.clear()
        yield bytes(buffer + END)

    @cached_property
    def folder(self) -> str:
        """The real path of the folder: the same during a whole push, whatever links become meanwhile."""
        return os.path.realpath(self.root)

    @cached_property
    def _generated(self) -> Mapping[str, bytes]:
        """The generated files.

        The engine reads only `.dockerignore`, to remove the ignored Dockerfile or rules from the context. If
        the rules are in another file and ignore these, they are sent under that name.
        """
        rules = self.rules
        ignores_own = rules.is_ignored(IGNORE_FILE) or rules.is_ignored(self.dockerfile)
        if rules.name == IGNORE_FILE or not ignores_own:
            return self.extra
        return {IGNORE_FILE: os.fsencode(rules.text), **self.extra}
