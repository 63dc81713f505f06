"""Detecting file systems by their signatures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from image_tools.file_window import Window, window_of
from image_tools.filesystems.ext4 import read_superblock
from resin_toolkit.errors import FileSystemDamaged, NotAnImage, from_os_error

EMPTY_PREFIX = 1024 * 1024
SWAP_PAGES = (4096, 8192, 16384, 65536)
SWAP_MARKS = (b"SWAPSPACE2", b"SWAP-SPACE")


@dataclass(frozen=True)
class FileSystem:
    """A detected file system.

    `type` is a lower-case name such as `fat16`, `ext4` or `squashfs`; `fat` for a FAT too damaged to find its
    type; `empty` if the first MiB is zero; an empty string if nothing was recognized. `total` and `used` are
    in bytes, or None if unknown.
    """

    type: str
    label: str = ""
    total: int | None = None
    used: int | None = None
    problem: str = ""
    """Why it cannot be used, although it was recognized, as a sentence."""

    @property
    def is_known(self) -> bool:
        return self.type not in ("", "empty")


def probe(file: BinaryIO, offset: int, size: int, *, usage: bool = True) -> FileSystem:
    """Detect the file system in the `size` bytes at `offset`; the file may end early.

    Without `usage`, `used` is None for FAT, which would have to be read completely. Damage is not raised but
    reported in `problem`.
    """
    window = window_of(file, offset, size)
    fat = _fat(window, usage=usage)
    if fat is not None and not fat.problem:
        return fat
    for recognize in _RECOGNIZERS:
        found = recognize(window)
        if found is not None:
            return found
    if fat is not None:
        return fat
    return FileSystem("empty") if _is_empty(window) else FileSystem("")


def _fat(window: Window, *, usage: bool) -> FileSystem | None:
    from image_tools.fat import FatFileSystem

    try:
        fat = FatFileSystem.open(window.file, window.offset, window.size)
        total = fat.cluster_size * fat.cluster_count
        used = total - fat.free_bytes() if usage else None
        return FileSystem(fat.fat_type.value.lower(), fat.label, total, used)
    except NotAnImage:
        return None
    except FileSystemDamaged as damage:
        return FileSystem("fat", problem=damage.message)
    except OSError as error:
        raise from_os_error(error) from error


def _ext(window: Window) -> FileSystem | None:
    try:
        superblock = read_superblock(window)
    except NotAnImage:
        return None
    except FileSystemDamaged as damage:
        return FileSystem("ext4", problem=damage.message)
    return FileSystem(superblock.type, superblock.label, superblock.total_bytes, superblock.used_bytes)


def _luks(window: Window) -> FileSystem | None:
    if window.read(0, 6) != b"LUKS\xba\xbe":
        return None
    version_2 = window.read(6, 2) == b"\0\2"
    return FileSystem("luks", _text(window.read(24, 48)) if version_2 else "")


def _squashfs(window: Window) -> FileSystem | None:
    if window.read(0, 4) != b"hsqs":
        return None
    size = _little(window, 40, 8)
    return FileSystem("squashfs", total=size, used=size)


def _xfs(window: Window) -> FileSystem | None:
    if window.read(0, 4) != b"XFSB":
        return None
    block = int.from_bytes(window.read(4, 4), "big")
    blocks = int.from_bytes(window.read(8, 8), "big")
    free = int.from_bytes(window.read(144, 8), "big")
    return FileSystem("xfs", _text(window.read(108, 12)), blocks * block, max(0, blocks - free) * block)


def _btrfs(window: Window) -> FileSystem | None:
    start = 65536
    if window.read(start + 64, 8) != b"_BHRfS_M":
        return None
    label = _text(window.read(start + 0x12B, 256))
    return FileSystem("btrfs", label, _little(window, start + 0x70, 8), _little(window, start + 0x78, 8))


def _f2fs(window: Window) -> FileSystem | None:
    start = 1024
    if _little(window, start, 4) != 0xF2F52010:
        return None
    shift = _little(window, start + 16, 4)
    total = _little(window, start + 36, 8) << shift if shift <= 16 else None
    label = window.read(start + 124, 1024).decode("utf-16-le", "replace").partition("\0")[0]
    return FileSystem("f2fs", label, total)


def _swap(window: Window) -> FileSystem | None:
    for page in SWAP_PAGES:
        if window.read(page - 10, 10) in SWAP_MARKS:
            pages = _little(window, 1028, 4)
            return FileSystem("swap", _text(window.read(1052, 16)), (pages + 1) * page)
    return None


def _iso9660(window: Window) -> FileSystem | None:
    start = 32768
    if window.read(start + 1, 5) != b"CD001":
        return None
    size = _little(window, start + 80, 4) * 2048
    return FileSystem("iso9660", _text(window.read(start + 40, 32)), size, size)


def _by_name(window: Window) -> FileSystem | None:
    """File systems that are only named."""
    kinds = {b"EXFAT   ": "exfat", b"NTFS    ": "ntfs"}
    kind = kinds.get(window.read(3, 8))
    return FileSystem(kind) if kind else None


# Signatures at the very start come first: a file system that starts there has overwritten earlier ones.
_RECOGNIZERS: tuple[Callable[[Window], FileSystem | None], ...] = (
    _luks,
    _squashfs,
    _xfs,
    _by_name,
    _ext,
    _f2fs,
    _btrfs,
    _swap,
    _iso9660,
)


def find_signatures(window: Window) -> list[FileSystem]:
    """Everything but FAT whose signature is found; more than one is ambiguous."""
    return [found for recognize in _RECOGNIZERS if (found := recognize(window)) is not None]


def _is_empty(window: Window) -> bool:
    prefix = window.read(0, EMPTY_PREFIX)
    return bool(prefix) and not any(prefix)


def _little(window: Window, position: int, length: int) -> int:
    return int.from_bytes(window.read(position, length), "little")


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "replace").rstrip(" ")
