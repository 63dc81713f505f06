"""The grains of an image that are known to be completely free."""

from __future__ import annotations

from image_tools.byte_ranges import Range
from image_tools.usage.model import GRAIN

_FREE = b"\1"


class FreeGrains:
    """Counts the free bytes of each grain; ranges may come in any order, each byte once."""

    def __init__(self) -> None:
        self._whole = bytearray()
        self._partly: dict[int, int] = {}

    def add(self, start: int, end: int) -> None:
        """Mark bytes as free."""
        first, last = start // GRAIN, (end - 1) // GRAIN
        if first == last:
            self._add_part(first, end - start)
            return
        if start % GRAIN:
            self._add_part(first, (first + 1) * GRAIN - start)
            first += 1
        if end % GRAIN:
            self._add_part(last, end - last * GRAIN)
            last -= 1
        if first <= last:
            self._grow(last + 1)
            self._whole[first : last + 1] = _FREE * (last + 1 - first)

    def keep(self, start: int, end: int) -> None:
        """Mark bytes as needed."""
        first, last = start // GRAIN, -(-end // GRAIN)
        for grain in range(first, min(last, len(self._whole))):
            self._whole[grain] = 0

    def needed(self, start: int, end: int) -> list[Range]:
        """The parts of a range that are not known to be free, in whole grains."""
        found: list[Range] = []
        position = start
        while position < end:
            grain = position // GRAIN
            if grain >= len(self._whole):
                found.append((position, end))
                break
            if self._whole[grain]:
                used = self._whole.find(0, grain)
                position = used * GRAIN if used >= 0 else len(self._whole) * GRAIN
                continue
            free = self._whole.find(1, grain)
            stop = min(end, free * GRAIN) if free >= 0 else end
            found.append((position, stop))
            position = stop
        return found

    def _add_part(self, grain: int, count: int) -> None:
        total = self._partly.pop(grain, 0) + count
        if total < GRAIN:
            self._partly[grain] = total
            return
        self._grow(grain + 1)
        self._whole[grain] = 1

    def _grow(self, count: int) -> None:
        if count > len(self._whole):
            self._whole.extend(bytes(max(count - len(self._whole), len(self._whole) // 8)))
