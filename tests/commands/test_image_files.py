"""`resin image put`, `get` and `rm` as they are typed: the rules of cp, and all or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.boot_images import Boot, boot_image
from support.disk_images import MIB
from support.listed_images import BINARY, FILES, empty_folder, listed_boot  # noqa: F401 - fixtures
from support.resin_command import resin


def folder_tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def crafted(boot: Boot, old: bytes, new: bytes) -> Boot:
    """Change the short name of a root entry behind everybody's back, keeping its length."""
    data = boot.path.read_bytes()
    assert data.count(old) == 1
    boot.path.write_bytes(data.replace(old, new))
    return boot


# put


@pytest.mark.usefixtures("here")
def test_put_follows_the_rules_of_cp(boot: Boot) -> None:
    Path("a.txt").write_bytes(b"a")
    Path("b.txt").write_bytes(b"b" * 5000)
    for words in (
        ["a.txt"],
        ["a.txt", "/new name.txt"],
        ["a.txt", "b.txt", "/splash"],
        ["b.txt", "/OS-RELEASE"],
    ):
        run = resin("image", "put", boot.path, *words)
        assert run.code == 0, run.err
    tree = boot.tree()
    assert tree["a.txt"] == tree["new name.txt"] == tree["splash/a.txt"] == b"a"
    assert tree["splash/b.txt"] == tree["os-release"] == b"b" * 5000
    assert boot.complaints() == []


@pytest.mark.usefixtures("here")
def test_put_of_a_directory(boot: Boot) -> None:
    deep = Path("dispatcher.d/one/two")
    deep.mkdir(parents=True)
    (deep / "script").write_bytes(b"#!/bin/sh\n")
    Path("dispatcher.d/empty").mkdir()
    assert resin("image", "put", boot.path, "dispatcher.d").code == 2
    run = resin("image", "put", "-r", boot.path, "dispatcher.d")
    assert run.code == 0, run.err
    tree = boot.tree()
    assert tree["dispatcher.d/one/two/script"] == b"#!/bin/sh\n"
    assert "dispatcher.d/empty" in tree
    assert resin("image", "put", "-r", boot.path, "dispatcher.d", "/").code == 0
    assert boot.tree() == tree
    assert resin("image", "put", "-r", boot.path, ".", "/splash").code == 0
    assert boot.tree()["splash/here/dispatcher.d/one/two/script"] == b"#!/bin/sh\n"
    assert boot.complaints() == []


@pytest.mark.usefixtures("here")
def test_put_is_all_or_nothing(boot: Boot) -> None:
    Path("a.txt").write_bytes(b"a")
    Path("big").write_bytes(bytes(7 * MIB))
    Path("bad?name").write_bytes(b"")
    Path("links").mkdir()
    Path("links/loop").symlink_to("..")
    before = boot.digest()
    for words, code, name in (
        (["a.txt", "missing", "/"], 3, "file-not-found"),
        (["a.txt", "big", "/"], 1, "no-space"),
        (["a.txt", "bad?name", "/"], 2, "bad-value"),
        (["a.txt", "/no/such/place"], 3, "file-not-found"),
        (["a.txt", "big", "/os-release"], 3, "file-not-found"),
        (["a.txt", "/new/"], 3, "file-not-found"),
        (["a.txt", "big"], 2, "usage"),
        (["--recursive", "links", "/"], 2, "bad-value"),
        (["--recursive", "links", "/os-release"], 2, "bad-value"),
        ([], 2, "usage"),
    ):
        run = resin("image", "put", boot.path, *words, "--json")
        assert (run.code, run.error["code"]) == (code, name), words
        assert run.error["hint"], words
    assert boot.digest() == before


# get


@pytest.mark.usefixtures("here")
def test_get_follows_the_rules_of_cp(boot: Boot) -> None:
    Path("folder").mkdir()
    for words in (
        ["/config.json"],
        ["/splash/resin-logo.png", "logo.png"],
        ["/os-release", "/device-type.json", "folder"],
        ["-r", "/splash", "copy"],
        ["-r", "/splash", "folder"],
    ):
        run = resin("image", "get", boot.path, *words)
        assert run.code == 0, run.err
    assert Path("config.json").read_text() == FILES["config.json"]
    assert Path("logo.png").read_bytes() == Path("copy/resin-logo.png").read_bytes() == BINARY
    assert Path("folder/splash/resin-logo.png").read_bytes() == BINARY
    assert Path("folder/os-release").read_text() == FILES["os-release"]


@pytest.mark.usefixtures("here")
def test_get_of_everything(boot: Boot) -> None:
    boot.put({"empty/x": ""})
    assert resin("image", "rm", boot.path, "/empty/x").code == 0
    assert resin("image", "get", boot.path, "/").code == 2
    assert resin("image", "get", "-r", boot.path, "/", "backup").code == 0
    assert folder_tree(Path("backup")) == boot.tree()


@pytest.mark.usefixtures("here")
def test_get_replaces_a_file_only_with_yes(boot: Boot) -> None:
    Path("config.json").write_text("precious")
    assert resin("image", "get", boot.path, "/config.json").code == 4
    assert Path("config.json").read_text() == "precious"
    assert resin("image", "get", boot.path, "/config.json", "--yes").code == 0
    assert Path("config.json").read_text() == FILES["config.json"]


def test_get_of_what_is_not_there(boot: Boot, here: Path) -> None:
    for words, code in (
        (["/missing"], 3),
        (["/splash"], 2),
        (["/config.json", "/os-release", "nowhere"], 2),
        ([], 2),
    ):
        assert resin("image", "get", boot.path, *words).code == code, words
    assert folder_tree(here) == {}


@pytest.mark.parametrize(
    "name", [b"..      TXT", b"../../..TXT", b"..         ", b"/ETC/PASSWD", b"A\x1b[31mB TXT"]
)
def test_get_writes_nowhere_but_to_its_destination(tmp_path: Path, here: Path, name: bytes) -> None:
    boot = crafted(boot_image(tmp_path / "image.img", {"UNIQUE.TXT": "evil"}), b"UNIQUE  TXT", name)
    destination = here / "a" / "b" / "c"
    destination.mkdir(parents=True)
    outside = {path for path in tmp_path.rglob("*") if destination not in path.parents}
    resin("image", "get", "-r", boot.path, "/", destination, "--yes")
    resin("image", "get", "-r", boot.path, "/..", destination, "--yes")
    assert {path for path in tmp_path.rglob("*") if destination not in path.parents} == outside


@pytest.mark.usefixtures("here")
def test_control_characters_in_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    files = {"UNIQUE.TXT": "x", "system-connections/UNIQUF.TXT": "[connection]\ntype=wifi\n"}
    boot = boot_image(tmp_path / "image.img", files, label="RESIN-BOOT")
    crafted(boot, b"UNIQUE  TXT", b"A\x1b[31mB\x7fTXT")
    crafted(boot, b"UNIQUF  TXT", b"A\x1b[31mB\x9bTXT")
    for words in (
        ["image", "ls", "-r", boot.path],
        ["image", "info", boot.path],
        ["image", "get", "-r", boot.path, "/", "."],
        ["configure", boot.path, "--show"],
        ["image", "cat", boot.path, "/\x1b[31m"],
    ):
        run = resin(*words)
        assert not set(run.out + run.err) & {chr(n) for n in (*range(10), *range(11, 32), *range(127, 160))}
        assert "Traceback" not in run.err


# rm


def test_rm(boot: Boot) -> None:
    expected = boot.tree()
    run = resin("image", "rm", boot.path, "/SPLASH/Resin-Logo.png", "/os-release")
    assert run.code == 0, run.err
    del expected["splash/resin-logo.png"], expected["os-release"]
    assert boot.tree() == expected
    assert resin("image", "rm", "-r", boot.path, "/system-connections", "/splash").code == 0
    assert sorted(boot.tree()) == ["config.json", "device-type.json"]
    assert boot.complaints() == []


def test_rm_is_all_or_nothing(boot: Boot) -> None:
    before = boot.digest()
    for words, code in (
        (["/os-release", "/missing"], 3),
        (["/os-release", "/splash"], 2),
        (["--recursive", "/"], 2),
        ([], 2),
    ):
        run = resin("image", "rm", boot.path, *words, "--json")
        assert run.code == code, words
        assert run.error["hint"], words
    assert boot.digest() == before
