"""The build context: what of a folder is sent to the engine that builds, and how."""

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
from resin_toolkit.project.ignore import IGNORE_FILE, IgnoreRules

CHUNK = 256 * 1024


@dataclass(frozen=True)
class BuildContext:
    """The folder `root`, less what `rules` leave out, and `extra`: files made for the build, by their paths.

    The Dockerfile and `.dockerignore` are sent even if the rules leave them out: the engine needs them and
    takes them away again before it builds. A file of `extra` is sent instead of what lies at its path.
    """

    root: Path
    dockerfile: str = "Dockerfile"
    """Relative to the root, with slashes."""
    rules: IgnoreRules = field(default_factory=IgnoreRules)
    extra: Mapping[str, bytes] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list, compare=False)
    """What the last walk through the folder came across and could not send."""

    def entries(self) -> Iterator[ContextEntry]:
        """The files of `extra`, then what is in the folder, a folder before what it holds, as it is found.

        What cannot be read raises an error that names it.
        """
        made = self._made
        self.notices.clear()
        for path in sorted(made, key=os.fsencode):
            yield ContextEntry(path, FileType.FILE, 0o644, len(made[path]), content=made[path])
        rules = self.rules.with_exceptions_for((IGNORE_FILE, self.dockerfile))
        try:
            yield from ContextWalk(self._folder, rules, frozenset(made), self.notices).entries()
        except OSError as error:
            raise from_os_error(error, self.root) from error

    def size(self) -> ContextSize:
        """How much would be sent, and which folders make the most of it; no file is read."""
        return measure_context(self.entries())

    def digest(self, cache: Path | None = None) -> str:
        """A hash of every path, kind, mode, link and content, that is the same as long as all of them are.

        `cache` is a file in which hashes are kept from time to time, so that only what changed is read.
        """
        with HashCache.at(cache) as known:
            return compute_digest(self._folder, self.entries(), known)

    def stream(self, chunk: int = CHUNK) -> Iterator[bytes]:
        """The tar archive in pieces of about `chunk` bytes. It is whole only if no error was raised."""
        folder, waiting = self._folder, bytearray()
        for entry in self.entries():
            for piece in tar_member(folder, entry, chunk):
                waiting += piece
                if len(waiting) >= chunk:
                    yield bytes(waiting)
                    waiting.clear()
        yield bytes(waiting + END)

    @cached_property
    def _folder(self) -> str:
        """Where the folder really is: it may itself be named by a link."""
        return os.path.realpath(self.root)

    @cached_property
    def _made(self) -> Mapping[str, bytes]:
        """The files that are made for the build.

        The engine knows of no other file of rules than `.dockerignore`, and by it takes the Dockerfile away.
        Where the rules are from another one and ask for that, it goes by that name.
        """
        rules = self.rules
        asks = rules.is_ignored(IGNORE_FILE) or rules.is_ignored(self.dockerfile)
        if rules.name == IGNORE_FILE or not asks:
            return self.extra
        return {IGNORE_FILE: os.fsencode(rules.text), **self.extra}
