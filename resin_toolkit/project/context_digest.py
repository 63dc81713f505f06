"""A hash of a build context, which shows whether anything has changed since the last build."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from resin_toolkit.project.context_walk import ContextEntry, FileType, file_identity, unreadable_error
from resin_toolkit.state import make_folder, replace_file

CHUNK = 1024 * 1024
SETTLED_NS = 2_000_000_000
"""A file modified more recently may change again with the same times: FAT stores them in steps of 2 s."""
FORMAT = 1


@dataclass
class HashCache:
    """The hashes of files by path, each with the `file_identity` that the file had when it was read."""

    file: Path | None = None
    before: dict[str, Any] = field(default_factory=dict)
    now: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def at(cls, file: Path | None) -> HashCache:
        """Load the cache from a file; empty if it is missing or invalid."""
        if file is None:
            return cls()
        try:
            found = json.loads(file.read_bytes())
        except (OSError, ValueError, RecursionError):
            return cls(file)
        files = found.get("files") if isinstance(found, dict) and found.get("format") == FORMAT else None
        return cls(file, files if isinstance(files, dict) else {})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Save the cache if it has changed and no error was raised."""
        if self.file and kind is None and self.now != self.before:
            _write(self.file, json.dumps({"format": FORMAT, "files": self.now}))

    def get(self, path: str, identity: tuple[int, ...]) -> str | None:
        """Return the hash of the file at `path`, if it is known for this identity."""
        entry = self.before.get(path)
        if not isinstance(entry, list) or entry[:-1] != list(identity) or not isinstance(entry[-1], str):
            return None
        self.now[path] = entry
        return entry[-1]

    def put(self, path: str, identity: tuple[int, ...], value: str) -> None:
        """Store a hash, unless the file was modified just now."""
        _, modified, _, changed = identity
        if self.file and max(modified, changed) < time.time_ns() - SETTLED_NS:
            self.now[path] = [*identity, value]


def compute_digest(root: str, entries: Iterable[ContextEntry], known: HashCache) -> str:
    """Return the hash as hexadecimal digits; it does not depend on the order of the entries."""
    lines = sorted(_line(root, entry, known) for entry in entries)
    whole = hashlib.blake2b(digest_size=32)
    for line in lines:
        whole.update(b"%d:%b" % (len(line), line))
    return whole.hexdigest()


def _line(root: str, entry: ContextEntry, known: HashCache) -> bytes:
    """An unambiguous encoding of an entry. A hard link counts as a file."""
    is_file = entry.kind in (FileType.FILE, FileType.HARD_LINK)
    value = _content_hash(root, entry, known) if is_file else entry.target
    kind = FileType.FILE if is_file else entry.kind
    return os.fsencode(f"{entry.path}\0{kind}\0{entry.mode:o}\0{value}")


def _content_hash(root: str, entry: ContextEntry, known: HashCache) -> str:
    if entry.content is not None:
        return hashlib.blake2b(entry.content, digest_size=32).hexdigest()
    found = known.get(entry.path, entry.identity)
    return found if found is not None else _read_hash(f"{root}/{entry.path}", entry, known)


def _read_hash(file: str, entry: ContextEntry, known: HashCache) -> str:
    try:
        identity, value = hash_file(file)
    except FileNotFoundError:
        return "gone"
    except OSError as error:
        raise unreadable_error(error, entry.path) from error
    if identity is not None:
        known.put(entry.path, identity, value)
    return value


def hash_file(file: str | os.PathLike[str]) -> tuple[tuple[int, ...] | None, str]:
    """Return the identity of a file (None if it changed while it was read) and the hash of its content.

    Raises OSError.
    """
    hashed = hashlib.blake2b(digest_size=32)
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        before = file_identity(os.fstat(descriptor))
        while piece := os.read(descriptor, CHUNK):
            hashed.update(piece)
        is_same = before == file_identity(os.fstat(descriptor))
    finally:
        os.close(descriptor)
    return before if is_same else None, hashed.hexdigest()


def _write(file: Path, text: str) -> None:
    """Replace a file. On an error the old one remains, and more files are read next time."""
    with suppress(OSError):
        make_folder(file.parent)
        replace_file(file, text)
