"""FAT images made by mkfs.fat inside a bigger file with guard bytes around them, and their judges.

The judges are other programs: `fsck.fat -n` for the structures, mtools for names and contents. fsck.fat knows
no offset, so it gets a sparse copy of the partition; mtools reads the file in place.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
GUARD = 8192
ENVIRONMENT = {
    **os.environ,
    "LC_ALL": "C.UTF-8",
    "MTOOLSRC": os.devnull,
    "PATH": f"{os.environ['PATH']}:/usr/sbin",
}

Tree = dict[str, bytes | None]
"""Contents by path without a leading slash; None for a directory."""


@dataclass(frozen=True)
class Geometry:
    """What mkfs.fat is told; `mib` is the size of the partition in MiB."""

    bits: int
    cluster: int
    mib: float
    sector: int = 512
    fats: int = 2
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        size = f"{self.cluster // 1024}K" if self.cluster >= 1024 else f"{self.cluster}B"
        extra = "".join(self.options).replace("--", "-")
        sector = f"-sector{self.sector}" if self.sector != 512 else ""
        return f"fat{self.bits}-{size}-{self.fats}fat{sector}{extra}".replace(" ", "_")

    @property
    def bytes(self) -> int:
        return int(self.mib * MIB)


def _all_cluster_sizes() -> Iterator[Geometry]:
    for power in range(8):
        cluster = 512 << power
        for fats in (1, 2):
            yield Geometry(12, cluster, max(1.4, 1.4 * (cluster // 1024)), fats=fats)
            yield Geometry(16, cluster, 4.2 * (cluster // 512) / 2 + 1, fats=fats)
            yield Geometry(32, cluster, 33 * (cluster // 512) + 3, fats=fats)


GEOMETRIES = (
    *_all_cluster_sizes(),
    Geometry(12, 4096, 4, sector=4096),
    Geometry(12, 2048, 3, sector=1024, fats=1),
    Geometry(16, 4096, 20, sector=4096),
    Geometry(16, 65536, 300, sector=4096),
    Geometry(16, 2048, 12, sector=2048, fats=1),
    Geometry(32, 4096, 280, sector=4096),
    Geometry(32, 65536, 4300, sector=4096, fats=1),
    Geometry(32, 4096, 280, sector=2048),
    Geometry(12, 1024, 2, options=("-r", "16")),
    Geometry(16, 2048, 40, options=("-r", "64", "-R", "7")),
    Geometry(16, 2048, 40, options=("-n", "resin-boot", "-a")),
    Geometry(12, 512, 1.4, options=("-R", "3", "-n", "FLASH-BOOT")),
    Geometry(32, 512, 40, options=("-R", "33", "-a", "-n", "RESIN-BOOT")),
    Geometry(32, 512, 40, options=("-R", "40", "-b", "2", "-h", "63")),
)


@dataclass(frozen=True)
class FatImage:
    """A partition at `offset` of a file, with random guard bytes before and behind it."""

    path: Path
    offset: int
    size: int
    guards: str

    @property
    def mtools_name(self) -> str:
        return f"{self.path}@@{self.offset}"

    def guards_now(self) -> str:
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            digest.update(os.pread(file.fileno(), self.offset, 0))
            digest.update(os.pread(file.fileno(), 16 * GUARD, self.offset + self.size))
        return digest.hexdigest()

    def digest(self) -> str:
        """A hash of the whole file that skips its holes."""
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            for at, data in stretches(file.fileno(), 0, os.fstat(file.fileno()).st_size):
                digest.update(at.to_bytes(8, "little"))
                digest.update(data)
        return digest.hexdigest()

    def copy(self, path: Path) -> FatImage:
        copy_sparse(self.path, 0, self.path.stat().st_size, path)
        return FatImage(path, self.offset, self.size, self.guards)


def make_image(path: Path, geometry: Geometry, *, offset: int = 65 * 512, seed: int = 7) -> FatImage:
    """Make a file at `path` that holds a new file system of `geometry` at `offset`, between guards."""
    bare = path.with_suffix(".mkfs")
    make_bare(bare, geometry)
    chance = random.Random(seed)
    with path.open("wb") as file:
        file.write(chance.randbytes(offset))
        with bare.open("rb") as source:
            for at, data in stretches(source.fileno(), 0, geometry.bytes):
                file.seek(offset + at)
                file.write(data)
        file.seek(offset + geometry.bytes)
        file.write(chance.randbytes(GUARD))
    bare.unlink()
    image = FatImage(path, offset, geometry.bytes, "")
    return FatImage(path, offset, geometry.bytes, image.guards_now())


def make_bare(path: Path, geometry: Geometry) -> None:
    """A new file system that fills the file `path`."""
    with path.open("wb") as file:
        file.truncate(geometry.bytes)
    run(
        "mkfs.fat", "-F", str(geometry.bits), "-S", str(geometry.sector), "-i", "1234ABCD",
        "-s", str(geometry.cluster // geometry.sector), "-f", str(geometry.fats), *geometry.options,
        str(path),
    )  # fmt: skip


def stretches(descriptor: int, start: int, size: int) -> Iterator[tuple[int, bytes]]:
    """The parts of a file that aren't holes, as offsets from `start` and data."""
    position, end = start, start + size
    while position < end:
        try:
            position = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        hole = min(os.lseek(descriptor, position, os.SEEK_HOLE), end)
        while position < hole:
            data = os.pread(descriptor, min(4 * MIB, hole - position), position)
            yield position - start, data
            position += len(data)


def copy_sparse(source: Path, start: int, size: int, target: Path) -> None:
    """Copy `size` bytes from `start` of `source` to a new file, holes kept."""
    with source.open("rb") as reader, target.open("wb") as writer:
        writer.truncate(size)
        for at, data in stretches(reader.fileno(), start, size):
            os.pwrite(writer.fileno(), data, at)


def run(*words: str, data: bytes | None = None, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(words, input=data, capture_output=True, env=ENVIRONMENT, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(words)}: {done.returncode}\n{_text(done)}")
    return done


def _text(done: subprocess.CompletedProcess[bytes]) -> str:
    return (done.stdout + done.stderr).decode(errors="replace")


# the judges


def complaints(image: FatImage) -> list[str]:
    """What `fsck.fat -n` says of the partition, each complaint with its indented lines joined to it.

    Empty for a clean one. fsck.fat ends with 1 for what it would repair, with 0 for some things that it only
    remarks on, and closes with "Leaving filesystem unchanged."; so both the code and the lines are looked at.
    """
    with tempfile.TemporaryDirectory(dir=image.path.parent) as folder:
        bare = Path(folder) / "partition"
        copy_sparse(image.path, image.offset, image.size, bare)
        done = run("fsck.fat", "-n", str(bare), check=False)
    found: list[str] = []
    for line in _text(done).splitlines():
        if line.startswith(("fsck.fat ", f"{bare}: ")) or line in ("", "Leaving filesystem unchanged."):
            continue
        if line.startswith(" ") and found:
            found[-1] += " | " + line.strip()
        else:
            found.append(line.strip())
    if done.returncode and not found:
        found.append(f"fsck.fat ended with {done.returncode}")
    return found


def mtools_tree(image: FatImage) -> Tree:
    """Names and contents as mtools copies them out."""
    with tempfile.TemporaryDirectory(dir=image.path.parent) as folder:
        done = run("mcopy", "-s", "-n", "-Q", "-i", image.mtools_name, "::/", folder, check=False)
        if done.returncode:
            raise AssertionError(f"mcopy failed: {_text(done)}")
        return _folder_tree(folder, "")


def _folder_tree(folder: str, prefix: str) -> Tree:
    tree: Tree = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir():
                tree[name] = None
                tree |= _folder_tree(entry.path, name + "/")
            else:
                tree[name] = Path(entry.path).read_bytes()
    return tree


def as_mtools_shows(name: str) -> str:
    """`name` as mtools writes it: it knows no characters beyond the first plane."""
    return re.sub("[\U00010000-\U0010ffff]", "__", name)


def put_by_mtools(image: FatImage, path: str, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=image.path.parent) as file:
        file.write(data)
        file.flush()
        run("mcopy", "-n", "-D", "o", "-i", image.mtools_name, file.name, f"::/{path}")


def make_directory_by_mtools(image: FatImage, path: str) -> None:
    run("mmd", "-i", image.mtools_name, f"::/{path}")


def listing_by_mtools(image: FatImage, path: str = "") -> list[str]:
    """Lines of `mdir` for one directory."""
    return run("mdir", "-i", image.mtools_name, f"::/{path}").stdout.decode().splitlines()


@contextmanager
def scratch_folder(fallback: Path) -> Iterator[Path]:
    """A folder in memory where the machine has one: the images are sparse, and flushed very often."""
    shared = Path("/dev/shm")
    roomy = shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 512 * MIB
    if not roomy:
        yield fallback
        return
    with tempfile.TemporaryDirectory(dir=shared, prefix="resin-fat-") as folder:
        yield Path(folder)
