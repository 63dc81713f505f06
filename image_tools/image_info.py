"""An image's partitions, and the system and configuration in its boot partition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import BinaryIO

from image_tools import config as config_file
from image_tools.boot_partition import open_boot
from image_tools.configuration import list_connections, read_config
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


@dataclass(frozen=True)
class PartitionInfo:
    """A partition, its file system, and its role."""

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
            "filesystem": filesystem.type or None,
            "label": filesystem.label,
            "used": filesystem.used,
        }


@dataclass(frozen=True)
class ImageInfo:
    """An image and its partitions; `boot` is the number of its boot partition, None if it has none."""

    image: str
    table: PartitionTable
    partitions: tuple[PartitionInfo, ...]
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
            "partitions": [partition.data() for partition in self.partitions],
            "boot_partition": self.boot,
            "os": asdict(self.os) if self.os else None,
            "config": self.config,
            "connections": list(self.connections),
        }


def read_image_info(image: str, file: BinaryIO, number: int | None) -> tuple[ImageInfo, tuple[Notice, ...]]:
    """Read what `file` holds; `number` selects the boot partition. Doubtful findings are notices.

    Raises what `read_table` raises, and with `number` also what `open_boot` raises.
    """
    table = read_table(file, tolerant=True)
    notices = list(table.notices)
    found = []
    for partition in table.partitions:
        filesystem = probe(file, partition.start, partition.size)
        found.append(PartitionInfo(partition, filesystem, role_of(partition, filesystem)))
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
        return ImageInfo(image, table, tuple(found), None, None, {}, ()), tuple(notices)
    notices.extend(boot.notices)
    config: Mapping[str, object] = {}
    connections: tuple[Mapping[str, object], ...] = ()
    try:
        config = config_file.hidden(read_config(boot.filesystem))
    except ConfigInvalid as error:
        notices.append(Notice(error.code, error.message))
    try:
        connections = list_connections(boot.filesystem)
    except ConfigInvalid as error:
        notices.append(Notice(error.code, error.message))
    info = ImageInfo(image, table, tuple(found), boot.partition.number, os_info, config, connections)
    return info, tuple(notices)
