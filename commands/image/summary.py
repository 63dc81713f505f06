"""The output of `resin image info`: the partitions, drawn to scale, and facts from the boot partition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resin_toolkit.terminal.screen import Screen, clean, format_size, table

if TYPE_CHECKING:
    from image_tools.image_info import ImageInfo, PartitionInfo
    from image_tools.os_info import OsInfo

_NARROWEST_MAP = 40
_MARKS = ("\u2588", "\u2591", "\u2592", "\u00b7")
_ASCII_MARKS = ("#", "-", "?", ".")
"""For used, free and unknown space, and for space outside the partitions."""


@dataclass(frozen=True)
class ImageSummary:
    """The result of `resin image info`."""

    info: ImageInfo

    def data(self) -> Mapping[str, object]:
        return self.info.data()

    def text(self, screen: Screen) -> str:
        info = self.info
        scheme = info.table.scheme.value
        lines = [f"{clean(info.image)}: {format_size(info.table.size)}, {_scheme_name(scheme)}"]
        if screen.is_terminal and screen.width >= _NARROWEST_MAP:
            lines += ["", *draw_partitions(info.partitions, info.table.size, screen)]
        lines += ["", _partition_rows(info.partitions, info.boot)]
        if info.os is not None:
            lines += ["", *_os_lines(info.os)]
            lines += _config_lines(info.config, info.connections)
        return "\n".join(lines)


def draw_partitions(partitions: tuple[PartitionInfo, ...], size: int, screen: Screen) -> list[str]:
    """The image as a bar of the width of the screen: used space, free space, and gaps between partitions.

    A partition is at least one character wide, so very small ones are drawn larger than they are.
    """
    used_mark, free_mark, unknown_mark, gap_mark = _MARKS if screen.unicode else _ASCII_MARKS
    width = screen.width - 1
    names, bar = [" "] * width, [gap_mark] * width
    cursor = 0
    for row in sorted(partitions, key=lambda row: row.partition.start):
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


def _scheme_name(scheme: str) -> str:
    return "no partition table" if scheme == "none" else f"{scheme.upper()} partition table"


def _partition_rows(partitions: tuple[PartitionInfo, ...], boot: int | None) -> str:
    cells = [("", "role", "label", "file system", "start", "size", "used")]
    for row in partitions:
        partition, filesystem = row.partition, row.filesystem
        used = "" if filesystem.used is None else format_size(filesystem.used)
        name = clean(filesystem.label or partition.name)
        start, size = format_size(partition.start), format_size(partition.size)
        role = "boot" if partition.number == boot else row.role
        cells.append((str(partition.number), role, name, filesystem.type, start, size, used))
    return table(cells, right=frozenset({0, 4, 5, 6}))


def _os_lines(os_info: OsInfo) -> list[str]:
    system = " ".join(part for part in (os_info.name, os_info.version) if part) or "unknown"
    facts = [
        ("system", system + (" (flasher image)" if os_info.is_flasher else "")),
        ("variant", os_info.variant),
        ("Yocto", os_info.yocto),
        ("build", os_info.build),
        ("device", _device_text(os_info)),
    ]
    return [f"{name + ':':<9}{clean(value)}" for name, value in facts if value]


def _device_text(os_info: OsInfo) -> str:
    name = os_info.device_name or os_info.device_type or ""
    extra = [
        part for part in (os_info.device_type if os_info.device_name else None, os_info.architecture) if part
    ]
    return f"{name} ({', '.join(extra)})" if name and extra else name


def _config_lines(config: Mapping[str, object], connections: tuple[Mapping[str, object], ...]) -> list[str]:
    lines = []
    if "hostname" in config:
        lines.append(f"{'host:':<9}{clean(str(config['hostname']))}")
    for connection in connections:
        if connection["used"]:
            detail = connection.get("ssid") or connection.get("type") or connection.get("problem") or ""
            lines.append(f"{'network:':<9}{clean(str(connection['file']))} ({clean(str(detail))})")
    return lines
