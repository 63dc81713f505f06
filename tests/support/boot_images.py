"""Disk images with a boot partition, made by sfdisk, mkfs.fat and mtools; fsck.fat and mtools judge them."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from support import disk_images, fat_images
from support.disk_images import MIB

SMALL = "label: dos\nstart=2048, size=12288, type=c, bootable\n"
OS_RELEASE = 'ID="resin-os"\nNAME="Resin OS"\nVERSION="2.0.0+rev2"\nVERSION_ID="2.0.0+rev2"\n'
SAMPLE = (
    "[connection]\nid=resin-sample\ntype=wifi\n[wifi]\nssid=My_Wifi_Ssid\n[wifi-security]\npsk=super_secret\n"
)

Files = Mapping[str, bytes | str]


@dataclass(frozen=True)
class Boot:
    """A FAT partition of an image; `offset` and `size` in bytes."""

    path: Path
    offset: int
    size: int

    @property
    def fat(self) -> fat_images.FatImage:
        return fat_images.FatImage(self.path, self.offset, self.size, "")

    def put(self, files: Files) -> Boot:
        """Copy files in by mtools, with their directories; contents by path without a leading slash."""
        made: set[str] = set()
        for path, content in files.items():
            for parent in reversed(Path(path).parents[:-1]):
                if str(parent) not in made:
                    fat_images.make_directory_by_mtools(self.fat, str(parent))
                    made.add(str(parent))
            fat_images.put_by_mtools(
                self.fat, path, content.encode() if isinstance(content, str) else content
            )
        return self

    def tree(self) -> dict[str, bytes | None]:
        """Names and contents as mtools sees them."""
        return fat_images.mtools_tree(self.fat)

    def read(self, path: str) -> bytes:
        content = self.tree()[path]
        assert content is not None
        return content

    def complaints(self) -> list[str]:
        return fat_images.complaints(self.fat)

    def digest(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def make_fat(
    path: Path, offset: int, size: int, label: str = "", *, bits: int = 16, cluster: int | None = None
) -> Boot:
    """A new FAT file system in `size` bytes at `offset` of an image."""
    options = ["-n", label] if label else []
    options += ["-s", str(cluster // 512)] if cluster else []
    place = ("--offset", str(offset // 512), path, str(size // 1024))
    disk_images.run("mkfs.fat", "-F", str(bits), *options, *place)
    return Boot(path, offset, size)


def in_partition(
    path: Path, number: int, label: str = "", *, bits: int = 16, cluster: int | None = None
) -> Boot:
    """A new FAT file system that fills a partition of an image."""
    row = next(row for row in disk_images.sfdisk_rows(path) if row.number == number)
    return make_fat(path, row.start, row.size, label, bits=bits, cluster=cluster)


def boot_image(path: Path, files: Files | None = None, label: str = "resin-boot") -> Boot:
    """An image of 8 MiB with an MBR and a boot partition of 6 MiB."""
    path.write_bytes(_empty_image(label))
    return Boot(path, MIB, 6 * MIB).put(files or {})


@lru_cache(maxsize=8)
def _empty_image(label: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = disk_images.partitioned(Path(folder) / "image", 8 * MIB, SMALL)
        make_fat(path, MIB, 6 * MIB, label, cluster=1024)
        return path.read_bytes()
