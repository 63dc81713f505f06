"""The usage of a seekable image, which is known completely from the start."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import BinaryIO

from image_tools.byte_ranges import Range
from image_tools.file_window import Window
from image_tools.usage.model import PartitionUsage
from image_tools.usage.survey import Survey


def usage_of_file(
    file: BinaryIO,
    size: int,
    *,
    holes: Sequence[Range] = (),
    mapped: Sequence[Range] | None = None,
) -> FileUsage:
    """The usage of the image of `size` bytes in `file`.

    `holes` are the holes of the sparse file, `mapped` the mapped ranges of a block map, None without one.
    """
    return FileUsage(Window(file, 0, size), holes, mapped)


class FileUsage:
    """The complete `Usage` of a seekable image."""

    def __init__(self, window: Window, holes: Sequence[Range], mapped: Sequence[Range] | None) -> None:
        self._waiting: deque[tuple[int, int, Callable[[bytes], None]]] = deque()
        self._survey = Survey(window.size, self._request, mapped=mapped, holes=holes)
        self._survey.begin()
        while self._waiting:
            offset, length, then = self._waiting.popleft()
            data = window.read(offset, length)
            if len(data) == length:
                then(data)

    @property
    def partitions(self) -> tuple[PartitionUsage, ...]:
        return tuple(self._survey.partition_usage[number] for number in sorted(self._survey.partition_usage))

    def needed(self, start: int, end: int) -> list[Range]:
        return self._survey.needed(start, end)

    def _request(self, offset: int, length: int, then: Callable[[bytes], None]) -> None:
        self._waiting.append((offset, length, then))
