"""Disks without a table, things that are no disk, and tables with random damage."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
from contextlib import suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.disk_images import MIB, blank, partitioned, poke, run, set_slot
from support.examples import examples

from image_tools.filesystems import probe
from image_tools.partitions import Partition, Scheme, read_table
from resin_toolkit.errors import NotAnImage, ResinError

SIZE = 8 * MIB
FATS = {
    "plain": ("mkfs.fat", "--mbr=n"),
    "with a table of its own": ("mkfs.fat", "--mbr=y"),
    "fat12": ("mkfs.fat", "-F", "12"),
    "fat32": ("mkfs.fat", "-F", "32", "-s", "1"),
}
OTHERS = {"ext4": ("mkfs.ext4", "-q"), "swap": ("mkswap",)}


class CountedReads(io.BytesIO):
    """A file in memory that adds up what is read of it."""

    amount = 0
    calls = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.amount += len(data)
        self.calls += 1
        return data


@pytest.mark.parametrize("name", [*FATS, *OTHERS])
def test_a_bare_file_system(tmp_path: Path, name: str) -> None:
    image = blank(tmp_path / "image", SIZE)
    run(*(FATS | OTHERS)[name], image)
    with image.open("rb") as file:
        table = read_table(file)
    assert table.scheme is Scheme.NONE
    assert table.partitions == (Partition(number=1, start=0, size=SIZE, type_code=""),)
    assert table.notices == ()


def test_the_table_inside_a_fat_is_there(tmp_path: Path) -> None:
    """What the test above is about: a FAT boot sector that is also a sound MBR but for its start."""
    image = blank(tmp_path / "image", SIZE)
    run(*FATS["with a table of its own"], image)
    assert image.read_bytes()[446:462] != bytes(16)


def test_a_fat_made_over_a_partitioned_disk(tmp_path: Path) -> None:
    image = partitioned(tmp_path / "image", SIZE, "label: gpt\nstart=2048, size=2048\n")
    run("mkfs.fat", "-I", image)
    with image.open("rb") as file:
        assert read_table(file).scheme is Scheme.NONE


def test_remains_in_a_fats_boot_program_that_would_lie_far_outside(tmp_path: Path) -> None:
    image = blank(tmp_path / "image", SIZE)
    run("mkfs.fat", image)
    set_slot(image, 0, 2, 0x72, 0x6C6F7274, 0x20736B)
    with image.open("rb") as file:
        assert read_table(file).scheme is Scheme.NONE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        bytes(511),
        bytes(512),
        bytes(2 * MIB),
        random.Random(1).randbytes(MIB),
        b"# a text\n" * 1000,
        gzip.compress(random.Random(2).randbytes(MIB), mtime=0),
        lzma.compress(random.Random(2).randbytes(MIB)),
        bz2.compress(random.Random(2).randbytes(MIB)),
        b"PK\x03\x04" + random.Random(3).randbytes(MIB),
        b"\x7fELF" + bytes(506) + b"\x55\xaa",
    ],
    ids=lambda content: f"{content[:8].hex()}-{len(content)}",
)
def test_what_is_no_image(content: bytes) -> None:
    if content[:4] == b"\x7fELF":
        content = content[:450] + b"code" * 15 + b"\x55\xaa"
    for tolerant in (False, True):
        with pytest.raises(NotAnImage):
            read_table(io.BytesIO(content), tolerant=tolerant)


def test_the_reading_of_a_table_leaves_the_big_file_alone(tmp_path: Path) -> None:
    image = blank(tmp_path / "image", 64 * MIB)
    run("mkfs.fat", "-F", "32", "-s", "1", image)
    file = CountedReads(image.read_bytes())
    assert read_table(file).scheme is Scheme.NONE
    assert file.amount < 128 * 1024


@cache
def specimens() -> dict[str, bytes]:
    """The images that damage is done to; 4 MiB each."""
    logicals = "".join(f"start={2112 + 128 * n}, size=32, type=83\n" for n in range(8))
    scripts = {
        "mbr": f"label: dos\nstart=64, size=1024, type=c\nstart=2048, size=4096, type=5\n{logicals}",
        "gpt": "label: gpt\nstart=2048, size=1024\nstart=4096, size=1024\n",
    }
    with TemporaryDirectory() as folder:
        found = {n: partitioned(Path(folder, n), 4 * MIB, s).read_bytes() for n, s in scripts.items()}
        for name, command in (("fat", ("mkfs.fat",)), ("ext4", ("mkfs.ext4", "-q"))):
            path = blank(Path(folder, name), 4 * MIB)
            run(*command, path)
            found[name] = path.read_bytes()
        hybrid = Path(folder, "hybrid")
        hybrid.write_bytes(found["gpt"])
        set_slot(hybrid, 0, 1, 0x0C, 2048, 1024)
        poke(hybrid, 510, b"\x55\xaa")
        found["hybrid"] = hybrid.read_bytes()
    return found


PLACES = {
    "mbr": [(446, 66), *((512 * (2048 + n) + 446, 66) for n in range(0, 1024, 64))],
    "gpt": [(446, 66), (512, 92), (1024, 256), (4 * MIB - 512, 92), (4 * MIB - 33 * 512, 256)],
    "hybrid": [(446, 66), (512, 92), (1024, 256)],
    "fat": [(0, 90), (446, 66), (512, 64)],
    "ext4": [(0, 512), (1024, 1024)],
}


@st.composite
def damage(draw: st.DrawFn) -> tuple[str, list[tuple[int, bytes]], int]:
    """Which image, what is written over it where, and the length that is left of it."""
    name = draw(st.sampled_from(sorted(PLACES)))
    writes = []
    for _ in range(draw(st.integers(1, 6))):
        start, length = draw(st.sampled_from(PLACES[name]))
        position = start + draw(st.integers(0, length - 1))
        special = st.sampled_from([b"\0", b"\xff" * 4, b"\xff" * 8, b"\x05", b"\x0f", b"\xee", b"\x01\0\0\0"])
        writes.append((position, draw(st.one_of(special, st.binary(min_size=1, max_size=9)))))
    length = draw(st.one_of(st.just(4 * MIB), st.integers(0, 4 * MIB), st.integers(0, 4096)))
    return name, writes, length


@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(damage(), st.booleans())
@example(("mbr", [(446 + 4, b"\xee")], 4 * MIB), False)
def test_damage_ends_in_a_table_or_an_error_of_ours(
    hurt: tuple[str, list[tuple[int, bytes]], int], tolerant: bool
) -> None:
    name, writes, length = hurt
    data = bytearray(specimens()[name])
    for position, content in writes:
        data[position : position + len(content)] = content
    file = CountedReads(bytes(data[:length]))
    try:
        table = read_table(file, tolerant=tolerant)
    except ResinError:
        return
    finally:
        assert file.amount < 2 * MIB
        assert file.calls < 2000
    numbers = [partition.number for partition in table.partitions]
    assert len(set(numbers)) == len(numbers)
    if not tolerant:
        plain = sorted((p.start, p.end) for p in table.partitions if not p.is_extended)
        assert all(first[1] <= second[0] for first, second in pairwise(plain))


@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(damage(), st.sampled_from([0, 512, 2048 * 512, 1 << 65]), st.booleans())
def test_a_probe_of_damage_tells_or_tells_nothing(
    hurt: tuple[str, list[tuple[int, bytes]], int], offset: int, usage: bool
) -> None:
    name, writes, length = hurt
    data = bytearray(specimens()[name])
    for position, content in writes:
        data[position : position + len(content)] = content
    file = CountedReads(bytes(data[:length]))
    found = probe(file, offset, 4 * MIB, usage=usage)
    assert found.type == found.type.lower()
    assert file.amount < 8 * MIB


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(max_size=4096))
def test_any_bytes(content: bytes) -> None:
    for bytes_ in (content, content[:510].ljust(510, b"\0") + b"\x55\xaa" + content[510:]):
        with suppress(ResinError):
            read_table(CountedReads(bytes_))
