"""Disk images made by sfdisk, sgdisk and the mkfs tools; sparse files, without root and without mounting."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
SECTOR = 512
ENVIRONMENT = {
    **os.environ,
    "LC_ALL": "C.UTF-8",
    "MTOOLSRC": os.devnull,
    "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
}

RESIN_LAYOUT = """
label: dos
label-id: 0x2a37f0de
start=8192,  size=81920, type=c, bootable
start=90112, size=16384, type=83
start=106496, size=16384, type=83
start=122880, size=81920, type=f
start=131072, size=16384, type=83
start=155648, size=16384, type=83
"""
"""The partitions of a resinOS image of 2017, aligned to 4 MiB; 100 MiB in all."""


def run(*command: str | Path, stdin: str | None = None) -> str:
    """The standard output of a tool that has to succeed."""
    done = subprocess.run(
        [str(word) for word in command], input=stdin, capture_output=True, text=True, env=ENVIRONMENT
    )
    if done.returncode:
        raise AssertionError(f"{command} failed: {done.stdout}{done.stderr}")
    return done.stdout


def has(tool: str) -> bool:
    return shutil.which(tool, path=ENVIRONMENT["PATH"]) is not None


def blank(path: Path, size: int) -> Path:
    """A sparse file of `size` bytes."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def partitioned(path: Path, size: int, script: str, *options: str) -> Path:
    """An image with the partition table that the sfdisk script describes."""
    blank(path, size)
    run("sfdisk", "--quiet", *options, path, stdin=script)
    return path


def resin_image(path: Path) -> Path:
    return partitioned(path, 100 * MIB, RESIN_LAYOUT)


def gpt(path: Path, size: int, *options: str) -> Path:
    """An image with a GPT made by sgdisk from options such as `--new=1:2048:+1M`."""
    blank(path, size)
    run("sgdisk", "--clear", "--set-alignment=1", *options, path)
    return path


@dataclass(frozen=True)
class Row:
    """A partition as sfdisk tells of it; in bytes."""

    number: int
    start: int
    size: int
    type_code: str
    name: str
    bootable: bool


def sfdisk_rows(path: Path, *options: str) -> list[Row]:
    """What `sfdisk --json` finds in an image."""
    table = json.loads(run("sfdisk", "--json", *options, path))["partitiontable"]
    sector = table["sectorsize"]
    return [
        Row(
            number=int(row["node"].removeprefix(str(path)).lstrip("p")),
            start=row["start"] * sector,
            size=row["size"] * sector,
            type_code=row["type"] if table["label"] == "gpt" else f"0x{int(row['type'], 16):02x}",
            name=row.get("name", ""),
            bootable=bool(row.get("bootable")) or "LegacyBIOSBootable" in row.get("attrs", ""),
        )
        for row in table.get("partitions", [])
    ]


def poke(path: Path, position: int, data: bytes) -> None:
    """Overwrite bytes of an image."""
    with path.open("r+b") as file:
        file.seek(position)
        file.write(data)


def peek(path: Path, position: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(position)
        return file.read(length)


def set_slot(path: Path, table: int, index: int, kind: int, start: int, count: int) -> None:
    """Write an entry of the MBR or EBR in sector `table`; `start` is relative as the table has it."""
    entry = struct.pack("<B3sB3sII", 0, bytes(3), kind, bytes(3), start, count)
    poke(path, table * SECTOR + 446 + 16 * index, entry)


def sign_gpt(path: Path, position: int, sector: int = SECTOR) -> None:
    """Make the checksums of the GPT header at `position` right again after its fields or entries changed."""
    header = bytearray(peek(path, position, sector))
    (entries_lba,) = struct.unpack_from("<Q", header, 72)
    count, size = struct.unpack_from("<II", header, 80)
    if count * size <= 16 * MIB and entries_lba < 1 << 40:
        struct.pack_into("<I", header, 88, zlib.crc32(peek(path, entries_lba * sector, count * size)))
    length = struct.unpack_from("<I", header, 12)[0]
    struct.pack_into("<I", header, 16, 0)
    struct.pack_into("<I", header, 16, zlib.crc32(bytes(header[:length])))
    poke(path, position, bytes(header))
