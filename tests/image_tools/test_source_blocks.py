"""Archives that are unpacked in parallel or by the fast decoder: judged by the programs that made them."""

from __future__ import annotations

import io
import lzma
import random
import subprocess
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from support.card_images import MIB, card_image
from support.left_threads import no_thread_is_left  # noqa: F401 - fixture

from image_tools.source import open_source
from image_tools.source.xz_index import block_dictionary_size, blocks
from image_tools.source.xz_parallel import worker_count
from resin_toolkit.errors import ImageDamaged, NotAnImage, PathNotFound, ResinError, Usage

IMAGE = card_image(2 * MIB) + bytes(4 * MIB)


def xz(folder: Path, *options: str, data: bytes = IMAGE) -> Path:
    """A file of several blocks, made by the xz program."""
    path = folder / "image.img.xz"
    path.write_bytes(packed_by_xz(options, data))
    return path


@cache
def packed_by_xz(options: tuple[str, ...], data: bytes) -> bytes:
    return subprocess.run(
        ["xz", "-0", "--stdout", *options], input=data, capture_output=True, check=True
    ).stdout


@cache
def zip_of_one(method: int) -> tuple[bytes, int]:
    """A zip archive that holds the image as one.img, and the size of its entry."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("one.img", IMAGE)
        size = archive.infolist()[0].compress_size
    return file.getvalue(), size


def unpacked(path: Path) -> bytes:
    found, buffer = bytearray(), memoryview(bytearray(MIB))
    with open_source(str(path)) as source:
        while count := source.readinto(buffer):
            found += buffer[:count]
    return bytes(found)


@pytest.mark.parametrize("check", ["none", "crc32", "crc64", "sha256"])
@pytest.mark.parametrize("size", ["64KiB", "1MiB", "5MiB"])
def test_blocks_are_unpacked_in_order(size: str, check: str, tmp_path: Path) -> None:
    path = xz(tmp_path, f"--block-size={size}", f"--check={check}")
    found = blocks(lambda offset, count: path.read_bytes()[offset : offset + count], path.stat().st_size)
    assert found is not None
    assert len(found) > 1
    assert unpacked(path) == IMAGE


def test_streams_with_padding_between_them(tmp_path: Path) -> None:
    path = xz(tmp_path, "--block-size=1MiB")
    path.write_bytes(path.read_bytes() + bytes(8) + path.read_bytes() + bytes(4))
    assert unpacked(path) == IMAGE * 2
    with open_source(str(path)) as source:
        assert source.size == 2 * len(IMAGE)


@pytest.mark.parametrize("streams", [1, 3])
def test_xz_without_a_checksum_is_read_and_said(streams: int, tmp_path: Path) -> None:
    path = tmp_path / "image.xz"
    unchecked, checked = (lzma.compress(IMAGE, check=check, preset=0) for check in (lzma.CHECK_NONE, -1))
    path.write_bytes(unchecked + checked * (streams - 1))
    with open_source(str(path)) as source:
        buffer = memoryview(bytearray(MIB))
        while source.readinto(buffer):
            pass
        assert [notice.code for notice in source.notices] == ["no-checksum"]


@pytest.mark.parametrize(("dictionary", "workers"), [(4096, 4), (8 * MIB, 4), (48 * MIB, 2), (768 * MIB, 1)])
def test_large_dictionaries_leave_room_for_fewer_workers(dictionary: int, workers: int) -> None:
    how = [{"id": lzma.FILTER_DELTA}, {"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": dictionary}]
    data = lzma.compress(IMAGE[:MIB], filters=how) * 5

    def read_at(offset: int, count: int) -> bytes:
        return data[offset : offset + count]

    found = blocks(read_at, len(data))
    assert found is not None
    # A block of so much content is known by its record alone.
    large = [replace(block, content=1 << 30) for block in found]
    assert [block_dictionary_size(read_at, block) for block in found] == [dictionary] * 5
    assert worker_count(dictionary, large, 8) == workers
    assert worker_count(dictionary, large, 1) == 1
    # Blocks that are shorter than the dictionary use no more of it than their length.
    assert worker_count(dictionary, found, 8) == 4


def test_an_early_end_of_interest_leaves_no_thread(tmp_path: Path) -> None:
    with open_source(str(xz(tmp_path, "--block-size=256KiB"))) as source:
        source.readinto(memoryview(bytearray(100)))


@pytest.mark.parametrize("seed", range(16))
def test_what_xz_finds_damaged_is_damaged(seed: int, tmp_path: Path) -> None:
    numbers = random.Random(seed)
    path = xz(tmp_path, "--block-size=128KiB", data=IMAGE[: 2 * MIB + 300_000])
    data = bytearray(path.read_bytes())
    # Every other change is near the end, where the index is.
    place = numbers.randrange(len(data)) if seed % 2 else len(data) - 1 - numbers.randrange(300)
    data[place] ^= 1 << numbers.randrange(8)
    path.write_bytes(data)
    judged = subprocess.run(["xz", "-t", path], capture_output=True, check=False).returncode == 0
    try:
        unpacked(path)
    except ResinError:
        assert not judged
    else:
        assert judged


@pytest.mark.parametrize("cut", [1, 5, 12, 40, 4000, MIB])
def test_a_cut_file_is_damaged(cut: int, tmp_path: Path) -> None:
    path = xz(tmp_path, "--block-size=512KiB")
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ImageDamaged):
        unpacked(path)


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    import hashlib

    path = xz(tmp_path, "--block-size=512KiB")
    buffer = memoryview(bytearray(MIB))
    with open_source(str(path), digest=True) as source:
        while source.readinto(buffer):
            pass
        assert source.stored_sha256() == hashlib.sha256(path.read_bytes()).hexdigest()


# zip


def two_images(folder: Path) -> Path:
    path = folder / "two.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("boards/one.img", IMAGE)
        archive.writestr("boards/two.img", IMAGE[::-1][:512].ljust(512) + IMAGE[512:])
        archive.writestr("read me.txt", "text")
    return path


@pytest.mark.parametrize("entry", ["boards/one.img", "one.img"])
def test_an_entry_is_taken_out_of_several(entry: str, tmp_path: Path) -> None:
    with open_source(str(two_images(tmp_path)), entry=entry) as source:
        assert source.entry == "boards/one.img"
        assert source.size == len(IMAGE)


def test_an_entry_that_is_not_there_and_one_of_what_is_no_zip(tmp_path: Path) -> None:
    with pytest.raises(PathNotFound, match=r"three\.img"):
        open_source(str(two_images(tmp_path)), entry="three.img")
    with pytest.raises(Usage, match="not a zip"):
        open_source(str(xz(tmp_path)), entry="one.img")


@pytest.mark.parametrize("seed", range(10))
def test_a_damaged_zip_is_found(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "one.zip"
    sound, size = zip_of_one(zipfile.ZIP_DEFLATED)
    data = bytearray(sound)
    data[30 + len("one.img") + random.Random(seed).randrange(size)] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(ImageDamaged):
        unpacked(path)


CENTRAL = {
    "a version of the format that is not known": (6, b"\xff", NotAnImage),
    "a name that is not of its charset": (46, b"\xff", ImageDamaged),
    "a place outside of the file": (42, b"\xff\xff\xff\x7f", ImageDamaged),
    "a method of its own": (10, b"\x09", NotAnImage),
}
"""Where in an entry of the list of files, what is put there, and what that has to end in."""


@pytest.mark.parametrize("what", CENTRAL)
def test_a_list_of_files_that_lies(what: str, tmp_path: Path) -> None:
    place, change, failure = CENTRAL[what]
    path = tmp_path / "one.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("é.img", IMAGE)
    data = bytearray(path.read_bytes())
    start = data.rindex(b"PK\1\2") + place
    data[start : start + len(change)] = change
    path.write_bytes(data)
    with pytest.raises(failure):
        unpacked(path)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_of_an_entry_that_is_packed_in_a_rare_way(method: int, seed: int, tmp_path: Path) -> None:
    path = tmp_path / "one.zip"
    sound, size = zip_of_one(method)
    data = bytearray(sound)
    data[37 + random.Random(seed).randrange(size)] ^= 0x10
    path.write_bytes(data)
    with pytest.raises((ImageDamaged, NotAnImage)):
        unpacked(path)


# a raw image


def test_a_raw_file_is_read_anywhere_and_tells_its_holes(tmp_path: Path) -> None:
    path = tmp_path / "sparse.img"
    with path.open("wb") as file:
        file.write(IMAGE[:MIB])
        file.truncate(9 * MIB)
    with open_source(str(path)) as source:
        assert source.is_random_access
        assert source.holes() == [(MIB, 9 * MIB)]
        buffer = bytearray(1000)
        assert source.read_at(memoryview(buffer), 5000) == 1000
        assert bytes(buffer) == IMAGE[5000:6000]
        assert source.read_at(memoryview(buffer), 9 * MIB - 10) == 10
        start = memoryview(bytearray(MIB))
        source.readinto(start)
        assert bytes(start) == IMAGE[:MIB]


def test_small_holes_are_not_worth_their_memory(tmp_path: Path) -> None:
    path = tmp_path / "sparse.img"
    with path.open("wb") as file:
        file.write(IMAGE[:MIB])
        for place in range(MIB, 3 * MIB, 16384):
            file.seek(place)
            file.write(b"x")
        file.truncate(9 * MIB)
    with open_source(str(path)) as source:
        assert source.holes() == [(3 * MIB - 16384 + 4096, 9 * MIB)]


def test_an_image_that_changed_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "image.img"
    path.write_bytes(IMAGE)
    with open_source(str(path)) as source:
        assert source.can_reopen
        with source.reopen() as again:
            assert again.size == source.size
        path.write_bytes(IMAGE + bytes(512))
        with pytest.raises(ImageDamaged, match="changed"):
            source.reopen()
