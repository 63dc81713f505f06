"""What can be changed in a FAT volume."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO


@dataclass(frozen=True)
class FileSource:
    """Content that is read when it is needed: `size` bytes from the start of what `open` returns."""

    size: int
    open: Callable[[], BinaryIO]

    @classmethod
    def of(cls, data: bytes) -> FileSource:
        return cls(len(data), lambda: io.BytesIO(data))


@dataclass(frozen=True)
class Put:
    """Write a file, or replace its content; an existing one keeps its name's case and its attributes."""

    path: str
    content: bytes | FileSource = field(repr=False)
    make_parents: bool = False

    @property
    def source(self) -> FileSource:
        return FileSource.of(self.content) if isinstance(self.content, bytes) else self.content


@dataclass(frozen=True)
class Remove:
    """Delete a file, an empty directory, or with `recursive` a directory and all that is in it."""

    path: str
    recursive: bool = False


@dataclass(frozen=True)
class MakeDirectory:
    """Make a directory; with `exist_ok` it may be there already."""

    path: str
    make_parents: bool = False
    exist_ok: bool = False


Change = Put | Remove | MakeDirectory
