"""One hash over all that is sent, to see that nothing changed since the last time."""

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

PIECE = 1024 * 1024
SETTLED_NS = 2_000_000_000
"""A file that changed less than this ago may change once more without its times showing it: FAT keeps 2 s."""
FORMAT = 1


@dataclass
class HashCache:
    """The hashes of files whose content was read before, by path, each with the identity that it had."""

    file: Path | None = None
    before: dict[str, Any] = field(default_factory=dict)
    now: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def at(cls, file: Path | None) -> HashCache:
        """What the file holds; nothing, if there is none or it makes no sense."""
        if file is None:
            return cls()
        try:
            found = json.loads(file.read_bytes())
        except (OSError, ValueError):
            return cls(file)
        files = found.get("files") if isinstance(found, dict) and found.get("format") == FORMAT else None
        return cls(file, files if isinstance(files, dict) else {})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep what is known now, if all went well and it is other than before."""
        if self.file and kind is None and self.now != self.before:
            _replace(self.file, json.dumps({"format": FORMAT, "files": self.now}))

    def get(self, path: str, same: tuple[int, ...]) -> str | None:
        """The hash of the file at `path`, if it was read while it had this identity."""
        entry = self.before.get(path)
        if not isinstance(entry, list) or entry[:-1] != list(same) or not isinstance(entry[-1], str):
            return None
        self.now[path] = entry
        return entry[-1]

    def put(self, path: str, same: tuple[int, ...], value: str) -> None:
        """Remember the hash, unless the file changed just now."""
        _, modified, _, changed = same
        if self.file and max(modified, changed) < time.time_ns() - SETTLED_NS:
            self.now[path] = [*same, value]


def compute_digest(root: str, entries: Iterable[ContextEntry], known: HashCache) -> str:
    """The hash, in hexadecimal digits, whatever order the entries come in."""
    lines = sorted(_line(root, entry, known) for entry in entries)
    whole = hashlib.blake2b(digest_size=32)
    for line in lines:
        whole.update(b"%d:%b" % (len(line), line))
    return whole.hexdigest()


def _line(root: str, entry: ContextEntry, known: HashCache) -> bytes:
    """The entry in bytes that no other has. A hard link is a file like any other here."""
    is_file = entry.kind in (FileType.FILE, FileType.HARD_LINK)
    about = _content_hash(root, entry, known) if is_file else entry.target
    kind = FileType.FILE if is_file else entry.kind
    return os.fsencode(f"{entry.path}\0{kind}\0{entry.mode:o}\0{about}")


def _content_hash(root: str, entry: ContextEntry, known: HashCache) -> str:
    if entry.content is not None:
        return hashlib.blake2b(entry.content, digest_size=32).hexdigest()
    found = known.get(entry.path, entry.identity)
    return found if found is not None else _read_hash(f"{root}/{entry.path}", entry, known)


def _read_hash(file: str, entry: ContextEntry, known: HashCache) -> str:
    try:
        same, value = hash_file(file)
    except FileNotFoundError:
        return "gone"
    except OSError as error:
        raise unreadable_error(error, entry.path) from error
    if same is not None:
        known.put(entry.path, same, value)
    return value


def hash_file(file: str | os.PathLike[str]) -> tuple[tuple[int, ...] | None, str]:
    """The hash of a file's content, and the identity that it had all the while; None if it changed meanwhile.

    Raises OSError where it cannot be read.
    """
    hashed = hashlib.blake2b(digest_size=32)
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        before = file_identity(os.fstat(descriptor))
        while piece := os.read(descriptor, PIECE):
            hashed.update(piece)
        same = before == file_identity(os.fstat(descriptor))
    finally:
        os.close(descriptor)
    return before if same else None, hashed.hexdigest()


def _replace(file: Path, text: str) -> None:
    """Write the whole file or leave the old one. Where that cannot be, everything is read again next time."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(text, encoding="ascii")
            partial.replace(file)
        except OSError:
            partial.unlink(missing_ok=True)
