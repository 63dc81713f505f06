"""The FAT editor and mtools read what the other wrote: names, contents, times, and where things are kept."""

from __future__ import annotations

import io
import os
import random
import re
import struct
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from cut_file import RecordedFile
from fat_images import (
    MIB,
    FatImage,
    Geometry,
    Tree,
    complaints,
    listing_by_mtools,
    make_bare,
    make_directory_by_mtools,
    make_image,
    mtools_tree,
    put_by_mtools,
    run,
    scratch_folder,
)
from fat_layout import Layout

from image_tools.fat import Change, FatFileSystem, FatKind, FileSource, MakeDirectory, Put, Remove
from resin_toolkit.errors import BadValue, NoSpace, NotAnImage, PathNotFound

KINDS = {
    "fat12": Geometry(12, 512, 1.4, options=("-n", "resin-boot")),
    "fat16": Geometry(16, 1024, 6, options=("-n", "RESIN-BOOT")),
    "fat32": Geometry(32, 512, 36, options=("-n", "flash-boot")),
}
NOW = datetime(2017, 3, 16, 14, 35, 58)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with scratch_folder(tmp_path) as found:
        yield found


@pytest.fixture(params=KINDS)
def image(request: pytest.FixtureRequest, folder: Path) -> FatImage:
    return make_image(folder / "image", KINDS[request.param])


def layout_of(image: FatImage) -> Layout:
    return Layout.read(image.path, image.offset)


def apply(image: FatImage, *changes: Change, now: datetime = NOW) -> FatFileSystem:
    with image.path.open("r+b", buffering=0) as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        system.apply(changes, now=now)
        return system


def own_tree(image: FatImage) -> Tree:
    with image.path.open("rb") as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        return {
            entry.path.lstrip("/"): None if entry.is_directory else system.read(entry.path)
            for entry in system.walk()
        }


def judged(image: FatImage) -> Tree:
    """The tree by mtools, once fsck.fat found nothing and the guards are as they were."""
    assert complaints(image) == []
    assert image.guards_now() == image.guards
    return mtools_tree(image)


# what it says of itself


def test_what_it_says_of_itself(image: FatImage) -> None:
    layout = layout_of(image)
    with image.path.open("rb") as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        assert system.kind is FatKind[f"FAT{layout.bits}"]
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
        assert (system.cluster_count, system.kind) == (clusters, FatKind[f"FAT{bits}"])


# names

LONG = "L" * 251 + ".cfg"
NAMES = [
    "CONFIG.TXT",
    "config.json",
    "Mixed.Case",
    "README",
    "a",
    "two words.txt",
    " leading space",
    "many.dots.in.a.name.conf",
    ".hidden",
    "..two dots",
    "a+b,c;=[d].x",
    "semi`quote'{}~!@#$%^&()-_.txt",
    "nine-char",
    "ext.long",
    "Ünïcode näme.conf",
    "日本語の設定ファイル.nmconnection",
    "Ελληνικά",
    "кириллица.txt",
    "e\u0301 decomposed",
    LONG,
    "né" * 63 + "z",
    "CON",
]


def test_names_as_mtools_shows_them(image: FatImage) -> None:
    for name in NAMES:
        apply(image, Put("/" + name, name.encode()))
    wanted = {name: name.encode() for name in NAMES}
    assert judged(image) == wanted
    assert own_tree(image) == wanted


def test_names_in_a_directory_are_kept_too(image: FatImage) -> None:
    apply(image, MakeDirectory("/Ein Ordner"), *(Put("/Ein Ordner/" + name, b"x") for name in NAMES))
    assert judged(image) == {"Ein Ordner": None} | {f"Ein Ordner/{name}": b"x" for name in NAMES}


@pytest.mark.parametrize("name", ["smile 😀.txt", "😀" * 127, "日" * 255, "z" * 254 + "é"])
def test_long_name_slots_hold_utf16(image: FatImage, name: str) -> None:
    """By the slots themselves: mtools knows no emoji, and no host file takes 255 such characters."""
    apply(image, Put("/" + name, b"here"))
    assert complaints(image) == []
    slots = [slot for _, slot in layout_of(image).slots() if slot[11] == 0x0F and slot[0] != 0xE5]
    assert [slot[0] & 0x3F for slot in slots] == list(range(len(slots), 0, -1))
    assert slots[0][0] & 0x40
    text = b"".join(slot[1:11] + slot[14:26] + slot[28:32] for slot in reversed(slots))
    used = len(name.encode("utf-16-le"))
    assert text[:used].decode("utf-16-le") == name
    rest = text[used:]
    assert rest == (b"\0\0" + b"\xff" * (len(rest) - 2) if rest else b"")
    assert own_tree(image) == {name: b"here"}


def test_lookup_without_case(image: FatImage) -> None:
    apply(image, Put("/Config.Json", b"one"), MakeDirectory("/System-Connections"), Put("/Ünïcode.txt", b"u"))
    apply(
        image, Put("/CONFIG.JSON", b"two"), Put("/system-connections/resin", b"p"), Put("/ÜNÏCODE.TXT", b"v")
    )
    wanted = {
        "Config.Json": b"two",
        "System-Connections": None,
        "System-Connections/resin": b"p",
        "Ünïcode.txt": b"v",
    }
    assert judged(image) == wanted
    with image.path.open("rb") as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        assert system.read("/cOnFiG.jSoN") == b"two"
        assert system.stat("/SYSTEM-connections/RESIN").path == "/System-Connections/resin"
        assert system.find("/nothing") is None
        assert system.find("/config.json/below") is None
        assert system.find("/nowhere/nothing") is None


def test_aliases_are_unique_and_valid(image: FatImage) -> None:
    names = [f"a long name, number {number}.conf" for number in range(40)] + ["ALONGN~1.CON"]
    apply(image, *(Put("/" + name, name.encode()) for name in names[:-1]))
    short = [
        slot[:11] for _, slot in layout_of(image).slots() if slot[0] not in (0, 0xE5) and slot[11] != 0x0F
    ]
    assert len(set(short)) == len(short)
    assert all(
        re.fullmatch(rb"[A-Z0-9!#$%&'()@^_`{}~-]+ *[A-Z0-9_~-]* *", name) for name in short if b"~" in name
    )
    tree = judged(image)
    assert tree == {name: name.encode() for name in names[:-1]}


def test_a_file_is_found_by_its_alias(image: FatImage) -> None:
    apply(image, Put("/a long name.conf", b"old"))
    apply(image, Put("/ALONGN~1.CON", b"new"))
    assert judged(image) == {"a long name.conf": b"new"}
    apply(image, Remove("/alongn~1.con"))
    assert judged(image) == {}


def test_a_new_name_avoids_the_alias_of_another(image: FatImage) -> None:
    put_by_mtools(image, "RESIN-~1", b"short")
    apply(image, Put("/resin-wifi network", b"long"))
    assert judged(image) == {"RESIN-~1": b"short", "resin-wifi network": b"long"}


def test_lower_case_flags_of_windows_are_read(image: FatImage) -> None:
    put_by_mtools(image, "lower.txt", b"l")
    put_by_mtools(image, "base.TXT", b"b")
    put_by_mtools(image, "EXT.txt", b"e")
    assert not any(slot[11] == 0x0F for _, slot in layout_of(image).slots())
    assert own_tree(image) == {"lower.txt": b"l", "base.TXT": b"b", "EXT.txt": b"e"}
    apply(image, Put("/lower.txt", b"changed"))
    assert judged(image) == {"lower.txt": b"changed", "base.TXT": b"b", "EXT.txt": b"e"}


@pytest.mark.parametrize(
    "name",
    ["a*b", "what?", 'quo"te', "a<b", "a>b", "a|b", "a:b", "a\\b", "tab\tin", "nul\0in", "del\x7f", "x" * 256,
     "dot.", "space ", ".", "..", "\ud800alone", "😀" * 128],
)  # fmt: skip
def test_bad_names(image: FatImage, name: str) -> None:
    before = image.digest()
    for change in (Put("/" + name, b"x"), MakeDirectory("/" + name)):
        with pytest.raises(BadValue):
            apply(image, Put("/good.txt", b"g"), change)
    assert image.digest() == before


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


def test_300_files_in_a_directory(image: FatImage) -> None:
    names = [f"system-connections/wifi network {number}.nmconnection" for number in range(300)]
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


# times and counts


def test_times_as_mtools_shows_them(image: FatImage) -> None:
    apply(image, Put("/CONFIG.TXT", b"one"), MakeDirectory("/DIR"))
    line = next(line for line in listing_by_mtools(image) if line.startswith("CONFIG   TXT"))
    assert re.search(r" 3 2017-03-16  14:35", line)
    assert any(line.startswith("DIR ") and "2017-03-16  14:35" in line for line in listing_by_mtools(image))
    apply(image, Put("/config.txt", b"four"), now=datetime(2026, 12, 31, 23, 59, 59))
    line = next(line for line in listing_by_mtools(image) if line.startswith("CONFIG   TXT"))
    assert re.search(r" 4 2026-12-31  23:59", line)
    with image.path.open("rb") as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        assert system.stat("/config.txt").modified == datetime(2026, 12, 31, 23, 59, 58)
        assert system.stat("/DIR").modified == NOW
    _, slot = next((at, slot) for at, slot in layout_of(image).slots() if slot[:8] == b"CONFIG  ")
    created = struct.unpack_from("<HH", slot, 14)
    assert created == (14 << 11 | 35 << 5 | 29, 37 << 9 | 3 << 5 | 16), "the time of creation stays"


def test_times_that_fat_cannot_tell(image: FatImage) -> None:
    apply(image, Put("/EARLY", b""), now=datetime(1970, 1, 1))
    apply(image, Put("/LATE", b""), now=datetime(2150, 1, 1))
    with image.path.open("rb") as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        assert system.stat("/EARLY").modified == datetime(1980, 1, 1)
        assert system.stat("/LATE").modified == datetime(2107, 12, 31, 23, 59, 58)


def test_fsinfo_is_right_after_each_edit(folder: Path) -> None:
    image = make_image(folder / "image", KINDS["fat32"])
    layout = layout_of(image)
    for change in (
        Put("/a.bin", b"a" * 5000),
        MakeDirectory("/dir"),
        Put("/a.bin", b"a"),
        Put("/dir/b", b""),
        Put("/dir/c", b"c" * 9999),
        Remove("/a.bin"),
        Remove("/dir", recursive=True),
    ):
        apply(image, change)
        free, following = layout.info()
        assert free == len(layout.free())
        assert 2 <= following < layout.clusters + 2


@pytest.mark.parametrize("count", [0xFFFFFFFF, 0, 5, 0x7FFFFFFF])
def test_a_wrong_free_count_is_not_believed(folder: Path, count: int) -> None:
    image = make_image(folder / "image", KINDS["fat32"])
    layout = layout_of(image)
    layout.set_free_count(count)
    apply(image, Put("/a.bin", b"a" * 5000))
    assert layout.info()[0] == len(layout.free())
    assert judged(image) == {"a.bin": b"a" * 5000}


@pytest.mark.parametrize("hint", [0xFFFFFFFF, 0, 1, 0x0FFFFFF0])
def test_a_senseless_hint_is_not_followed(folder: Path, hint: int) -> None:
    image = make_image(folder / "image", KINDS["fat32"])
    layout = layout_of(image)
    layout.write_bytes(layout.info_at + 492, struct.pack("<I", hint))
    apply(image, Put("/a.bin", b"a" * 5000))
    assert judged(image) == {"a.bin": b"a" * 5000}


def test_reserved_bits_of_fat32_entries_stay(folder: Path) -> None:
    image = make_image(folder / "image", KINDS["fat32"])
    layout = layout_of(image)
    for number in range(2):
        at = layout.fat_at + number * layout.fat_size + 4 * 3
        layout.write_bytes(at, struct.pack("<I", 0xA0000000) * 20)
    apply(image, Put("/a.bin", b"a" * 5000))
    assert {entry >> 28 for entry in struct.unpack("<20I", layout.fat()[12:92])} == {0xA}
    assert mtools_tree(image) == {"a.bin": b"a" * 5000}
    apply(image, Remove("/a.bin"))
    assert struct.unpack("<20I", layout.fat()[12:92]) == (0xA0000000,) * 20


def test_fat32_without_mirroring_writes_the_active_fat_only(folder: Path) -> None:
    image = make_image(folder / "image", KINDS["fat32"])
    layout = layout_of(image)
    layout.write_bytes(layout.start + 40, struct.pack("<H", 0x80 | 1))
    idle = layout.fat(0)
    apply(image, Put("/a.bin", b"a" * 5000))
    assert layout.fat(0) == idle
    assert layout.fat(1) != idle
    assert own_tree(image) == {"a.bin": b"a" * 5000}


# how it writes and reads


def test_a_flush_reaches_the_medium(image: FatImage, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a real file each step ends in fsync, after the write of the step and before that of the next."""
    steps: list[str] = []
    real = os.fdatasync

    class Watched(io.FileIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            if steps[-1:] != ["write"]:
                steps.append("write")
            return super().write(data)

    def fsync(descriptor: int) -> None:
        steps.append("fsync")
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fsync)
    with Watched(str(image.path), "r+b") as file:
        FatFileSystem.open(file, image.offset, image.size).apply([Put("/a.bin", b"a" * 5000)])
    assert steps[-1] == "fsync"
    assert steps.count("write") == steps.count("fsync") >= 4


def test_order_of_writes(image: FatImage) -> None:
    """Data; FAT 1; FAT 2; the directory; then the old chain leaves FAT 1, FAT 2; FSInfo last."""
    apply(image, Put("/A.BIN", b"a" * 5000))
    layout = layout_of(image)
    with RecordedFile(image.path) as file:
        FatFileSystem.open(file, image.offset, image.size).apply([Put("/A.BIN", b"b" * 6000)])
        epochs = [{where(layout, write.at) for write in epoch} for epoch in file.epochs if epoch]
    info = [{"info"}] if layout.bits == 32 else []
    wanted = [{"data"}, {"fat 1"}, {"fat 2"}, {"root"}, {"fat 1"}, {"fat 2"}, *info]
    assert epochs == wanted


def where(layout: Layout, at: int) -> str:
    if any(start <= at < start + length for start, length in layout.root_spans()):
        return "root"
    if at >= layout.data_at:
        return "data"
    if at >= layout.fat_at:
        return f"fat {(at - layout.fat_at) // layout.fat_size + 1}"
    return "info" if layout.info_at <= at < layout.info_at + 512 else "reserved"


def reads_to_open(path: Path) -> tuple[int, int]:
    with RecordedFile(path) as file:
        system = FatFileSystem.open(file)
        assert system.read("/config.json") == b"{}"
        return len(file.reads), sum(length for _, length in file.reads)


def test_a_large_partition_opens_with_as_few_reads_as_a_small_one(folder: Path) -> None:
    found = []
    for mib in (36, 1024):
        path = folder / f"{mib}"
        make_bare(path, Geometry(32, 512, mib))
        put_by_mtools(FatImage(path, 0, mib * MIB, ""), "config.json", b"{}")
        found.append(reads_to_open(path))
    small, large = found
    assert large == small
    assert large[1] < 64 * 1024


def test_no_write_of_what_is_there_already(image: FatImage) -> None:
    """Reading, listing and looking write nothing, though the file could be written."""
    apply(image, Put("/a.txt", b"a"))
    before = image.digest()
    with RecordedFile(image.path) as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        system.list()
        system.read("/a.txt")
        system.check()
        system.free_bytes()
        assert file.writes == []
    assert image.digest() == before


def test_entry_of_a_free_cluster_is_not_trusted_to_be_clean(image: FatImage) -> None:
    """A cluster that becomes part of a directory is cleared first."""
    layout = layout_of(image)
    for number in layout.free()[:40]:
        layout.write_bytes(layout.cluster_at(number), b"RUBBISH TXT " * (layout.cluster // 12))
    apply(image, MakeDirectory("/dir"), *(Put(f"/dir/name {number}", b"") for number in range(20)))
    assert judged(image) == {"dir": None} | {f"dir/name {number}": b"" for number in range(20)}


def test_a_table_is_no_file_system(folder: Path) -> None:
    path = folder / "disk"
    with path.open("wb") as file:
        file.truncate(4 * MIB)
    run("sfdisk", "-q", str(path), data=b"label: dos\nstart=2048, type=c\n")
    with path.open("rb") as file, pytest.raises(NotAnImage):
        FatFileSystem.open(file)
