"""What a PC can boot from an image: a boot loader for BIOS or UEFI, or a kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from image_tools.fat import FatFileSystem
from image_tools.file_window import Window
from image_tools.filesystems import probe
from image_tools.partition_roles import role_of
from image_tools.partitions import PartitionTable

_SECTOR = 512
_CODE = 440
"""The size of the boot code in an MBR; the disk signature and the table follow."""
_PARTED = b"\xfa\xb8\x00\x10\x8e\xd0\xbc\x00\xb0"
"""The start of the boot code that libparted writes into every MBR; it boots the active partition."""
_NO_SYSTEM = b"This is not a bootable disk"
"""The message of the boot code of mkfs.fat, which does nothing else."""
_EFI = {"x86_64": "/EFI/BOOT/BOOTX64.EFI", "i386": "/EFI/BOOT/BOOTIA32.EFI"}
_KERNELS = ("vmlinuz", "bzimage")
_INITRDS = ("initrd", "initramfs")


@dataclass(frozen=True)
class Startup:
    """The ways to boot an image; empty, False or None if not available."""

    has_mbr_loader: bool
    """Whether the first sector has boot code that does more than print a message."""
    efi: frozenset[str]
    """The architectures (x86_64, i386) with a boot loader at the default path of UEFI."""
    kernel: str | None
    initrd: str | None
    root: int | None
    """The number of the root partition."""


def read_startup(file: BinaryIO, table: PartitionTable, boot: FatFileSystem | None) -> Startup:
    """Read the ways to boot the image in `file`, whose boot partition is `boot`."""
    names = [entry.name for entry in boot.list() if not entry.is_directory] if boot else []
    return Startup(
        has_mbr_loader=_has_mbr_loader(file, table),
        efi=frozenset(arch for arch, path in _EFI.items() if boot and boot.find(path) is not None),
        kernel=_first(names, _KERNELS),
        initrd=_first(names, _INITRDS),
        root=_root(file, table),
    )


def _has_mbr_loader(file: BinaryIO, table: PartitionTable) -> bool:
    disk = Window(file, 0, table.size)
    sector = disk.read(0, _SECTOR)
    code = sector[:_CODE]
    if sector[510:] != b"\x55\xaa" or not code.strip(b"\0") or _NO_SYSTEM in sector:
        return False
    if not code.startswith(_PARTED):
        return True
    active = next((partition for partition in table.partitions if partition.bootable), None)
    started = disk.read(active.start, _SECTOR) if active else b""
    return started[510:] == b"\x55\xaa" and _NO_SYSTEM not in started


def _first(names: list[str], beginnings: tuple[str, ...]) -> str | None:
    """The first file whose name starts with one of `beginnings`: vmlinuz before vmlinuz-6.1."""
    for beginning in beginnings:
        fitting = sorted(name for name in names if name.lower().startswith(beginning))
        if fitting:
            return f"/{fitting[0]}"
    return None


def _root(file: BinaryIO, table: PartitionTable) -> int | None:
    for partition in table.partitions:
        found = probe(file, partition.start, partition.size, usage=False)
        if role_of(partition, found) == "root":
            return partition.number
    return None
