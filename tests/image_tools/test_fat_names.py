"""The FAT editor and mtools read each other's names: long ones, aliases, any case, and which are refused."""

from __future__ import annotations

import re

import pytest
from support.fat_editing import apply, fat_folder, fat_image, judged, layout_of, own_tree  # noqa: F401 - fixtures
from support.fat_images import FatImage, complaints, put_by_mtools

from image_tools.fat import FatFileSystem, MakeDirectory, Put, Remove
from resin_toolkit.errors import BadValue

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


@pytest.mark.parametrize("behind", [b"\0", b"\xe5"], ids=["at the end", "before what was deleted"])
def test_a_long_name_that_has_lost_its_file_is_not_gone_on_with(image: FatImage, behind: bytes) -> None:
    apply(image, Put("/a long name.conf", b"old"))
    for name in ("one more name.conf", "last") if behind != b"\0" else ():
        apply(image, Put(f"/{name}", b""))
        apply(image, Remove(f"/{name}"))
    layout = layout_of(image)
    short = layout.short_slot(b"ALONGN~1CON")
    for slot in (short, short - 32):
        layout.write_bytes(slot, behind)
    before = complaints(image)
    assert before
    apply(image, Put("/another long name.conf", b"new"))
    found = complaints(image)
    assert not any("starts within" in problem for problem in found), found
    assert own_tree(image)["another long name.conf"] == b"new"


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
