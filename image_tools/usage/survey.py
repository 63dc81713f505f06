"""Determines the used parts of an image from the bytes that it requests of the reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import BinaryIO, cast

from image_tools.byte_ranges import Range, merged, subtracted, touching
from image_tools.fat.geometry import Geometry
from image_tools.partitions import Partition, PartitionTable, Scheme, read_table
from image_tools.partitions.mbr import SECTOR
from image_tools.usage import fat, signatures
from image_tools.usage.ext import ExtLayout, Group, NotTrimmable
from image_tools.usage.free_grains import FreeGrains
from image_tools.usage.model import PartitionUsage, UsageContradicted, inward
from image_tools.usage.signatures import SIGNATURE_RANGE
from image_tools.usage.tables import PartialImage, gpt_backup_range, overlaps, tables_agree
from resin_toolkit.errors import FileSystemDamaged, ImageDamaged, NotAnImage

HEAD = 1024 * 1024
"""The first MiB, with tables and boot code, is always written."""
EDGE = 1024 * 1024
"""Of an empty partition, this much at each end is written, so that no old signature remains."""
MAX_PARTITIONS = 256
_UNKNOWN_SIZE = 1 << 62
_UNRELIABLE = frozenset(
    {"gpt-partition-damaged", "extended-partition-damaged", "gpt-partition-outside", "gpt-primary-damaged"}
)

ReadRequest = Callable[[int, int, Callable[[bytes], None]], None]
"""Calls the last argument with the bytes at (offset, length) when they are read, if ever."""


class Survey:
    """The usage of an image, as far as it is known.

    `size` is in bytes, None if unknown. `mapped` are the mapped ranges of a block map, None without one;
    `holes` those of a sparse file. `request` asks the reader for bytes.
    """

    def __init__(
        self,
        size: int | None,
        request: ReadRequest,
        *,
        mapped: Sequence[Range] | None = None,
        holes: Sequence[Range] = (),
    ) -> None:
        self.partition_usage: dict[int, PartitionUsage] = {}
        self.has_skipped = False
        """Whether `needed` has skipped anything."""
        self._size = _UNKNOWN_SIZE if size is None else size
        self._request = request
        self._free = FreeGrains()
        self._parts: dict[int, bytes] = {}
        self._trimmed_ranges: list[Range] = []
        self._required: list[Range] = [(0, HEAD)]
        self._all_partitions: tuple[Partition, ...] = ()
        self._partitions: tuple[Partition, ...] = ()
        self._inspected: set[int] = set()
        self._empty: dict[int, Range] = {}
        self._mapped = None if mapped is None else merged(mapped)
        self._holes = merged(holes)
        self._disabled_reason = ""

    def begin(self) -> None:
        """Make the first request."""
        self._request(0, min(HEAD, self._size), self._on_head)

    def needed(self, start: int, end: int) -> list[Range]:
        """See `Usage.needed`."""
        if self._disabled_reason and not self.has_skipped:
            return [(start, end)] if start < end else []
        found = self._free.needed(start, end)
        found = subtracted(found, self._unused(start, end))
        if not self.has_skipped and found != [(start, end)] and start < end:
            self.has_skipped = True
        return found

    # parts that no file system decides about

    def _unused(self, start: int, end: int) -> list[Range]:
        """Whole grains that a block map, or a hole in an empty partition, allows to skip."""
        if self._mapped is not None:
            unmapped = subtracted([(start, end)], touching(self._mapped, start, end))
            undecided = merged([*self._trimmed_ranges, *self._required, *self._pending()])
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
        return subtracted(subtracted(holes, rest), merged(self._required))

    def _pending(self) -> list[Range]:
        """Partitions that are not identified yet."""
        return [(p.start, p.end) for p in self._partitions if p.number not in self.partition_usage]

    # the table

    def _on_head(self, data: bytes) -> None:
        self._parts[0] = data
        self._read_table()

    def _read_table(self) -> None:
        view = PartialImage(self._parts, self._size)
        try:
            table = read_table(cast(BinaryIO, view), self._size, tolerant=True)
        except (NotAnImage, ImageDamaged):
            self._disable_trimming("its partition table cannot be read")
            return
        if table.scheme is Scheme.MBR:
            self._required += [(position, position + SECTOR) for position in view.requested if position]
        elif table.scheme is not Scheme.NONE:
            self._required.append(gpt_backup_range(self._parts[0], table.sector_size))
        self._check_table(table)
        self._all_partitions = table.partitions
        self._partitions = tuple(part for part in table.partitions if not part.is_extended)
        for partition in self._partitions:
            # The table is read again for each chained table, but a partition must be inspected only once.
            if partition.number not in self._inspected:
                self._inspected.add(partition.number)
                self._inspect_partition(partition)
        missing = view.missing
        if table.scheme is Scheme.MBR and missing is not None and missing < self._size:
            self._request(missing, SECTOR, lambda data: self._on_chained_table(missing, data))

    def _on_chained_table(self, position: int, data: bytes) -> None:
        """Read the table again with one more table of the chain of logical partitions."""
        self._parts[position] = data
        self._read_table()

    def _check_table(self, table: PartitionTable) -> None:
        notices = [notice for notice in table.notices if notice.code in _UNRELIABLE]
        if notices:
            self._disable_trimming("its partition table is damaged")
        if len(table.partitions) > MAX_PARTITIONS:
            self._disable_trimming(f"it has {len(table.partitions)} partitions")
        if table.scheme is Scheme.HYBRID and not tables_agree(self._parts[0], table):
            self._disable_trimming("its two partition tables differ")
        for partition in table.partitions:
            if partition.type_code in signatures.VERITY_TYPES or "verity" in partition.name.lower():
                self._disable_trimming("dm-verity guards a part of it")
        for partition in table.partitions:
            usage = self.partition_usage.get(partition.number)
            trimmed = (usage is not None and usage.trimmed) or partition.number in self._empty
            if trimmed and overlaps(partition, table.partitions):
                self._disable_trimming(f"partition {partition.number} overlaps another one")

    def _disable_trimming(self, reason: str) -> None:
        """Skip nothing from now on; raises UsageContradicted if something was skipped already."""
        if self.has_skipped and any(usage.trimmed for usage in self.partition_usage.values()):
            raise UsageContradicted(reason)
        self._disabled_reason = reason
        for number, usage in self.partition_usage.items():
            self.partition_usage[number] = PartitionUsage(usage.partition, usage.filesystem, False, reason)
        self._free = FreeGrains()
        self._trimmed_ranges, self._mapped, self._holes, self._empty = [], None, [], {}

    # a partition

    def _objection(self, partition: Partition) -> str:
        """Why nothing of the partition may be skipped; later tables may have added overlapping partitions."""
        if not self._disabled_reason and overlaps(partition, self._all_partitions):
            return "it overlaps another partition"
        return self._disabled_reason

    def _inspect_partition(self, partition: Partition) -> None:
        if objection := self._objection(partition):
            self._keep_whole(partition, "", objection)
        else:
            length = min(SIGNATURE_RANGE, partition.size)
            self._request(partition.start, length, lambda data: self._identify(partition, data))
            footer = partition.end - signatures.AVB_FOOTER_SIZE
            self._request(footer, signatures.AVB_FOOTER_SIZE, self._on_footer)

    def _identify(self, partition: Partition, start: bytes) -> None:
        found = signatures.recognized_types(start, partition.size)
        if "verity" in found:
            self._keep_whole(partition, "verity", "it is a hash tree of dm-verity")
            self._disable_trimming("dm-verity guards a part of it")
        elif objection := self._objection(partition):
            self._keep_whole(partition, found[0] if found else "", objection)
        elif len(found) > 1:
            self._keep_whole(partition, found[0], f"it looks like {' and '.join(found)}")
        elif found == ["fat"]:
            self._inspect_fat(partition, start)
        elif signatures.has_ext_magic(start):
            self._inspect_ext(partition, start)
        else:
            kind = found[0] if found else ""
            self._keep_whole(
                partition, kind, f"{kind} is written whole" if kind else "nothing known is in it"
            )
            if not found and self._holes and partition.size > 2 * EDGE:
                self._request(partition.start, EDGE, partial(self._on_first_edge, partition))

    def _on_first_edge(self, partition: Partition, data: bytes) -> None:
        if not any(data):
            self._request(partition.end - EDGE, EDGE, partial(self._on_last_edge, partition))

    def _on_last_edge(self, partition: Partition, data: bytes) -> None:
        """A partition counts as empty only if both ends are zero and everything between is a hole.

        If it holds data, its holes may be zeros that are in use.
        """
        middle = (partition.start + EDGE, partition.end - EDGE)
        if any(data) or subtracted([middle], self._holes) or self._objection(partition):
            return
        self._keep_whole(partition, "", "it is empty")
        self._empty[partition.number] = middle

    def _keep_whole(self, partition: Partition, kind: str, reason: str) -> None:
        self.partition_usage[partition.number] = PartitionUsage(partition, kind, False, reason)

    def _trim(self, partition: Partition, kind: str, length: int) -> None:
        """Let the file system of `length` bytes decide which of them are needed."""
        self.partition_usage[partition.number] = PartitionUsage(partition, kind, True)
        self._trimmed_ranges.append((partition.start, partition.start + length))
        behind = partition.start + length
        if behind + SECTOR <= partition.end:
            self._request(behind, SECTOR, self._on_data_after_file_system)

    def _on_data_after_file_system(self, data: bytes) -> None:
        if data[:8] == signatures.VERITY:
            self._disable_trimming("dm-verity guards a part of it")

    def _on_footer(self, data: bytes) -> None:
        if data[:4] == signatures.AVB_FOOTER:
            self._disable_trimming("a part of it is signed (AVB)")

    # FAT

    def _inspect_fat(self, partition: Partition, start: bytes) -> None:
        geometry = signatures.geometry_of(start, partition.size)
        if geometry is None:
            self._keep_whole(partition, "fat", "it is longer than its partition, or damaged")
            return
        kind = geometry.fat_type.value.lower()
        try:
            fat.check_size(geometry)
        except NotTrimmable as problem:
            self._keep_whole(partition, kind, problem.reason)
            return
        first, last = min(geometry.fat_starts), max(geometry.fat_starts) + geometry.fat_size
        if last - first > fat.MAX_FATS_SIZE:
            self._keep_whole(partition, kind, "its allocation tables are too large")
            return
        self._request(
            partition.start + first,
            last - first,
            lambda data: self._on_fats(partition, geometry, first, data),
        )

    def _on_fats(self, partition: Partition, geometry: Geometry, first: int, data: bytes) -> None:
        kind = geometry.fat_type.value.lower()
        if objection := self._objection(partition):
            self._keep_whole(partition, kind, objection)
            return
        starts = [start - first for start in geometry.fat_starts]
        tables = [data[start : start + geometry.fat_size] for start in starts]
        try:
            fat.check_tables(geometry, tables)
        except NotTrimmable as problem:
            self._keep_whole(partition, kind, problem.reason)
            return
        self._trim(partition, kind, geometry.cluster_start(geometry.last_cluster + 1))
        for start, end in fat.free_ranges(geometry, tables[0]):
            self._free.add(partition.start + start, partition.start + end)
        self._keep_required()

    # ext

    def _inspect_ext(self, partition: Partition, start: bytes) -> None:
        try:
            layout = ExtLayout.of(start, partition.size)
        except NotTrimmable as problem:
            self._keep_whole(partition, "ext4", problem.reason)
            return
        except (FileSystemDamaged, NotAnImage) as problem:
            self._keep_whole(partition, "ext4", problem.message)
            return
        first, last = layout.descriptors
        if last > layout.superblock.total_bytes:
            self._keep_whole(partition, layout.superblock.type, "its block groups are not laid out as usual")
            return
        self._request(
            partition.start + first,
            last - first,
            lambda data: self._on_descriptors(partition, layout, data),
        )

    def _on_descriptors(self, partition: Partition, layout: ExtLayout, data: bytes) -> None:
        superblock = layout.superblock
        if objection := self._objection(partition):
            self._keep_whole(partition, superblock.type, objection)
            return
        groups = layout.groups(data)
        # The blocks of the inode tables are known only if every descriptor is valid.
        if not all(group.is_valid for group in groups):
            self._keep_whole(partition, superblock.type, "the checksum of a group descriptor is wrong")
            return
        if any(group.block_bitmap >= superblock.block_count for group in groups):
            self._keep_whole(partition, superblock.type, "a block bitmap lies outside of it")
            return
        self._trim(partition, superblock.type, superblock.total_bytes)
        metadata = _by_group(layout, groups)
        for group in groups:
            own = metadata.get(group.number, [])
            if group.is_uninitialised:
                self._on_bitmap(partition, layout, group, own, None)
                continue
            place = partition.start + group.block_bitmap * superblock.block_size
            self._request(
                place,
                layout.bitmap_bytes,
                partial(self._on_bitmap, partition, layout, group, own),
            )

    def _on_bitmap(
        self,
        partition: Partition,
        layout: ExtLayout,
        group: Group,
        metadata: list[Range],
        bitmap: bytes | None,
    ) -> None:
        if self._disabled_reason:
            return
        ranges = layout.free_ranges(group, bitmap, metadata)
        if ranges is None:
            reason = f"the block bitmap of group {group.number} is wrong"
            self.partition_usage[partition.number] = PartitionUsage(
                partition, layout.superblock.type, True, reason
            )
            return
        for start, end in ranges:
            self._free.add(partition.start + start, partition.start + end)
        self._keep_required()

    def _keep_required(self) -> None:
        for start, end in self._required:
            self._free.keep(start, end)


def _by_group(layout: ExtLayout, groups: Sequence[Group]) -> dict[int, list[Range]]:
    """The blocks of bitmaps and inode tables, by the group that contains them."""
    superblock = layout.superblock
    found: dict[int, list[Range]] = {}
    for start, end in layout.metadata(list(groups)):
        first = (start - superblock.first_data_block) // superblock.blocks_per_group
        last = (end - 1 - superblock.first_data_block) // superblock.blocks_per_group
        for number in range(max(first, 0), min(last, superblock.group_count - 1) + 1):
            found.setdefault(number, []).append((start, end))
    return found
