"""The usage of an image that is read once as a stream."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from image_tools.byte_ranges import Range
from image_tools.usage.model import PartitionUsage
from image_tools.usage.survey import Survey

_HISTORY = 1280 * 1024
"""The bytes of the stream that are kept: the head with the table, and the start of a partition."""


class _RangeRequest:
    """Requested bytes that have not been received completely."""

    def __init__(self, offset: int, length: int, then: Callable[[bytes], None]) -> None:
        self.offset = offset
        self.length = length
        self.then = then
        self.data = bytearray()

    def __lt__(self, other: _RangeRequest) -> bool:
        return self.offset < other.offset


class StreamUsage:
    """A `Usage` that is updated by `take`, which gets the image once and in order.

    `needed` may only be called for bytes that were taken; anything unknown by then is needed.
    """

    def __init__(self, size: int | None, *, mapped: Sequence[Range] | None = None) -> None:
        self._position = 0
        self._pending: list[_RangeRequest] = []
        self._active: list[_RangeRequest] = []
        self._history = b""
        self._data = memoryview(b"")
        self._start = self._end = 0
        self._survey = Survey(size, self._request, mapped=mapped)
        self._survey.begin()

    @property
    def partitions(self) -> tuple[PartitionUsage, ...]:
        return tuple(self._survey.partition_usage[number] for number in sorted(self._survey.partition_usage))

    def take(self, offset: int, data: memoryview) -> None:
        """Process the next bytes, at `offset`; raises UsageContradicted."""
        assert offset == self._position
        end = offset + len(data)
        self._data, self._start, self._end = data, offset, end
        while True:
            while self._pending and self._pending[0].offset < end:
                self._active.append(heapq.heappop(self._pending))
            done: list[_RangeRequest] = []
            active: list[_RangeRequest] = []
            for request in self._active:
                (done if self._copy_into(request) else active).append(request)
            if not done:
                break
            self._active = active
            for request in sorted(done):
                request.then(bytes(request.data))
        self._position = end
        kept = bytes(data[-_HISTORY:])
        self._history = kept if len(kept) == _HISTORY else (self._history + kept)[-_HISTORY:]
        self._data = memoryview(b"")

    def needed(self, start: int, end: int) -> list[Range]:
        return self._survey.needed(start, end)

    def finish(self) -> None:
        """The image has ended: drop the requests behind its end."""
        self._pending.clear()
        self._active.clear()

    def _request(self, offset: int, length: int, then: Callable[[bytes], None]) -> None:
        request = _RangeRequest(offset, length, then)
        passed = self._position - offset
        if passed > len(self._history):
            return
        if passed > 0:
            request.data += self._history[-passed:][:length]
        heapq.heappush(self._pending, request)

    def _copy_into(self, request: _RangeRequest) -> bool:
        """Copy what the current chunk holds of the request; whether the request is complete."""
        have = request.offset + len(request.data)
        if have < self._end:
            stop = min(request.offset + request.length, self._end)
            request.data += self._data[have - self._start : stop - self._start]
        return len(request.data) >= request.length
