"""The changes that can be made to a FAT volume."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO


@dataclass(frozen=True)
class FileSource:
    """File contents that are read on demand: the first `size` bytes of the file that `open` returns."""

    size: int
    open: Callable[[], BinaryIO]

    @classmethod
    def of(cls, data: bytes) -> FileSource:
        return cls(len(data), lambda: io.BytesIO(data))


@dataclass(frozen=True)
class Put:
    """Write a file. An existing file keeps its attributes and the case of its name."""

    path: str
    content: bytes | FileSource = field(repr=False)
    make_parents: bool = False

    @property
    def source(self) -> FileSource:
        return FileSource.of(self.content) if isinstance(self.content, bytes) else self.content


@dataclass(frozen=True)
class Remove:
    """Delete a file or an empty directory; with `recursive`, a directory and its contents."""

    path: str
    recursive: bool = False


@dataclass(frozen=True)
class MakeDirectory:
    """Create a directory. It is an error if it exists, unless `exist_ok`."""

    path: str
    make_parents: bool = False
    exist_ok: bool = False


Change = Put | Remove | MakeDirectory
