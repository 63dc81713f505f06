"""`resin image put` of three files into a 1 GiB FAT32 with 512-byte clusters, against mtools.

    python tests/benchmarks/fat_vs_mtools.py [--runs N] [--folder DIR]

Both put the same three files (4 KiB, 64 KiB, 1 MiB), again and again, into an image that is empty and into
one that holds 200 MiB in one file and 200 small ones. The runs take turns. What counts is the wall time
above start-up, which is the median of `resin --version`: at most 0.25 s more than mtools takes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

BAR = 0.25
MIB = 1024 * 1024
OFFSET = MIB
SIZE = 1024 * MIB
SIZES = (4096, 65536, MIB)
RESIN = str(Path(sys.executable).with_name("resin"))
ENVIRONMENT = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--folder", help="where the images are made (about 300 MiB)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder or "/var/tmp") as name:
        folder = Path(name)
        files = make_files(folder)
        image = make_image(folder / "image.img")
        good = compare("empty", image, files, options.runs)
        fill(image)
        good &= compare("200 MiB used", image, files, options.runs)
        check(image, folder)
    return 0 if good else 1


def compare(what: str, image: Path, files: list[str], runs: int) -> bool:
    contenders = {
        "resin --version": [RESIN, "--version"],
        "resin image put": [RESIN, "image", "put", str(image), *files, "/"],
        "mcopy": ["mcopy", "-n", "-D", "o", "-i", f"{image}@@{OFFSET}", *files, "::/"],
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(runs + 1):
        for name, words in contenders.items():
            begun = time.perf_counter()
            run(*words)
            if turn:  # the first turn only warms up
                times[name].append(time.perf_counter() - begun)
    middle = {name: median(found) for name, found in times.items()}
    above = middle["resin image put"] - middle["resin --version"]
    for name, found in times.items():
        print(f"{what:>14}  {name:<16} {middle[name]:.3f} s  ({min(found):.3f} to {max(found):.3f})")
    good = above - middle["mcopy"] <= BAR
    print(f"{what:>14}  above start-up   {above:.3f} s, mtools {middle['mcopy']:.3f} s", end="")
    print(f" -> {'good' if good else 'TOO SLOW'} (at most {BAR} s more)")
    return good


def make_files(folder: Path) -> list[str]:
    found = []
    for number, size in enumerate(SIZES):
        path = folder / f"file number {number}.bin"
        path.write_bytes(os.urandom(size))
        found.append(str(path))
    return found


def make_image(path: Path) -> Path:
    with path.open("wb") as file:
        file.truncate(OFFSET + SIZE)
    run("sfdisk", "-q", str(path), data=b"label: dos\nstart=2048, type=c\n")
    blocks = str(SIZE // 1024)
    run("mkfs.fat", "-F", "32", "-s", "1", "-n", "resin-boot", "--offset", "2048", str(path), blocks)
    return path


def fill(image: Path) -> None:
    """By the editor itself: mtools takes minutes for it."""
    from image_tools.fat import FatFileSystem, MakeDirectory, Put

    small = [Put(f"/crowd/small file {number}.txt", b"s" * (number * 9)) for number in range(200)]
    with image.open("r+b", buffering=0) as file:
        changes = [MakeDirectory("/crowd"), *small, Put("/large.bin", bytes(200 * MIB))]
        FatFileSystem.open(file, OFFSET, SIZE).apply(changes)


def check(image: Path, folder: Path) -> None:
    """fsck.fat finds nothing, so that what was timed was also right."""
    bare = folder / "bare"
    run("dd", f"if={image}", f"of={bare}", f"bs={MIB}", "skip=1", "conv=sparse", "status=none")
    run("fsck.fat", "-n", str(bare))


def run(*words: str, data: bytes | None = None) -> None:
    done = subprocess.run(words, input=data, capture_output=True, env=ENVIRONMENT, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout.decode()}{done.stderr.decode()}")


if __name__ == "__main__":
    sys.exit(main())
