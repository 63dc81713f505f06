"""Block maps: those that bmaptool writes, older versions, and damaged ones."""

from __future__ import annotations

import hashlib
import re
import threading
import tracemalloc
from pathlib import Path
from queue import SimpleQueue

import pytest
from support.card_images import MIB, card_image, packed
from support.disk_images import run
from support.flash_runs import to_file

from image_tools.block_map import BlockMap, read_block_map
from image_tools.flash.bmap_verifier import BmapVerifier
from image_tools.source import open_source
from resin_toolkit.errors import BadValue, ImageDamaged

BLOCK = 4096
SIZE = 8 * MIB + 512
DATA = card_image(SIZE)
MAPPED = [(0, 15), (512, 767), (2047, 2048)]
"""First and last block of each range; the last one is the image's last, which is cut short."""


def image(folder: Path) -> Path:
    """Bytes where blocks are mapped, and a hole elsewhere, which no map mentions."""
    path = folder / "image.img"
    with path.open("wb") as file:
        for first, last in MAPPED:
            file.seek(first * BLOCK)
            file.write(part(first, last))
    assert path.stat().st_size == SIZE
    return path


def part(first: int, last: int) -> bytes:
    return DATA[first * BLOCK : (last + 1) * BLOCK]


def map_text(version: str, *, kind: str = "sha256", mapped: int | None = None) -> bytes:
    """A block map of `image`, in the words of its version."""
    old = version == "1.3"
    kind = "sha1" if old else kind
    own = "BmapFileSHA1" if old else "BmapFileChecksum"
    attribute = "sha1" if old else "chksum"

    def checksum(data: bytes) -> str:
        return hashlib.new(kind, data).hexdigest()

    ranges = "".join(
        f'    <Range {attribute}="{checksum(part(first, last))}"> {first}-{last} </Range>\n'
        for first, last in MAPPED
    )
    count = sum(last - first + 1 for first, last in MAPPED) if mapped is None else mapped
    zeros = "0" * hashlib.new(kind).digest_size * 2
    text = (
        f'<?xml version="1.0" ?>\n<bmap version="{version}">\n'
        f"  <ImageSize> {SIZE} </ImageSize>\n  <BlockSize> {BLOCK} </BlockSize>\n"
        f"  <BlocksCount> {-(-SIZE // BLOCK)} </BlocksCount>\n"
        f"  <MappedBlocksCount> {count} </MappedBlocksCount>\n"
        + ("" if old else f"  <ChecksumType> {kind} </ChecksumType>\n")
        + f"  <{own}> {zeros} </{own}>\n  <BlockMap>\n{ranges}  </BlockMap>\n</bmap>\n"
    ).encode()
    return text.replace(zeros.encode(), checksum(text).encode())


def parsed(data: bytes) -> BlockMap:
    return read_block_map(data, "image.bmap")


def resigned(data: bytes, old: bytes, new: bytes) -> bytes:
    """The map with a change, under a checksum that is right."""
    own = re.search(rb"<BmapFileChecksum> (\w+)", data)
    assert own is not None
    zeros = b"0" * len(own[1])
    blanked = data.replace(own[1], zeros)
    assert old in blanked
    changed = blanked.replace(old, new, 1)
    return changed.replace(zeros, hashlib.sha256(changed).hexdigest().encode())


def test_what_bmaptool_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "image.bmap"
    run("bmaptool", "create", "--output", path, image(tmp_path))
    found = parsed(path.read_bytes())
    assert (found.version, found.image_size, found.block_size) == ("2.0", SIZE, BLOCK)
    assert [(part.start, part.end) for part in found.ranges] == [
        (first * BLOCK, min((last + 1) * BLOCK, SIZE)) for first, last in MAPPED
    ]


@pytest.mark.parametrize(
    ("version", "kind"), [("1.3", "sha1"), ("1.4", "sha1"), ("1.4", "sha256"), ("2.0", "sha512")]
)
@pytest.mark.parametrize("packing", ["raw", "gz"])
def test_only_mapped_blocks_are_written(version: str, kind: str, packing: str, tmp_path: Path) -> None:
    path = packed(packing, image(tmp_path).read_bytes(), tmp_path)
    block_map = parsed(map_text(version, kind=kind))
    goal = tmp_path / "card.img"
    done = to_file(str(path), goal, block_map=block_map)
    assert done.verified
    assert done.written < SIZE // 2
    assert goal.read_bytes() == image(tmp_path).read_bytes()


def test_bmaptool_takes_what_the_tests_write(tmp_path: Path) -> None:
    """So that the maps above are what others read as well."""
    for version in ("1.3", "1.4", "2.0"):
        (tmp_path / "own.bmap").write_bytes(map_text(version))
        goal = tmp_path / f"{version}.img"
        run("bmaptool", "copy", "--bmap", tmp_path / "own.bmap", image(tmp_path), goal)
        assert goal.read_bytes() == image(tmp_path).read_bytes()


@pytest.mark.parametrize("packing", ["raw", "gz"])
@pytest.mark.parametrize("place", [5, 600 * BLOCK, SIZE - 1])
def test_a_range_with_another_checksum_is_a_damaged_image(place: int, packing: str, tmp_path: Path) -> None:
    data = bytearray(image(tmp_path).read_bytes())
    data[place] ^= 1
    path = packed(packing, bytes(data), tmp_path)
    goal = tmp_path / "card.img"
    with pytest.raises(ImageDamaged, match=r"does not match its block map") as failure:
        to_file(str(path), goal, block_map=parsed(map_text("2.0")))
    assert failure.value.facts["start"] <= place < failure.value.facts["end"]
    assert not goal.exists()


def test_the_map_of_another_image_is_found_out(tmp_path: Path) -> None:
    longer = tmp_path / "longer.img"
    longer.write_bytes(image(tmp_path).read_bytes() + bytes(512))
    with pytest.raises(ImageDamaged, match=f"for an image of {SIZE}"):
        to_file(str(longer), tmp_path / "card.img", block_map=parsed(map_text("2.0")))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"512-767", b"512-2048", "out of order"),
        (b"2047-2048", b"2047-2049", "outside the image"),
        (b"512-767", b"767-512", "out of order"),
        (b"512-767", b"5x2", "is not a range"),
        (b"<MappedBlocksCount> ", b"<MappedBlocksCount> 1", "instead of"),
        (b"<BlockSize> 4096", b"<BlockSize> 0", "do not match the image"),
        (b"<ImageSize> ", b"<ImageSize> x", "is not a number"),
    ],
)
def test_a_map_that_contradicts_itself_is_damaged(old: bytes, new: bytes, told: str) -> None:
    with pytest.raises(ImageDamaged, match=told):
        parsed(resigned(map_text("2.0"), old, new))


@pytest.mark.parametrize("version", ["1.3", "1.4", "2.0"])
def test_a_map_whose_own_checksum_is_wrong_is_damaged(version: str) -> None:
    with pytest.raises(ImageDamaged, match="its own checksum is wrong"):
        parsed(map_text(version).replace(b"512-767", b"512-766"))


def test_a_map_without_its_own_checksum_is_damaged() -> None:
    data = map_text("2.0")
    with pytest.raises(ImageDamaged, match="checksum is missing"):
        parsed(data.replace(b"BmapFileChecksum", b"BmapFileSomething"))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is not a block map"),
        (b"\x7fELF\0", "is not a block map"),
        (b"<other/>", "is not a block map"),
        (b'<!DOCTYPE bmap [<!ENTITY a "aa">]><bmap version="2.0"/>', "is not a block map"),
        (b'<bmap version="1.2"/>', "version 1.2"),
        (b'<bmap version="3.0"/>', "version 3.0"),
        (b"<bmap/>", "version none"),
        (b'<bmap version="2.0"><ChecksumType>md5</ChecksumType></bmap>', "md5"),
    ],
)
def test_what_is_no_known_map_is_a_bad_value(data: bytes, told: str) -> None:
    with pytest.raises(BadValue, match=told):
        parsed(data)


def test_a_map_that_is_cut_off_is_damaged() -> None:
    with pytest.raises(ImageDamaged, match="well-formed"):
        parsed(map_text("2.0")[:-20])


@pytest.mark.parametrize("filling", [b"<a/>", b"<a><b/></a>", b"<Range>1</Range>", b"text "])
def test_what_does_not_belong_into_a_map_takes_no_memory(filling: bytes) -> None:
    """Not much more than the file itself, however often it comes."""
    data = map_text("2.0")
    much = filling * (MIB // len(filling))
    swollen = resigned(data, b"<BlockMap>", much + b"<BlockMap>")
    tracemalloc.start()
    try:
        assert parsed(swollen).ranges == parsed(data).ranges
        assert tracemalloc.get_traced_memory()[1] < 4 * len(swollen)
    finally:
        tracemalloc.stop()


def test_elements_without_an_end_inside_each_other_are_damage() -> None:
    with pytest.raises(ImageDamaged, match="nested"):
        parsed(resigned(map_text("2.0"), b"<BlockMap>", b"<a>" * MIB + b"<BlockMap>"))


# compared ahead of the reading


def told(path: Path, *, listens_late: bool) -> list[object]:
    """What is told of an image, up to its end or its failure."""
    heard: SimpleQueue[object] = SimpleQueue()
    with open_source(str(path)) as source, BmapVerifier(parsed(map_text("2.0")), source) as bmap_verifier:
        if listens_late:
            for thread in threading.enumerate():
                if thread.name == "bmap-verifier":
                    thread.join()
        bmap_verifier.listen(heard.put)
        found = [heard.get()]
        while found[-1] != SIZE and not isinstance(found[-1], BaseException):
            found.append(heard.get())
    return found


def test_it_tells_up_to_where_the_image_is_right(tmp_path: Path) -> None:
    path = image(tmp_path)
    found = told(path, listens_late=False)
    assert found == sorted(found, key=lambda place: int(str(place)))
    assert told(path, listens_late=True) == [SIZE]


def test_what_differs_is_told_to_who_listens_late(tmp_path: Path) -> None:
    path = image(tmp_path)
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    [failure] = told(path, listens_late=True)
    assert isinstance(failure, ImageDamaged)


def test_it_ends_with_its_block_whether_anybody_listened_or_not(tmp_path: Path) -> None:
    with open_source(str(image(tmp_path))) as source, BmapVerifier(parsed(map_text("2.0")), source):
        pass
    assert not [thread for thread in threading.enumerate() if thread.name == "bmap-verifier"]
