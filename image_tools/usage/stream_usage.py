"""The use of an image that streams by once: learned on the way."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from image_tools.byte_ranges import Range
from image_tools.usage.model import PartitionUsage
from image_tools.usage.survey import Survey

_PAST = 1280 * 1024
"""So many bytes are kept of what has gone by: the head with the table, and a partition's beginning."""


class _RangeRequest:
    """Bytes that were asked for and have not come by whole."""

    def __init__(self, offset: int, length: int, then: Callable[[bytes], None]) -> None:
        self.offset = offset
        self.length = length
        self.then = then
        self.data = bytearray()

    def __lt__(self, other: _RangeRequest) -> bool:
        return self.offset < other.offset


class StreamUsage:
    """A `Usage` that learns while the image goes through `take`, in order and once.

    It may only be asked for what was taken; what is not known by then is needed.
    """

    def __init__(self, size: int | None, *, mapped: Sequence[Range] | None = None) -> None:
        self._position = 0
        self._later: list[_RangeRequest] = []
        self._under_way: list[_RangeRequest] = []
        self._past = b""
        self._data = memoryview(b"")
        self._start = self._end = 0
        self._survey = Survey(size, self._ask, mapped=mapped)
        self._survey.begin()

    @property
    def partitions(self) -> tuple[PartitionUsage, ...]:
        return tuple(self._survey.partition_usage[number] for number in sorted(self._survey.partition_usage))

    def take(self, offset: int, data: memoryview) -> None:
        """The next bytes, at `offset`; raises UsageContradicted."""
        assert offset == self._position
        end = offset + len(data)
        self._data, self._start, self._end = data, offset, end
        while True:
            while self._later and self._later[0].offset < end:
                self._under_way.append(heapq.heappop(self._later))
            done: list[_RangeRequest] = []
            under_way: list[_RangeRequest] = []
            for wanted in self._under_way:
                (done if self._fill(wanted) else under_way).append(wanted)
            if not done:
                break
            self._under_way = under_way
            for wanted in sorted(done):
                wanted.then(bytes(wanted.data))
        self._position = end
        kept = bytes(data[-_PAST:])
        self._past = kept if len(kept) == _PAST else (self._past + kept)[-_PAST:]
        self._data = memoryview(b"")

    def needed(self, start: int, end: int) -> list[Range]:
        return self._survey.needed(start, end)

    def finish(self) -> None:
        """The image ended; what was asked for behind its end never comes."""
        self._later.clear()
        self._under_way.clear()

    def _ask(self, offset: int, length: int, then: Callable[[bytes], None]) -> None:
        wanted = _RangeRequest(offset, length, then)
        gone = self._position - offset
        if gone > len(self._past):
            return
        if gone > 0:
            wanted.data += self._past[-gone:][:length]
        heapq.heappush(self._later, wanted)

    def _fill(self, wanted: _RangeRequest) -> bool:
        """Take what the piece has of it; tells whether it is whole."""
        have = wanted.offset + len(wanted.data)
        if have < self._end:
            stop = min(wanted.offset + wanted.length, self._end)
            wanted.data += self._data[have - self._start : stop - self._start]
        return len(wanted.data) >= wanted.length
