"""Partition tables of an image that is known in part, and the checks that precede skipping blocks."""

from __future__ import annotations

import io
from collections.abc import Sequence

from image_tools.byte_ranges import Range
from image_tools.partitions import Partition, PartitionTable
from image_tools.partitions.mbr import PROTECTIVE_TYPE, SECTOR, read_mbr_entries


class PartialImage(io.RawIOBase):
    """The known parts of an image as a file; a read of a missing part returns nothing."""

    def __init__(self, parts: dict[int, bytes], size: int) -> None:
        self._parts = parts
        self._size = size
        self._position = 0
        self.requested: list[int] = []
        self.missing: int | None = None
        """The offset of the first missing sector that was read."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = self._size + offset if whence == io.SEEK_END else offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        position = self._position
        for start, data in self._parts.items():
            if start <= position < start + len(data):
                found = data[position - start : position - start + max(size, 0)]
                self._position += len(found)
                if size == SECTOR:
                    self.requested.append(position)
                return found
        if size == SECTOR and self.missing is None:
            self.missing = position
        return b""


def gpt_backup_range(head: bytes, sector: int) -> Range:
    """The byte range of the backup table, according to the primary header."""
    header = head[sector : 2 * sector].ljust(56, b"\0")
    alternate, last_usable = (int.from_bytes(header[place : place + 8], "little") for place in (32, 48))
    return min((last_usable + 1) * sector, alternate * sector), (alternate + 1) * sector


def overlaps(partition: Partition, others: Sequence[Partition]) -> bool:
    """Whether another partition overlaps it; an extended partition may contain logical ones."""
    return any(
        other.start < partition.end
        and partition.start < other.end
        and other.number != partition.number
        and not (other.is_extended and partition.is_logical)
        for other in others
    )


def tables_agree(head: bytes, table: PartitionTable) -> bool:
    """Whether all partitions of a hybrid MBR are also in the GPT."""
    known = {(part.start, part.size) for part in table.partitions}
    slots = [slot for slot in read_mbr_entries(head[:SECTOR]) or () if slot.type != PROTECTIVE_TYPE]
    return all((slot.start * SECTOR, slot.count * SECTOR) in known for slot in slots)
