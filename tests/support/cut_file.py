"""A file that remembers every write and flush, and the states in which a power cut could have left it.

Two models. The plain one: the writes before the cut have landed, in order. The strict one, true of a page
cache and of a drive with a cache: of the writes since the last flush any subset has landed, and of a write
that is longer than a sector any of its sectors.
"""

from __future__ import annotations

import io
import itertools
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

SECTOR = 512
MOST_SUBSETS_OF = 5
SAMPLES = 4


@dataclass(frozen=True)
class Write:
    at: int
    data: bytes

    def sectors(self, size: int = SECTOR) -> list[Write]:
        """The same in pieces that a drive writes wholly or not at all."""
        pieces = []
        at, end = self.at, self.at + len(self.data)
        while at < end:
            upto = min(end, (at // size + 1) * size)
            pieces.append(Write(at, self.data[at - self.at : upto - self.at]))
            at = upto
        return pieces


class RecordedFile(io.RawIOBase):
    """A file that is read and written through; it shows no file descriptor."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._descriptor = os.open(path, os.O_RDWR)
        self._position = 0
        self.epochs: list[list[Write]] = [[]]
        """The writes between one flush and the next."""
        self.reads: list[tuple[int, int]] = []

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = (0, self._position, os.fstat(self._descriptor).st_size)[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        data = os.pread(self._descriptor, len(view), self._position)
        view[: len(data)] = data
        self.reads.append((self._position, len(data)))
        self._position += len(data)
        return len(data)

    def write(self, data: ReadableBuffer) -> int:
        copy = bytes(data)
        os.pwrite(self._descriptor, copy, self._position)
        self.epochs[-1].append(Write(self._position, copy))
        self._position += len(copy)
        return len(copy)

    def flush(self) -> None:
        if not self.closed and self.epochs[-1]:
            self.epochs.append([])

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()

    @property
    def writes(self) -> list[Write]:
        return [write for epoch in self.epochs for write in epoch]


@dataclass(frozen=True)
class Cut:
    """What had landed when the power went."""

    name: str
    landed: tuple[Write, ...]

    def put_onto(self, path: Path) -> None:
        with path.open("r+b") as file:
            for write in self.landed:
                os.pwrite(file.fileno(), write.data, write.at)


def cuts(epochs: list[list[Write]], chance: random.Random, sector: int = SECTOR) -> Iterator[Cut]:
    """Every state of the plain model, and those of the strict one: all where they are few, else a sample.

    A state that another one equals is left out.
    """
    seen: set[int] = set()
    before: tuple[Write, ...] = ()
    for number, epoch in enumerate(epochs):
        for name, landed in _in_epoch(epoch, chance, sector):
            key = _state(before + landed)
            if key not in seen:
                seen.add(key)
                yield Cut(f"epoch {number}, {name}", before + landed)
        before += tuple(epoch)


def _in_epoch(
    epoch: list[Write], chance: random.Random, sector: int
) -> Iterator[tuple[str, tuple[Write, ...]]]:
    for count in range(len(epoch) + 1):
        yield f"first {count} writes", tuple(epoch[:count])
    yield from _subsets(epoch, "writes", chance)
    sectors = [piece for write in epoch for piece in write.sectors(sector)]
    if len(sectors) > len(epoch):
        yield from _subsets(sectors, "sectors", chance)


def _subsets(parts: list[Write], what: str, chance: random.Random) -> Iterator[tuple[str, tuple[Write, ...]]]:
    every = range(len(parts))
    if len(parts) <= MOST_SUBSETS_OF:
        chosen = [subset for size in every for subset in itertools.combinations(every, size)]
    else:
        alone = [(index,) for index in _some(every, chance)]
        all_but = [tuple(other for other in every if other != index) for index in _some(every, chance)]
        mixed = [tuple(index for index in every if chance.random() < 0.5) for _ in range(SAMPLES)]
        chosen = [*alone, *all_but, *mixed, tuple(every[: len(parts) // 2]), tuple(every[len(parts) // 2 :])]
    for subset in chosen:
        yield f"{what} {subset} of {len(parts)}", tuple(parts[index] for index in subset)


def _some(every: range, chance: random.Random) -> list[int]:
    return list(every) if len(every) <= 2 * SAMPLES else sorted(chance.sample(every, 2 * SAMPLES))


def _state(landed: tuple[Write, ...]) -> int:
    """The same number for the same bytes: sectors laid over each other in order."""
    content: dict[int, bytes] = {}
    for write in landed:
        for piece in write.sectors():
            content[piece.at] = piece.data
    return hash(frozenset(content.items()))
