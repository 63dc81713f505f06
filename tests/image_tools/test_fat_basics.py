"""The FAT editor and mtools read what the other wrote: contents, directories, and what cannot be done."""

from __future__ import annotations

import io
import random
import struct
from pathlib import Path

import pytest
from support.fat_editing import KINDS, apply, fat_folder, fat_image, judged, layout_of, own_tree  # noqa: F401 - fixtures
from support.fat_images import (
    FatImage,
    Geometry,
    Tree,
    complaints,
    make_directory_by_mtools,
    make_image,
    mtools_tree,
    put_by_mtools,
    run,
)

from image_tools.fat import FatFileSystem, FatType, FileSource, MakeDirectory, Put, Remove
from resin_toolkit.errors import BadValue, NoSpace, PathNotFound

# what it says of itself


def test_what_it_says_of_itself(image: FatImage) -> None:
    layout = layout_of(image)
    with image.path.open("rb") as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        assert system.fat_type is FatType[f"FAT{layout.bits}"]
        assert system.label.lower() in ("resin-boot", "flash-boot")
        assert (system.cluster_size, system.cluster_count) == (layout.cluster, layout.clusters)
        assert system.free_bytes() == len(layout.free()) * layout.cluster
        assert system.list() == []
        assert system.notices == []


@pytest.mark.parametrize(("bits", "clusters"), [(12, 4084), (16, 4085), (16, 65524), (32, 65525)])
def test_kind_is_told_by_the_number_of_clusters(folder: Path, bits: int, clusters: int) -> None:
    """One cluster less or more makes another kind, whatever the text in the boot sector says."""
    fat = -(-(clusters + 2) * bits // (8 * 512))
    reserved, root = (32, 0) if bits == 32 else (1, 512)
    total = reserved + 2 * fat + root * 32 // 512 + clusters
    boot = bytearray(512)
    boot[:11] = b"\xeb\x3c\x90MSWIN4.1"
    struct.pack_into("<HBHBHHBH", boot, 11, 512, 1, reserved, 2, root, 0, 0xF8, 0 if bits == 32 else fat)
    struct.pack_into("<I", boot, 32, total)
    if bits == 32:
        struct.pack_into("<IHHIHH", boot, 36, fat, 0, 0, 2, 1, 6)
    else:
        boot[54:62] = b"FAT16   " if bits == 12 else b"FAT12   "
    boot[510:] = b"\x55\xaa"
    path = folder / "bare"
    with path.open("w+b") as file:
        file.write(boot)
        file.truncate(total * 512)
        system = FatFileSystem.open(file)
        assert (system.cluster_count, system.fat_type) == (clusters, FatType[f"FAT{bits}"])


# what cannot be done


def test_what_cannot_be_done_changes_nothing(image: FatImage) -> None:
    apply(image, Put("/a.txt", b"a"), MakeDirectory("/full"), Put("/full/b.txt", b"b"))
    before = image.digest()
    for change, error in [
        (Put("/nowhere/x.txt", b"x"), PathNotFound),
        (Remove("/nothing"), PathNotFound),
        (Remove("/full"), BadValue),
        (Put("/full", b"x"), BadValue),
        (Put("/a.txt/x", b"x"), (BadValue, PathNotFound)),
        (MakeDirectory("/a.txt"), BadValue),
        (Remove("/"), BadValue),
        (Put("/", b"x"), BadValue),
        (Put("/big", FileSource(4 * 1024**3, lambda: io.BytesIO())), NoSpace),
    ]:
        with pytest.raises(error):
            apply(image, Put("/first.txt", b"f"), change)
        assert image.digest() == before, change
    with image.path.open("rb") as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        for path in ("/nothing", "/full/nothing", "/nowhere/x"):
            with pytest.raises(PathNotFound):
                system.read(path)
        with pytest.raises(BadValue):
            system.read("/full")
        with pytest.raises(BadValue):
            system.list("/a.txt")


def test_a_partition_is_filled_to_the_last_cluster(image: FatImage) -> None:
    layout = layout_of(image)
    room = len(layout.free()) * layout.cluster
    before = image.digest()
    with pytest.raises(NoSpace):
        apply(image, Put("/FULL.BIN", FileSource(room + 1, lambda: io.BytesIO(bytes(room + 1)))))
    assert image.digest() == before
    apply(image, Put("/FULL.BIN", FileSource(room, lambda: io.BytesIO(b"f" * room))))
    assert layout.free() == []
    assert judged(image) == {"FULL.BIN": b"f" * room}
    before = image.digest()
    for change in (Put("/FULL.BIN", b"x"), Put("/ONE", b"x"), MakeDirectory("/DIR")):
        with pytest.raises(NoSpace):
            apply(image, change)
    assert image.digest() == before
    apply(image, Put("/EMPTY", b""), Remove("/FULL.BIN"))
    assert len(layout.free()) * layout.cluster == room
    apply(image, Put("/ONE", b"x"))
    assert judged(image) == {"EMPTY": b"", "ONE": b"x"}


def test_nothing_is_written_where_the_last_of_several_does_not_fit(image: FatImage) -> None:
    layout = layout_of(image)
    third = len(layout.free()) // 3 * layout.cluster
    before = image.digest()
    with pytest.raises(NoSpace):
        apply(image, *(Put(f"/{number}", bytes(third)) for number in range(4)))
    assert image.digest() == before


def test_a_fixed_root_is_filled_to_the_last_slot(folder: Path) -> None:
    image = make_image(folder / "image", Geometry(12, 1024, 2, options=("-r", "16")))
    for number in range(16):
        apply(image, Put(f"/F{number}", b"x"))
    before = image.digest()
    for change in (Put("/ONE", b"x"), Put("/a longer one", b"x"), MakeDirectory("/D")):
        with pytest.raises(NoSpace):
            apply(image, change)
    assert image.digest() == before
    assert len(judged(image)) == 16
    apply(image, Remove("/F3"), Remove("/F4"))
    apply(image, Put("/lower", b"two slots"))
    assert len(judged(image)) == 15


# contents


def test_contents_of_every_length(image: FatImage) -> None:
    cluster = layout_of(image).cluster
    lengths = [0, 1, cluster - 1, cluster, cluster + 1, 3 * cluster, 40_000]
    wanted = {}
    for turn in range(3):
        for number in range(len(lengths)):
            data = random.Random(turn * 100 + number).randbytes(lengths[(number + turn * 3) % len(lengths)])
            apply(image, Put(f"/file {number}.bin", data))
            wanted[f"file {number}.bin"] = data
        assert judged(image) == wanted
    assert own_tree(image) == wanted


def test_config_json_again_and_again(image: FatImage) -> None:
    """Contents of changing length, time after time, which other editors do not survive."""
    chance = random.Random(2487)
    for name in ("before.txt", "config.json", "after.txt"):
        put_by_mtools(image, name, name.encode() * 100)
    free = None
    for turn in range(60):
        data = b'{"n": %d, "x": "%s"}' % (turn, b"x" * chance.choice((0, 10, 400, 600, 1100, 3000, 9000)))
        apply(image, Put("/config.json", data))
        assert complaints(image) == []
        tree = mtools_tree(image)
        assert tree == {
            "before.txt": b"before.txt" * 100,
            "config.json": data,
            "after.txt": b"after.txt" * 100,
        }
        apply(image, Put("/config.json", b"{}"))
        free = free if free is not None else len(layout_of(image).free())
        assert len(layout_of(image).free()) == free, "a cluster was lost"


def test_a_file_source_is_streamed(image: FatImage) -> None:
    data = random.Random(1).randbytes(300_001)
    apply(
        image, Put("/streamed.bin", FileSource(len(data), lambda: io.BytesIO(data + b"more than was said")))
    )
    assert judged(image) == {"streamed.bin": data}
    with image.path.open("rb") as file:
        assert b"".join(FatFileSystem.open(file, image.offset).chunks("/streamed.bin")) == data


def test_nothing_of_an_old_file_shows_behind_a_new_one(image: FatImage) -> None:
    layout = layout_of(image)
    apply(image, Put("/secret", b"S" * layout.cluster * 4))
    apply(image, Remove("/secret"))
    apply(image, *(Put(f"/{number}", b"n") for number in range(4)))
    for number in range(4):
        first = layout.first_cluster(str(number).encode().ljust(11))
        assert b"S" not in layout.read_bytes(layout.cluster_at(first), layout.cluster)


def test_files_of_mtools_are_read_and_changed(image: FatImage) -> None:
    wanted: Tree = {"Some Folder": None, "Some Folder/under": None}
    make_directory_by_mtools(image, "Some Folder")
    make_directory_by_mtools(image, "Some Folder/under")
    for name in ("a file.txt", "Some Folder/b.txt", "Some Folder/under/日本.txt"):
        put_by_mtools(image, name, name.encode() * 99)
        wanted[name] = name.encode() * 99
    assert own_tree(image) == wanted
    apply(image, Put("/some folder/UNDER/日本.txt", b"ours"), Remove("/A FILE.TXT"))
    del wanted["a file.txt"]
    wanted["Some Folder/under/日本.txt"] = b"ours"
    assert judged(image) == wanted
    put_by_mtools(image, "Some Folder/b.txt", b"theirs again")
    wanted["Some Folder/b.txt"] = b"theirs again"
    assert judged(image) == wanted == own_tree(image)


# directories


def test_hundreds_of_files_in_a_directory(image: FatImage) -> None:
    count = 300 if layout_of(image).bits == 32 else 120
    names = [f"system-connections/wifi network {number}.nmconnection" for number in range(count)]
    apply(image, MakeDirectory("/system-connections"))
    apply(image, *(Put("/" + name, name.encode()) for name in names))
    wanted: Tree = {"system-connections": None} | {name: name.encode() for name in names}
    assert judged(image) == wanted
    apply(image, *(Remove("/" + name) for name in names[::2]))
    used = len(layout_of(image).free())
    apply(image, *(Put("/" + name, b"") for name in names[::2]))
    assert len(layout_of(image).free()) == used, "removed slots are used again"
    assert judged(image) == wanted | dict.fromkeys(names[::2], b"")
    apply(image, Remove("/SYSTEM-CONNECTIONS", recursive=True))
    assert judged(image) == {}


def test_a_root_that_is_a_chain_grows(folder: Path) -> None:
    image = make_image(folder / "image", KINDS["fat32"])
    layout = layout_of(image)
    assert len(layout.root_spans()) == 1
    wanted = {f"name number {number}.txt": b"x" for number in range(30)}
    apply(image, *(Put("/" + name, b"x") for name in wanted))
    assert len(layout.root_spans()) > 4
    assert judged(image) == wanted


def test_dots_of_directories(image: FatImage) -> None:
    apply(image, Put("/one/two/three.txt", b"3", make_parents=True))
    layout = layout_of(image)
    one = layout.first_cluster(b"ONE        ")
    slots = [slot for _, slot in layout.slots([(layout.cluster_at(one), 128)])]
    start = [
        struct.unpack_from("<H", slot, 26)[0] | struct.unpack_from("<H", slot, 20)[0] << 16 for slot in slots
    ]
    assert (slots[0][:11], start[0]) == (b".          ", one)
    assert (slots[1][:11], start[1]) == (b"..         ", 0)
    two = next(first for slot, first in zip(slots[2:], start[2:], strict=True) if slot[:11] == b"TWO        ")
    below = [slot for _, slot in layout.slots([(layout.cluster_at(two), 64)])]
    assert struct.unpack_from("<H", below[1], 26)[0] == one & 0xFFFF
    assert judged(image) == {"one": None, "one/two": None, "one/two/three.txt": b"3"}


def test_a_directory_with_rubbish_behind_its_end(image: FatImage) -> None:
    """The specification lets anything follow the end mark; it must not come to life when the end moves on."""
    apply(image, MakeDirectory("/DIR"), Put("/DIR/A.TXT", b"a"))
    layout = layout_of(image)
    first = layout.first_cluster(b"DIR        ")
    rubbish = b"GHOST   TXT\x20" + bytes(14) + b"\xf0\x00\x00\x10\x00\x00"
    for slot in range(4, 16):
        layout.write_bytes(layout.cluster_at(first) + 32 * slot, rubbish)
    apply(image, Put("/DIR/B.TXT", b"b"), Put("/DIR/a long name.txt", b"c"))
    with image.path.open("rb") as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        assert [entry.name for entry in system.list("/DIR")] == ["A.TXT", "B.TXT", "a long name.txt"]
    lines = run("mdir", "-b", "-i", image.mtools_name, "::/DIR").stdout.decode().splitlines()
    assert lines == ["::/DIR/A.TXT", "::/DIR/B.TXT", "::/DIR/a long name.txt"]
