"""What `resin image info` shows: the partitions of an image, to scale, and what its boot partition says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import BinaryIO

from image_tools import config as config_file
from image_tools.boot_partition import open_boot
from image_tools.configuration import read_config, shown_connections
from image_tools.filesystems import FileSystem, probe
from image_tools.os_info import OsInfo, read_os_info
from image_tools.partition_roles import role_of
from image_tools.partitions import Partition, PartitionTable, read_table
from resin_toolkit.errors import (
    ConfigInvalid,
    FileSystemDamaged,
    ImageDamaged,
    Notice,
    PartitionAmbiguous,
    PartitionNotFound,
)
from resin_toolkit.terminal.screen import Screen, clean, format_size, table

_NARROWEST_MAP = 40
_MARKS = ("\u2588", "\u2591", "\u2592", "\u00b7")
_ASCII_MARKS = ("#", "-", "?", ".")
"""For what is used, free, not known, and for what no partition covers."""


@dataclass(frozen=True)
class Row:
    """One partition with what lies in it."""

    partition: Partition
    filesystem: FileSystem
    role: str

    def data(self) -> Mapping[str, object]:
        partition, filesystem = self.partition, self.filesystem
        return {
            "number": partition.number,
            "start": partition.start,
            "size": partition.size,
            "type": partition.type_code,
            "name": partition.name,
            "role": self.role,
            "filesystem": filesystem.kind or None,
            "label": filesystem.label,
            "used": filesystem.used,
        }


@dataclass(frozen=True)
class ImageInfo:
    """An image, its partitions, and what its boot partition says (None where it has none)."""

    image: str
    table: PartitionTable
    rows: tuple[Row, ...]
    boot: int | None
    os: OsInfo | None
    config: Mapping[str, object]
    connections: tuple[Mapping[str, object], ...]

    def data(self) -> Mapping[str, object]:
        return {
            "image": self.image,
            "size": self.table.size,
            "table": self.table.scheme.value,
            "sector_size": self.table.sector_size,
            "partitions": [row.data() for row in self.rows],
            "boot_partition": self.boot,
            "os": asdict(self.os) if self.os else None,
            "config": self.config,
            "connections": list(self.connections),
        }

    def text(self, screen: Screen) -> str:
        scheme = self.table.scheme.value
        lines = [f"{clean(self.image)}: {format_size(self.table.size)}, {_scheme(scheme)}"]
        if screen.is_terminal and screen.width >= _NARROWEST_MAP:
            lines += ["", *drawn(self.rows, self.table.size, screen)]
        lines += ["", _listed(self.rows, self.boot)]
        if self.os is not None:
            lines += ["", *_facts(self.os)]
            lines += _configured(self.config, self.connections)
        return "\n".join(lines)


def describe(image: str, file: BinaryIO, number: int | None) -> tuple[ImageInfo, tuple[Notice, ...]]:
    """Everything that can be told of the image in `file`, and what is dubious about it."""
    partitions = read_table(file, tolerant=True)
    notices = list(partitions.notices)
    rows = []
    for partition in partitions.partitions:
        filesystem = probe(file, partition.start, partition.size)
        rows.append(Row(partition, filesystem, role_of(partition, filesystem)))
        if filesystem.problem:
            notices.append(
                Notice("filesystem-damaged", f"Partition {partition.number}: {filesystem.problem}")
            )
    try:
        boot = open_boot(file, number)
        os_info = read_os_info(boot.filesystem, boot.partition.name)
    except (PartitionNotFound, PartitionAmbiguous, FileSystemDamaged, ImageDamaged) as error:
        if number is not None:
            raise
        notices.append(Notice(error.code, error.message))
        return ImageInfo(image, partitions, tuple(rows), None, None, {}, ()), tuple(notices)
    notices.extend(boot.notices)
    config: Mapping[str, object] = {}
    try:
        config = config_file.hidden(read_config(boot.filesystem))
    except ConfigInvalid as error:
        notices.append(Notice(error.code, error.message))
    connections = shown_connections(boot.filesystem)
    found = ImageInfo(image, partitions, tuple(rows), boot.partition.number, os_info, config, connections)
    return found, tuple(notices)


def drawn(rows: tuple[Row, ...], size: int, screen: Screen) -> list[str]:
    """The image as a bar as wide as the screen: what is used, what is free, and what no partition covers.

    A partition is never narrower than one character, so very small ones are drawn larger than they are.
    """
    used_mark, free_mark, unknown_mark, gap_mark = _MARKS if screen.unicode else _ASCII_MARKS
    width = screen.width - 1
    names, bar = [" "] * width, [gap_mark] * width
    cursor = 0
    for row in sorted(rows, key=lambda row: row.partition.start):
        if row.partition.is_extended:
            continue
        left = max(cursor, round(row.partition.start * width / size))
        right = max(left + 1, round((row.partition.start + row.partition.size) * width / size))
        if left >= width:
            break
        cursor = right = min(right, width)
        cells = right - left
        used = row.filesystem.used
        filled = cells if used is None else round(used * cells / max(1, row.partition.size))
        full = unknown_mark if used is None else used_mark
        bar[left:right] = full * filled + free_mark * (cells - filled)
        name = f"{row.partition.number} {row.role}"[: max(1, cells - 1)]
        names[left : left + len(name)] = name
    return ["".join(names).rstrip(), "".join(bar)]


def _scheme(scheme: str) -> str:
    return "no partition table" if scheme == "none" else f"{scheme.upper()} partition table"


def _listed(rows: tuple[Row, ...], boot: int | None) -> str:
    cells = [("", "role", "label", "file system", "start", "size", "used")]
    for row in rows:
        partition, filesystem = row.partition, row.filesystem
        used = "" if filesystem.used is None else format_size(filesystem.used)
        name = clean(filesystem.label or partition.name)
        start, size = format_size(partition.start), format_size(partition.size)
        role = "boot" if partition.number == boot else row.role
        cells.append((str(partition.number), role, name, filesystem.kind, start, size, used))
    return table(cells, right=frozenset({0, 4, 5, 6}))


def _facts(os_info: OsInfo) -> list[str]:
    system = " ".join(part for part in (os_info.name, os_info.version) if part) or "unknown"
    facts = [
        ("system", system + (" (flasher image)" if os_info.is_flasher else "")),
        ("variant", os_info.variant),
        ("Yocto", os_info.yocto),
        ("build", os_info.build),
        ("device", _device(os_info)),
    ]
    return [f"{name + ':':<9}{clean(value)}" for name, value in facts if value]


def _device(os_info: OsInfo) -> str:
    named = os_info.device_name or os_info.device_type or ""
    extra = [
        part for part in (os_info.device_type if os_info.device_name else None, os_info.architecture) if part
    ]
    return f"{named} ({', '.join(extra)})" if named and extra else named


def _configured(config: Mapping[str, object], connections: tuple[Mapping[str, object], ...]) -> list[str]:
    lines = []
    if "hostname" in config:
        lines.append(f"{'host:':<9}{clean(str(config['hostname']))}")
    for connection in connections:
        if connection["used"]:
            about = connection.get("ssid") or connection.get("type") or connection.get("problem") or ""
            lines.append(f"{'network:':<9}{clean(str(connection['file']))} ({clean(str(about))})")
    return lines
