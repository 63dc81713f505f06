"""Finds out what an image uses, piece by piece: whoever reads it hands over the bytes that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import BinaryIO, cast

from image_tools.byte_ranges import Range, merged, subtracted, touching
from image_tools.fat.geometry import Geometry
from image_tools.partitions import Partition, PartitionTable, Scheme, read_table
from image_tools.partitions.mbr import SECTOR
from image_tools.usage import fat, signatures
from image_tools.usage.ext import ExtLayout, Group, NotUnderstood
from image_tools.usage.free_chunks import FreeGrains
from image_tools.usage.model import PartitionUsage, UsageContradicted, inward
from image_tools.usage.signatures import LOOKED_AT
from image_tools.usage.tables import Seen, agree, backup_of_gpt, overlaps
from resin_toolkit.errors import FileSystemDamaged, ImageDamaged, NotAnImage

HEAD = 1024 * 1024
"""The first MiB, with tables and boot code, is always needed."""
EDGE = 1024 * 1024
"""Of a partition with nothing in it, so much at each end is written, so that no old signature stays."""
MOST_PARTITIONS = 256
_UNKNOWN_SIZE = 1 << 62
_UNRELIABLE = frozenset(
    {"gpt-partition-damaged", "extended-partition-damaged", "gpt-partition-outside", "gpt-primary-damaged"}
)

Ask = Callable[[int, int, Callable[[bytes], None]], None]
"""Calls the last argument with the bytes at (offset, length) once it has them, which may be never."""


class Survey:
    """What is known of an image's use by now.

    `size` is in bytes, None if unknown. `mapped` are the ranges that a block map calls mapped, None without
    one; `holes` those of a sparse file. `ask` gets the bytes.
    """

    def __init__(
        self,
        size: int | None,
        ask: Ask,
        *,
        mapped: Sequence[Range] | None = None,
        holes: Sequence[Range] = (),
    ) -> None:
        self.partition_usage: dict[int, PartitionUsage] = {}
        self.left_out = False
        """Whether anything was said not to be needed."""
        self._size = _UNKNOWN_SIZE if size is None else size
        self._ask = ask
        self._free = FreeGrains()
        self._seen: dict[int, bytes] = {}
        self._governed: list[Range] = []
        self._kept: list[Range] = [(0, HEAD)]
        self._listed: tuple[Partition, ...] = ()
        self._partitions: tuple[Partition, ...] = ()
        self._begun: set[int] = set()
        self._empty: dict[int, Range] = {}
        self._mapped = None if mapped is None else merged(mapped)
        self._holes = merged(holes)
        self._refused = ""

    def begin(self) -> None:
        """Ask for what comes first."""
        self._ask(0, min(HEAD, self._size), self._take_head)

    def needed(self, start: int, end: int) -> list[Range]:
        """See `Usage.needed`."""
        if self._refused and not self.left_out:
            return [(start, end)] if start < end else []
        found = self._free.needed(start, end)
        found = subtracted(found, self._unused(start, end))
        if not self.left_out and found != [(start, end)] and start < end:
            self.left_out = True
        return found

    # what no file system decides

    def _unused(self, start: int, end: int) -> list[Range]:
        """Whole grains that a block map, or a hole in an empty partition, lets us leave out."""
        if self._mapped is not None:
            unmapped = subtracted([(start, end)], touching(self._mapped, start, end))
            undecided = merged([*self._governed, *self._kept, *self._pending()])
            candidates = subtracted(unmapped, undecided)
        elif self._holes:
            candidates = self._in_empty_partitions(start, end)
        else:
            return []
        return [grains for grains in (inward(*part) for part in candidates) if grains[0] < grains[1]]

    def _in_empty_partitions(self, start: int, end: int) -> list[Range]:
        outside = subtracted([(start, end)], touching(self._holes, start, end))
        holes = subtracted([(start, end)], outside)
        rest = subtracted([(start, end)], merged(self._empty.values()))
        return subtracted(subtracted(holes, rest), merged(self._kept))

    def _pending(self) -> list[Range]:
        """Partitions of which it is not known yet what lies in them."""
        return [(p.start, p.end) for p in self._partitions if p.number not in self.partition_usage]

    # the table

    def _take_head(self, data: bytes) -> None:
        self._seen[0] = data
        self._read_table()

    def _read_table(self) -> None:
        view = Seen(self._seen, self._size)
        try:
            table = read_table(cast(BinaryIO, view), self._size, tolerant=True)
        except (NotAnImage, ImageDamaged):
            self._refuse("its partition table cannot be read")
            return
        if table.scheme is Scheme.MBR:
            self._kept += [(position, position + SECTOR) for position in view.asked if position]
        elif table.scheme is not Scheme.NONE:
            self._kept.append(backup_of_gpt(self._seen[0], table.sector_size))
        self._check_table(table)
        self._listed = table.partitions
        self._partitions = tuple(part for part in table.partitions if not part.is_extended)
        for partition in self._partitions:
            # The table is read again for each link of a chain; a partition must be looked into only once.
            if partition.number not in self._begun:
                self._begun.add(partition.number)
                self._look_into(partition)
        missing = view.missing
        if table.scheme is Scheme.MBR and missing is not None and missing < self._size:
            self._ask(missing, SECTOR, lambda data: self._take_link(missing, data))

    def _take_link(self, position: int, data: bytes) -> None:
        """One more table of the chain of logical partitions."""
        self._seen[position] = data
        self._read_table()

    def _check_table(self, table: PartitionTable) -> None:
        notices = [notice for notice in table.notices if notice.code in _UNRELIABLE]
        if notices:
            self._refuse("its partition table is damaged")
        if len(table.partitions) > MOST_PARTITIONS:
            self._refuse(f"it has {len(table.partitions)} partitions")
        if table.scheme is Scheme.HYBRID and not agree(self._seen[0], table):
            self._refuse("its two partition tables differ")
        for partition in table.partitions:
            if partition.type_code in signatures.VERITY_TYPES or "verity" in partition.name.lower():
                self._refuse("dm-verity guards a part of it")
        for partition in table.partitions:
            area = self.partition_usage.get(partition.number)
            trimmed = (area is not None and area.trimmed) or partition.number in self._empty
            if trimmed and overlaps(partition, table.partitions):
                self._refuse(f"partition {partition.number} overlaps another one")

    def _refuse(self, reason: str) -> None:
        """Nothing of this image may be left out; raises UsageContradicted if something already was."""
        if self.left_out and any(area.trimmed for area in self.partition_usage.values()):
            raise UsageContradicted(reason)
        self._refused = reason
        for number, area in self.partition_usage.items():
            self.partition_usage[number] = PartitionUsage(area.partition, area.kind, False, reason)
        self._free = FreeGrains()
        self._governed, self._mapped, self._holes, self._empty = [], None, [], {}

    # a partition

    def _objection(self, partition: Partition) -> str:
        """Why nothing of it may be left out; more partitions may have been found since it was begun."""
        if not self._refused and overlaps(partition, self._listed):
            return "it overlaps another partition"
        return self._refused

    def _look_into(self, partition: Partition) -> None:
        if objection := self._objection(partition):
            self._settle(partition, "", objection)
        else:
            length = min(LOOKED_AT, partition.size)
            self._ask(partition.start, length, lambda data: self._identify(partition, data))
            footer = partition.end - signatures.AVB_FOOTER_SIZE
            self._ask(footer, signatures.AVB_FOOTER_SIZE, self._take_footer)

    def _identify(self, partition: Partition, start: bytes) -> None:
        found = signatures.kinds(start, partition.size)
        if "verity" in found:
            self._settle(partition, "verity", "it is a hash tree of dm-verity")
            self._refuse("dm-verity guards a part of it")
        elif objection := self._objection(partition):
            self._settle(partition, found[0] if found else "", objection)
        elif len(found) > 1:
            self._settle(partition, found[0], f"it looks like {' and '.join(found)}")
        elif found == ["fat"]:
            self._begin_fat(partition, start)
        elif signatures.has_ext_magic(start):
            self._begin_ext(partition, start)
        else:
            kind = found[0] if found else ""
            self._settle(partition, kind, f"{kind} is written whole" if kind else "nothing known is in it")
            if not found and self._holes and partition.size > 2 * EDGE:
                self._ask(partition.start, EDGE, partial(self._take_first_edge, partition))

    def _take_first_edge(self, partition: Partition, data: bytes) -> None:
        if not any(data):
            self._ask(partition.end - EDGE, EDGE, partial(self._take_last_edge, partition))

    def _take_last_edge(self, partition: Partition, data: bytes) -> None:
        """A partition is empty only if not even a signature that we do not know can be in it.

        Around data in its middle a hole may be zeros that are in use.
        """
        middle = (partition.start + EDGE, partition.end - EDGE)
        if any(data) or subtracted([middle], self._holes) or self._objection(partition):
            return
        self._settle(partition, "", "it is empty")
        self._empty[partition.number] = middle

    def _settle(self, partition: Partition, kind: str, reason: str) -> None:
        self.partition_usage[partition.number] = PartitionUsage(partition, kind, False, reason)

    def _govern(self, partition: Partition, kind: str, length: int) -> None:
        """From now on the file system of `length` bytes decides what of them is needed."""
        self.partition_usage[partition.number] = PartitionUsage(partition, kind, True)
        self._governed.append((partition.start, partition.start + length))
        behind = partition.start + length
        if behind + SECTOR <= partition.end:
            self._ask(behind, SECTOR, self._take_behind)

    def _take_behind(self, data: bytes) -> None:
        if data[:8] == signatures.VERITY:
            self._refuse("dm-verity guards a part of it")

    def _take_footer(self, data: bytes) -> None:
        if data[:4] == signatures.AVB_FOOTER:
            self._refuse("a part of it is signed (AVB)")

    # FAT

    def _begin_fat(self, partition: Partition, start: bytes) -> None:
        geometry = signatures.geometry_of(start, partition.size)
        if geometry is None:
            self._settle(partition, "fat", "it is longer than its partition, or damaged")
            return
        kind = geometry.fat_type.value.lower()
        try:
            fat.check_size(geometry)
        except NotUnderstood as problem:
            self._settle(partition, kind, problem.reason)
            return
        first, last = min(geometry.fat_starts), max(geometry.fat_starts) + geometry.fat_size
        if last - first > fat.LARGEST:
            self._settle(partition, kind, "its allocation tables are too large")
            return
        self._ask(
            partition.start + first,
            last - first,
            lambda data: self._take_tables(partition, geometry, first, data),
        )

    def _take_tables(self, partition: Partition, geometry: Geometry, first: int, data: bytes) -> None:
        kind = geometry.fat_type.value.lower()
        if objection := self._objection(partition):
            self._settle(partition, kind, objection)
            return
        starts = [start - first for start in geometry.fat_starts]
        tables = [data[start : start + geometry.fat_size] for start in starts]
        try:
            fat.check_tables(geometry, tables)
        except NotUnderstood as problem:
            self._settle(partition, kind, problem.reason)
            return
        self._govern(partition, kind, geometry.cluster_start(geometry.last_cluster + 1))
        for start, end in fat.free_ranges(geometry, tables[0]):
            self._free.add(partition.start + start, partition.start + end)
        self._keep_tables()

    # ext

    def _begin_ext(self, partition: Partition, start: bytes) -> None:
        try:
            layout = ExtLayout.of(start, partition.size)
        except NotUnderstood as problem:
            self._settle(partition, "ext4", problem.reason)
            return
        except (FileSystemDamaged, NotAnImage) as problem:
            self._settle(partition, "ext4", problem.message)
            return
        first, last = layout.descriptors
        if last > layout.superblock.total_bytes:
            self._settle(partition, layout.superblock.kind, "its block groups are not laid out as usual")
            return
        self._ask(
            partition.start + first,
            last - first,
            lambda data: self._take_descriptors(partition, layout, data),
        )

    def _take_descriptors(self, partition: Partition, layout: ExtLayout, data: bytes) -> None:
        superblock = layout.superblock
        if objection := self._objection(partition):
            self._settle(partition, superblock.kind, objection)
            return
        groups = layout.groups(data)
        # Which blocks the tables take can only be told if every descriptor is right.
        if not all(group.is_sound for group in groups):
            self._settle(partition, superblock.kind, "the checksum of a group descriptor is wrong")
            return
        if any(group.block_bitmap >= superblock.block_count for group in groups):
            self._settle(partition, superblock.kind, "a block bitmap would lie outside of it")
            return
        self._govern(partition, superblock.kind, superblock.total_bytes)
        metadata = _by_group(layout, groups)
        for group in groups:
            own = metadata.get(group.number, [])
            if group.is_uninitialised:
                self._take_bitmap(partition, layout, group, own, None)
                continue
            place = partition.start + group.block_bitmap * superblock.block_size
            self._ask(
                place,
                layout.bitmap_bytes,
                partial(self._take_bitmap, partition, layout, group, own),
            )

    def _take_bitmap(
        self,
        partition: Partition,
        layout: ExtLayout,
        group: Group,
        metadata: list[Range],
        bitmap: bytes | None,
    ) -> None:
        if self._refused:
            return
        ranges = layout.free_ranges(group, bitmap, metadata)
        if ranges is None:
            reason = f"the block bitmap of group {group.number} is wrong"
            self.partition_usage[partition.number] = PartitionUsage(
                partition, layout.superblock.kind, True, reason
            )
            return
        for start, end in ranges:
            self._free.add(partition.start + start, partition.start + end)
        self._keep_tables()

    def _keep_tables(self) -> None:
        for start, end in self._kept:
            self._free.keep(start, end)


def _by_group(layout: ExtLayout, groups: Sequence[Group]) -> dict[int, list[Range]]:
    """The blocks of bitmaps and inode tables, by the groups that they lie in."""
    superblock = layout.superblock
    found: dict[int, list[Range]] = {}
    for start, end in layout.metadata(list(groups)):
        first = (start - superblock.first_data_block) // superblock.blocks_per_group
        last = (end - 1 - superblock.first_data_block) // superblock.blocks_per_group
        for number in range(max(first, 0), min(last, superblock.group_count - 1) + 1):
            found.setdefault(number, []).append((start, end))
    return found
