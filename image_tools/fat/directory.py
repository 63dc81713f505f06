"""A directory: its slots, its entries, and the search for free slots.

Source: Microsoft FAT specification 1.03, "FAT Directory Structure".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from image_tools.fat.geometry import SLOT, FatType, Geometry
from image_tools.fat.names import ATTRIBUTE_LONG_NAME, LongNameParser, decode_short_name, fold_case
from resin_toolkit.errors import NoSpace

ATTRIBUTE_LABEL = 0x08
ATTRIBUTE_DIRECTORY = 0x10
ATTRIBUTE_ARCHIVE = 0x20
DELETED = 0xE5
END_OF_DIRECTORY = 0x00
MAX_SLOTS = 65536
MAX_SHORT_NAME = 12


@dataclass(frozen=True)
class DirectoryEntry:
    """A file or directory. `size` in bytes, `modified` in the local time of the writer."""

    name: str
    path: str
    is_directory: bool
    size: int
    modified: datetime | None
    attributes: int
    first_cluster: int
    alias: bytes = field(repr=False)
    slots: range = field(repr=False)
    """The indices of its slots in its directory: the long name's, then the 8.3 entry."""

    @property
    def short_name(self) -> str:
        """The 8.3 name, as shown by programs without support for long names."""
        return decode_short_name(self.alias + b"\0" * 21)


@dataclass(frozen=True)
class SlotPosition:
    """Free slots from `start` on, available once the directory is extended by `grow` clusters."""

    start: int
    grow: int


class Directory:
    """The raw contents of a directory.

    `clusters` is its chain, empty for a fixed root; `extents` are its (position, length) pairs in bytes.
    """

    def __init__(
        self, path: str, clusters: list[int], extents: list[tuple[int, int]], data: bytes, geometry: Geometry
    ) -> None:
        self.path = path
        self.clusters = clusters
        self.extents = extents
        self.data = bytearray(data)
        self.slots_per_sector = geometry.sector_size // SLOT
        self._sector_size = geometry.sector_size
        self._wide = geometry.fat_type is FatType.FAT32

    @property
    def is_root(self) -> bool:
        return self.path == "/"

    @property
    def slot_count(self) -> int:
        return len(self.data) // SLOT

    def slot(self, index: int) -> bytes:
        return bytes(self.data[index * SLOT : (index + 1) * SLOT])

    def end(self) -> int:
        """The index of the slot that ends the directory; the number of slots if none does."""
        firsts = bytes(self.data[::SLOT])
        index = firsts.find(END_OF_DIRECTORY)
        return len(firsts) if index < 0 else index

    def entries(self) -> list[DirectoryEntry]:
        """The files and directories, in the order of their slots; without labels, `.` and `..`."""
        return list(_parse_entries(self.path, bytes(self.data[: self.end() * SLOT]), self._wide))

    def find(self, name: str) -> DirectoryEntry | None:
        """The entry with this name, ignoring case; long names take precedence over 8.3 names."""
        entries = self.entries()
        wanted = fold_case(name)
        for entry in entries:
            if fold_case(entry.name) == wanted:
                return entry
        if len(wanted) > MAX_SHORT_NAME:
            return None
        return next((entry for entry in entries if fold_case(entry.short_name) == wanted), None)

    def aliases(self) -> set[bytes]:
        """The 8.3 names in use, including the volume label."""
        slots = (self.slot(index) for index in range(self.end()))
        return {s[:11] for s in slots if s[0] != DELETED and s[11] & 0x3F != ATTRIBUTE_LONG_NAME}

    def label(self) -> str | None:
        """The volume label, if this is a root directory that holds one."""
        for index in range(self.end()):
            slot = self.slot(index)
            is_label = slot[11] & 0x3F != ATTRIBUTE_LONG_NAME and slot[11] & ATTRIBUTE_LABEL
            if slot[0] != DELETED and is_label:
                return slot[:11].decode("cp437").rstrip(" ")
        return None

    def find_slots(self, count: int, slots_per_cluster: int) -> SlotPosition:
        """Find `count` consecutive free slots, within one sector if possible.

        `slots_per_cluster` is 0 if the directory cannot be extended. Raises NoSpace if it is full.
        """
        if count <= self.slots_per_sector:
            start = self._find_run_in_one_sector(count)
            if start is not None:
                return SlotPosition(start, 0)
            if slots_per_cluster and self.slot_count + slots_per_cluster <= MAX_SLOTS:
                skipped = 0 if self._is_usable(self.slot_count, self.end()) else 1
                return SlotPosition(self.slot_count + skipped, 1)
        start = self._find_run(count)
        missing = max(0, start + count - self.slot_count)
        if missing and (not slots_per_cluster or start + count > MAX_SLOTS):
            raise NoSpace(
                f"The directory {self.path} is full: it has {self.slot_count} slots.",
                hint="Put the file into a subdirectory, or remove files from this one.",
            )
        return SlotPosition(start, -(-missing // slots_per_cluster) if missing else 0)

    def sector_of(self, index: int) -> int:
        """The index, within the directory, of the sector that holds a slot."""
        return index // self.slots_per_sector

    def sector_bytes(self, sector: int) -> tuple[int, bytes]:
        """The position on the volume and the contents of a sector of the directory."""
        start = sector * self._sector_size
        rest = start
        for position, length in self.extents:
            if rest < length:
                return position + rest, bytes(self.data[start : start + self._sector_size])
            rest -= length
        raise IndexError(sector)

    def _find_run_in_one_sector(self, count: int) -> int | None:
        end = self.end()
        run = 0
        for index in range(self.slot_count):
            if index % self.slots_per_sector == 0:
                run = 0
            run = run + 1 if self._is_usable(index, end) else 0
            if run == count:
                return index - count + 1
        return None

    def _find_run(self, count: int) -> int:
        """The start of the first run of `count` free slots; it may extend past the end of the directory."""
        end = self.end()
        run = 0
        for index in range(end):
            run = run + 1 if self._is_usable(index, end) else 0
            if run == count:
                return index - count + 1
        return end - run if run or self._is_usable(end, end) else end + 1

    def _is_usable(self, index: int, end: int) -> bool:
        """Whether a slot is free and does not follow an orphaned part of a long name.

        A slot written there would look like the continuation of that name.
        """
        if index < end and self.data[index * SLOT] != DELETED:
            return False
        before = self.slot(index - 1) if 0 < index <= end else b""
        return not before or before[0] == DELETED or before[11] & 0x3F != ATTRIBUTE_LONG_NAME


@lru_cache(maxsize=4)
def _parse_entries(path: str, slots: bytes, wide: bool) -> tuple[DirectoryEntry, ...]:
    """The entries in the slots of a directory; parsed once for as long as they stay the same."""
    found = []
    names = LongNameParser()
    for index in range(len(slots) // SLOT):
        slot = slots[index * SLOT : (index + 1) * SLOT]
        if slot[0] == DELETED:
            names.reset()
        elif slot[11] & 0x3F == ATTRIBUTE_LONG_NAME:
            names.add(index, slot)
        elif slot[11] & ATTRIBUTE_LABEL or slot[:11] in (b".          ", b"..         "):
            names.reset()
        else:
            found.append(_parse_entry(path, index, slot, names, wide))
    return tuple(found)


def _parse_entry(
    directory: str, index: int, slot: bytes, names: LongNameParser, wide: bool
) -> DirectoryEntry:
    name, first_slot = names.name_of(index, slot)
    high, time, date, low, size = struct.unpack_from("<HHHHI", slot, 20)
    return DirectoryEntry(
        name=name,
        path=f"{directory.rstrip('/')}/{name}",
        is_directory=bool(slot[11] & ATTRIBUTE_DIRECTORY),
        size=size,
        modified=decode_timestamp(date, time),
        attributes=slot[11],
        first_cluster=low | (high << 16 if wide else 0),
        alias=slot[:11],
        slots=range(first_slot, index + 1),
    )


def new_slot(alias: bytes, attributes: int, first_cluster: int, size: int, now: datetime) -> bytes:
    """A new 8.3 entry, created, modified and accessed at `now`."""
    date, time = encode_timestamp(now)
    tenths = now.second % 2 * 100 + now.microsecond // 10_000
    head = struct.pack("<11sBBBHHH", alias, attributes, 0, tenths, time, date, date)
    return head + struct.pack("<HHHHI", first_cluster >> 16, time, date, first_cluster & 0xFFFF, size)


def updated_slot(slot: bytes, first_cluster: int, size: int, now: datetime) -> bytes:
    """The 8.3 entry `slot` with new contents, modified at `now`."""
    date, time = encode_timestamp(now)
    changed = bytearray(slot)
    changed[11] |= ATTRIBUTE_ARCHIVE
    struct.pack_into("<H", changed, 18, date)
    struct.pack_into("<HHHHI", changed, 20, first_cluster >> 16, time, date, first_cluster & 0xFFFF, size)
    return bytes(changed)


def encode_timestamp(moment: datetime) -> tuple[int, int]:
    """The FAT date and time fields of a moment, clamped to the years 1980 to 2107 that they can store."""
    if moment.year < 1980:
        return (1 << 5 | 1), 0
    if moment.year > 2107:
        return (127 << 9 | 12 << 5 | 31), (23 << 11 | 59 << 5 | 29)
    date = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
    return date, moment.hour << 11 | moment.minute << 5 | moment.second // 2


def decode_timestamp(date: int, time: int) -> datetime | None:
    """The moment stored in FAT date and time fields; None if they are invalid."""
    try:
        return datetime(
            1980 + (date >> 9), date >> 5 & 0x0F, date & 0x1F, time >> 11, time >> 5 & 0x3F, (time & 0x1F) * 2
        )
    except ValueError:
        return None
