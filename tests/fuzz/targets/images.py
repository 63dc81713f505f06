"""Readers of images, and the writer of FAT volumes."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from fuzz.targets.script import Script, base, documents, patched, sealed
from resin_toolkit.errors import ResinError

_MOST_BYTES = 4 * 1024 * 1024
_MIB = 1024 * 1024
_FATS = (("fat12", 3584), ("fat12one", 1536), ("fat16", 19968), ("fat32", 26624))
"""Volumes, and where the first of their files begins."""
_EXTS = ("ext4", "ext2", "bigalloc", "ext4old")
_EXT_HEAD = 4096
_CHECKSUM = re.compile(rb"(<BmapFileChecksum>\s*)([0-9A-Fa-f]{64})")


@contextmanager
def _file(content: bytes | bytearray) -> Iterator[str]:
    """The path of a file in memory, also for programs that inherit its descriptor."""
    descriptor = os.memfd_create("image")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def partition_table(data: bytes) -> None:
    """MBR, extended boot records and GPT."""
    from image_tools.partitions import read_table

    for tolerant in (False, True):
        try:
            read_table(io.BytesIO(data), len(data), tolerant=tolerant)
        except ResinError:
            continue


def gpt(data: bytes) -> None:
    """A GPT with valid checksums: its header, its entries, and its move to a larger drive."""
    from image_tools.partitions import read_table
    from image_tools.partitions.gpt_relocation import relocate_gpt

    script = Script(data)
    sector = 4096 if script.number() & 1 else 512
    drive = script.number(2) * 512
    header = bytearray(struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, 1, 63, 34, 60,
                                   bytes(16), 2, 8, 128, 0))  # fmt: skip
    for _ in range(script.number() & 7):
        place = script.number() % len(header)
        value = script.take(1 + (script.number() & 7))
        header[place : place + len(value)] = value
    entries = script.rest()
    del header[92:]
    count, size = struct.unpack_from("<II", header, 80)
    entries = entries.ljust(min(count * size, 65536), b"\0")
    header[88:92] = zlib.crc32(entries[: count * size]).to_bytes(4, "little")
    header[16:20] = bytes(4)
    length = struct.unpack_from("<I", header, 12)[0]
    covered = bytes(header).ljust(sector, b"\0")[: min(length, sector)]
    header[16:20] = zlib.crc32(covered).to_bytes(4, "little")
    mbr = bytes(446) + bytes.fromhex("00000200eeffffff01000000ffffffff") + bytes(48) + b"\x55\xaa"
    image = mbr.ljust(sector, b"\0") + bytes(header).ljust(sector, b"\0") + entries
    image = image.ljust(64 * sector, b"\0")
    found = relocate_gpt(lambda start, length: image[start : start + length], drive, sector)
    if found is not None:
        moved = bytearray(image.ljust(drive, b"\0"))
        for offset, content in found.changes:
            assert 0 <= offset <= drive - len(content)
            moved[offset : offset + len(content)] = content
        read_table(io.BytesIO(moved), len(moved), tolerant=True)
    partition_table(image)


def fat(data: bytes) -> None:
    """A FAT file system: list, read and check all of it, then change a file."""
    from image_tools.fat import FatFileSystem, Put

    filesystem = FatFileSystem.open(io.BytesIO(data), 0, len(data))
    for entry in filesystem.walk():
        if not entry.is_directory and entry.size < _MOST_BYTES:
            filesystem.read(entry.path)
    filesystem.check()
    filesystem.apply([Put("/config.json", b"{}" * 600)])


def fat_changes(data: bytes) -> None:
    """Changes to a damaged FAT volume: all of them or none, and nothing else is lost.

    What fsck.fat accepted before, it accepts afterwards.
    """
    from image_tools.fat import FatFileSystem, MakeDirectory, Put, Remove

    script = Script(data)
    name, head = _FATS[script.number() & 3]
    volume = patched(base(name), script, head)
    before = bytes(volume)
    changes: list[Put | Remove | MakeDirectory] = []
    for _ in range(script.number() & 7):
        kind, path = script.number(), script.line().decode("utf-8", "surrogateescape")
        if kind & 3 == 0:
            changes.append(Remove(path, recursive=bool(kind & 4)))
        elif kind & 3 == 1:
            changes.append(MakeDirectory(path, make_parents=bool(kind & 4), exist_ok=bool(kind & 8)))
        else:
            changes.append(Put(path, bytes([kind]) * script.number(2), make_parents=bool(kind & 4)))
    try:
        filesystem = FatFileSystem.open(io.BytesIO(volume), 0, len(volume))
        contents = _contents(filesystem)
    except ResinError:
        return
    file = io.BytesIO(before)
    filesystem = FatFileSystem.open(file, 0, len(before))
    try:
        filesystem.apply(changes)
    except ResinError:
        assert file.getvalue() == before, "changed in part"
        return
    after = file.getvalue()
    filesystem = FatFileSystem.open(io.BytesIO(after), 0, len(after))
    filesystem.check()
    touched = [change.path.strip("/").lower() for change in changes]
    now = _contents(filesystem)
    for path, content in contents.items():
        if not any(path.lower().startswith(each) for each in touched):
            assert now.get(path) == content, f"{path} changed"
    if changes and isinstance(changes[-1], Put):
        assert filesystem.read(changes[-1].path) == changes[-1].content
    if zlib.crc32(data) & 7 == 0 and _is_accepted(before):
        assert _is_accepted(after), "fsck.fat does not accept the result"


def _contents(filesystem: object) -> dict[str, bytes]:
    from image_tools.fat import FatFileSystem

    assert isinstance(filesystem, FatFileSystem)
    return {
        entry.path.strip("/"): filesystem.read(entry.path)
        for entry in filesystem.walk()
        if not entry.is_directory and entry.size < _MOST_BYTES
    }


@cache
def _fsck() -> str | None:
    return shutil.which("fsck.fat", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _is_accepted(volume: bytes) -> bool:
    program = _fsck()
    if program is None:
        return True
    with _file(volume) as path:
        number = int(path.rpartition("/")[2])
        checked = subprocess.run(
            [program, "-n", path], pass_fds=[number], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    return checked.returncode == 0


def boot_files(data: bytes) -> None:
    """A boot partition whose files are any: what `image info` and `configure` read of it."""
    from image_tools.answers.from_image import answers_from_image
    from image_tools.answers.writer import write_answers
    from image_tools.boot_partition import open_boot
    from image_tools.configuration import Request, plan
    from image_tools.fat import FatFileSystem, Put
    from image_tools.image_info import read_image_info
    from image_tools.lint.image import check_image
    from image_tools.pc_boot import read_startup
    from image_tools.raspberry_pi import find_boot_files

    file = io.BytesIO(base("fat12"))
    files = documents(data, "config.json")
    try:
        FatFileSystem.open(file).apply([Put(f"/{name}", files[name], make_parents=True) for name in files])
    except ResinError:
        return
    for read in (
        lambda: read_image_info("image", file, None)[0].data(),
        lambda: check_image(open_boot(file)),
        lambda: write_answers(answers_from_image(open_boot(file).filesystem)[0]),
        lambda: plan(open_boot(file).filesystem, Request()),
        lambda: find_boot_files(open_boot(file).filesystem, "pi3"),
        lambda: read_startup(file, open_boot(file).table, open_boot(file).filesystem),
    ):
        try:
            read()
        except ResinError:
            continue


def file_system(data: bytes) -> None:
    """Recognition of a file system, of whatever type."""
    from image_tools.filesystems import probe

    probe(io.BytesIO(data), 0, len(data))


def usage(data: bytes) -> None:
    """Which blocks of a whole image are in use: partition table, FAT and ext4."""
    from image_tools.usage.survey import Survey

    asked: list[tuple[int, int, Callable[[bytes], None]]] = []
    survey = Survey(len(data), lambda offset, length, take: asked.append((offset, length, take)))
    survey.begin()
    while asked:
        offset, length, take = asked.pop()
        if offset >= 0 and offset + length <= len(data):
            take(data[offset : offset + length])
    end = 0
    for start, stop in survey.needed(0, len(data)):
        assert end <= start < stop <= len(data)
        end = stop


def ext4(data: bytes) -> None:
    """The superblock, groups and bitmaps of an ext file system in the only partition of an image."""
    script = Script(data)
    image = patched(base(_EXTS[script.number() & 3]), script, _EXT_HEAD)
    entry = struct.pack("<4xB3xII", 0x83, _MIB // 512, len(image) // 512)
    usage((bytes(446) + entry + bytes(48) + b"\x55\xaa").ljust(_MIB, b"\0") + image)
    file_system(image)


def block_map(data: bytes) -> None:
    """A block map, whose own checksum is corrected, and an image of zeros that is compared with it."""
    from image_tools.block_map import read_block_map, verify_ranges

    try:
        read_block_map(data, "image.bmap")
    except ResinError:
        blank = _CHECKSUM.sub(lambda found: found[1] + b"0" * 64, data, count=1)
        digest = hashlib.sha256(blank).hexdigest().encode()
        data = _CHECKSUM.sub(lambda found: found[1] + digest, blank, count=1)
    found = read_block_map(data, "image.bmap")
    if found.image_size <= _MIB:
        verify_ranges(found, found.image_size, lambda buffer, _: len(buffer), int)


def compressed(data: bytes) -> None:
    """An image, whatever its compression; zip archives too."""
    from image_tools.source import open_source

    with _file(data) as path, open_source(path) as source:
        buffer = memoryview(bytearray(65536))
        size = 0
        while size < _MOST_BYTES and (count := source.readinto(buffer)):
            size += count


def xz_index(data: bytes) -> None:
    """An .xz file whose header, index and footer have valid checksums, with any fields."""
    from image_tools.source import xz_index as index

    script = Script(data)
    flags, content = script.take(2).ljust(2, b"\0"), script.block()
    body = b"\0" + script.block()
    body = sealed(body + bytes(-len(body) % 4))
    stream = index.header_bytes(flags) + content + bytes(-len(content) % 4) + body
    stream += index.footer_bytes(flags, len(body)) + bytes(4 * (script.number() & 3))

    def read_at(offset: int, count: int) -> bytes:
        assert offset >= 0
        return stream[offset : offset + count]

    index.blocks(read_at, len(stream))
    index.content_size(read_at, len(stream))
    compressed(stream)


def zstandard_frames(data: bytes) -> None:
    """Frame headers and block headers of Zstandard, read from the end of a file."""
    from image_tools.source.zstandard_frames import content_size

    def read_at(offset: int, count: int) -> bytes:
        return data[offset : offset + count]

    content_size(read_at, len(data))


def zip_entries(data: bytes) -> None:
    """A zip archive of files of any names and contents, whose directory is then changed."""
    import warnings
    import zipfile

    script = Script(data)
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as archive:
        warnings.simplefilter("ignore", UserWarning)  # Two files of one name.
        for _ in range(script.number() & 7):
            method = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
            name = script.line().decode("utf-8", "replace")
            entry = zipfile.ZipInfo(name)
            archive.writestr(entry, script.block() * 50, method[script.number() & 3])
    content = file.getvalue()
    compressed(bytes(patched(content, script, len(content))))


def sparse(data: bytes) -> None:
    """Holes and data of a sparse file: all of it is one or the other."""
    from image_tools.source.sparse import holes

    script = Script(data)
    descriptor = os.memfd_create("sparse")
    try:
        while script and os.lseek(descriptor, 0, os.SEEK_CUR) < 64 * _MIB:
            os.write(descriptor, b"x")
            os.lseek(descriptor, script.number(2) * 4096, os.SEEK_CUR)
        size = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.ftruncate(descriptor, size)
        end = 0
        for start, stop in holes(descriptor, size):
            assert end <= start < stop <= size
            assert not any(os.pread(descriptor, min(stop - start, 65536), start))
            end = stop
    finally:
        os.close(descriptor)


TARGETS = (
    partition_table,
    gpt,
    fat,
    fat_changes,
    boot_files,
    file_system,
    usage,
    ext4,
    block_map,
    compressed,
    xz_index,
    zstandard_frames,
    zip_entries,
    sparse,
)
