"""File systems with files in them, made without root and without mounting, and who judges them."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

from support.disk_images import ENVIRONMENT, MIB, blank, run

GRAIN = 64 * 1024
STALE = b"\xa5"


def files(folder: Path, count: int = 24, *, seed: int = 5) -> Path:
    """A folder of files of many sizes, whose bytes do not repeat."""
    source = folder / "files"
    source.mkdir(exist_ok=True)
    numbers = random.Random(seed)
    for number in range(count):
        (source / f"file-{number}").write_bytes(numbers.randbytes(numbers.randrange(1, 400_000)))
    return source


def ext(path: Path, size: int, source: Path | None, *options: str) -> Path:
    """An ext file system made by mke2fs, with the files of a folder."""
    blank(path, size)
    content = ["-d", str(source)] if source is not None else []
    kind = [] if "-t" in options else ["-t", "ext4"]
    run("mke2fs", "-q", "-F", *kind, *content, *options, path)
    return path


def fat(path: Path, size: int, source: Path | None, *options: str) -> Path:
    """A FAT file system made by mkfs.fat, with the files of a folder."""
    blank(path, size)
    run("mkfs.fat", *options, path)
    if source is not None:
        run("mcopy", "-i", path, *sorted(source.iterdir()), "::")
    return path


def used_grains_of_ext(path: Path) -> set[int]:
    """The grains that dumpe2fs does not call free, without those behind the file system's end."""
    told = run("dumpe2fs", path)
    block = int(re.search(r"Block size:\s+(\d+)", told)[1])  # type: ignore[index]
    count = int(re.search(r"Block count:\s+(\d+)", told)[1])  # type: ignore[index]
    used = bytearray(b"\1") * count
    for line in re.findall(r"^  Free blocks: (.*)$", told, re.MULTILINE):
        for part in filter(None, line.split(", ")):
            first, _, last = part.partition("-")
            used[int(first) : int(last or first) + 1] = bytes(int(last or first) - int(first) + 1)
    blocks = [number for number in range(count) if used[number]]
    return {place for b in blocks for place in (b * block // GRAIN, ((b + 1) * block - 1) // GRAIN)}


def ext_problems(path: Path) -> str:
    """What e2fsck finds wrong, empty if nothing."""
    return _problems("e2fsck", "-fn", path)


def fat_problems(path: Path) -> str:
    return _problems("fsck.fat", "-n", path)


def ext_files(path: Path, folder: Path) -> dict[str, bytes]:
    """The files in the root of an ext file system, read by debugfs."""
    folder.mkdir()
    run("debugfs", "-R", f"rdump / {folder}", path)
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def fat_files(path: Path, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    run("mcopy", "-s", "-i", path, "::/*", folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def copied(source: Path, goal: Path, ranges: list[tuple[int, int]]) -> Path:
    """A stale file of the same size, with the ranges of `source` copied into it."""
    size = source.stat().st_size
    with source.open("rb") as here, goal.open("wb") as there:
        for _ in range(size // MIB):
            there.write(STALE * MIB)
        there.write(STALE * (size % MIB))
        for start, end in ranges:
            here.seek(start)
            there.seek(start)
            there.write(here.read(end - start))
    return goal


def part_of(path: Path, goal: Path, start: int, size: int) -> Path:
    with path.open("rb") as file:
        file.seek(start)
        goal.write_bytes(file.read(size))
    return goal


def placed(image: Path, part: Path, start: int) -> None:
    """Put a file system into an image."""
    with image.open("r+b") as file:
        file.seek(start)
        file.write(part.read_bytes())


def _problems(*command: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr
