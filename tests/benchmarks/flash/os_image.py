"""A 2 GiB image like an operating system's, made without root or mounting; its files are always the same.

An MBR, a 40 MiB FAT boot partition with 18 MB used, two 380 MiB ext4 roots (300 MB of files in one, the
other empty), and, as logical partitions, 20 MiB of state and 1.2 GiB of data, aligned to 4 MiB. Made twice:
with a data partition that is nearly empty, and with one that is four fifths full.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
MB = 1000 * 1000
SIZE = 2048 * MIB
EPOCH = "1500000000"
TABLE = """
label: dos
label-id: 0x2a37f0de
start=8192,    size=81920,   type=c, bootable
start=90112,   size=778240,  type=83
start=868352,  size=778240,  type=83
start=1646592, size=2547712, type=f
start=1654784, size=40960,   type=83
start=1703936, size=2490368, type=83
"""
ENVIRONMENT = {
    **os.environ,
    "LC_ALL": "C.UTF-8",
    "MTOOLSRC": os.devnull,
    "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
    "SOURCE_DATE_EPOCH": EPOCH,
    "E2FSPROGS_FAKE_TIME": EPOCH,
    "TZ": "UTC",
}


@dataclass(frozen=True)
class Part:
    """A partition: where it lies, in bytes, and how many bytes of files are in it."""

    label: str
    start: int
    size: int
    files: int


BOOT = Part("resin-boot", 4 * MIB, 40 * MIB, 18 * MB)
ROOT = Part("resin-root", 44 * MIB, 380 * MIB, 300 * MB)
SPARE = Part("resin-updt", 424 * MIB, 380 * MIB, 0)
STATE = Part("resin-conf", 808 * MIB, 20 * MIB, 1 * MB)
DATA = Part("resin-data", 832 * MIB, 1216 * MIB, 36 * MB)
FULL_DATA = Part(DATA.label, DATA.start, DATA.size, 960 * MB)
EXT4 = (ROOT, SPARE, STATE, DATA)


def make(path: Path, sparse: Path, *, full: bool = False) -> Path:
    """The image twice: as a file without holes, and as one with holes where nothing was written."""
    scratch = path.with_suffix(".files")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    unfinished = path.with_suffix(".part")
    try:
        with sparse.open("wb") as file:
            file.truncate(SIZE)
        run("sfdisk", "--quiet", sparse, stdin=TABLE)
        make_boot(sparse, scratch / BOOT.label)
        for part in (ROOT, SPARE, STATE, FULL_DATA if full else DATA):
            make_ext4(sparse, part, scratch / part.label)
        # Holes would tell what is unused, which only the file systems are to tell.
        run("cp", "--sparse=never", sparse, unfinished)
    finally:
        shutil.rmtree(scratch)
    unfinished.rename(path)
    return path


def make_boot(image: Path, folder: Path) -> None:
    kib = str(BOOT.size // 1024)
    options = ("-F", "16", "-n", BOOT.label.upper(), "-i", "2a37f0de", "--invariant")
    run("mkfs.fat", *options, "--offset", str(BOOT.start // 512), image, kib)
    fill(folder, BOOT.files, seed=BOOT.label)
    run("mcopy", "-s", "-m", "-i", f"{image}@@{BOOT.start}", *sorted(folder.iterdir()), "::/")


def make_ext4(image: Path, part: Part, folder: Path) -> None:
    fill(folder, part.files, seed=part.label)
    same = f"00000000-0000-4000-8000-{part.start // MIB:012d}"
    extended = f"offset={part.start},hash_seed={same},root_owner=0:0,lazy_itable_init=1"
    options = ("-q", "-F", "-t", "ext4", "-L", part.label, "-U", same, "-E", extended, "-d", folder)
    run("mke2fs", *options, image, f"{part.size // 1024}k")


def fill(folder: Path, total: int, *, seed: str) -> None:
    """`total` bytes of files, small and large, that shrink to about a third as a system's do."""
    chance = random.Random(seed)
    words = [chance.randbytes(chance.choice((2, 4, 6, 8, 12))) for _ in range(256)]
    for number, size in enumerate(sizes(chance, total)):
        place = folder / f"dir{number % 40:02d}" / f"file{number:05d}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content(chance, words, size))
        os.utime(place, (int(EPOCH), int(EPOCH)))
    folder.mkdir(parents=True, exist_ok=True)
    for path in (folder, *folder.iterdir()):
        os.utime(path, (int(EPOCH), int(EPOCH)))


def sizes(chance: random.Random, total: int) -> Iterator[int]:
    while total > 0:
        size = min(total, int(2 ** chance.uniform(10, 22)))
        yield size
        total -= size


def content(chance: random.Random, words: list[bytes], size: int) -> bytes:
    """An eighth of noise, as packed data is, and the rest of words."""
    noise = chance.randbytes(size // 8)
    text = b"".join([words[pick] for pick in chance.randbytes((size - len(noise)) // 5)])
    text += bytes(max(0, size - len(noise) - len(text)))
    return (text[: size - len(noise)] + noise)[:size]


def run(*command: str | Path, stdin: str | None = None) -> str:
    """The standard output of a tool that has to succeed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed: {done.stdout}{done.stderr}")
    return done.stdout
