"""`resin image` as it is typed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import disk_images
import pytest
from boot_images import OS_RELEASE, Boot, boot_image, in_partition
from disk_images import MIB
from resin_command import PROGRAM, Terminal, environment, program, resin

BINARY = bytes(range(256)) * 300
FILES = {
    "config.json": '{"hostname": "kitchen", "apiKey": "hush-hush-key"}',
    "os-release": OS_RELEASE + 'VARIANT_ID="dev"\n',
    "device-type.json": '{"slug": "raspberrypi3", "name": "Raspberry Pi 3", "arch": "armv7hf"}',
    "splash/resin-logo.png": BINARY,
    "system-connections/home": "[connection]\nid=home\ntype=wifi\n[wifi]\nssid=Home\n"
    "[wifi-security]\nkey-mgmt=wpa-psk\npsk=hush-hush-psk\n",
}


@pytest.fixture
def boot(tmp_path: Path) -> Boot:
    return boot_image(tmp_path / "image.img", FILES)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


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


# info


def test_info(boot: Boot) -> None:
    run = resin("image", "info", boot.path)
    assert run.code == 0, run.err
    for fact in (
        "8.00 MiB, MBR",
        "resin-boot",
        "fat16",
        "Resin OS 2.0.0+rev2",
        "development",
        "Raspberry Pi 3",
    ):
        assert fact in run.out
    assert "home (Home)" in run.out
    assert "kitchen" in run.out
    assert "\u2588" not in run.out
    assert "hush-hush" not in run.out + run.err


def test_info_in_json(boot: Boot) -> None:
    run = resin("image", "info", boot.path, "--json")
    (row,) = run.data["partitions"]
    assert (row["number"], row["start"], row["size"]) == (1, boot.offset, boot.size)
    assert (row["role"], row["filesystem"], row["label"]) == ("boot", "fat16", "resin-boot")
    assert row["used"] >= len(BINARY)
    assert (run.data["table"], run.data["boot_partition"], run.data["size"]) == ("mbr", 1, 8 * MIB)
    assert run.data["os"]["device_type"] == "raspberrypi3"
    assert run.data["config"]["hostname"] == "kitchen"
    assert "hush-hush" not in run.out


def test_info_draws_the_map_on_a_terminal_to_scale(tmp_path: Path) -> None:
    path = disk_images.resin_image(tmp_path / "image.img")
    in_partition(path, 1, "resin-boot")
    terminal = Terminal("image", "info", path, env=environment(COLUMNS="101", LC_ALL="C.UTF-8"))
    assert terminal.end() == 0
    lines = terminal.plain.splitlines()
    (bar,) = [line for line in lines if "\u2591" in line]
    assert len(bar) == 100
    assert bar.startswith("\u00b7" * 4)
    boot = bar[4:44]
    assert set(boot) <= {"\u2588", "\u2591"}
    assert lines[lines.index(bar) - 1].startswith("    1 boot")


@pytest.mark.parametrize("columns", ["20", "40", "1000"])
def test_info_on_terminals_of_any_width(boot: Boot, columns: str) -> None:
    terminal = Terminal("image", "info", boot.path, env=environment(COLUMNS=columns))
    assert terminal.end() == 0
    assert "Traceback" not in terminal.screen
    assert "fat16" in terminal.screen


def test_info_on_a_terminal_without_unicode(boot: Boot) -> None:
    terminal = Terminal("image", "info", boot.path, env=environment(COLUMNS="81", PYTHONIOENCODING="ascii"))
    assert terminal.end() == 0
    assert "--------" in terminal.screen
    assert terminal.screen.isascii()
    assert "\\u" not in terminal.screen


def test_info_of_an_image_without_a_boot_partition(tmp_path: Path) -> None:
    script = "label: dos\nstart=2048, size=4096, type=83\n"
    path = disk_images.partitioned(tmp_path / "image.img", 4 * MIB, script)
    run = resin("image", "info", path, "--json")
    assert run.data["boot_partition"] is None
    assert run.data["os"] is None
    assert [warning["code"] for warning in run.data["warnings"]] == ["partition-not-found"]
    assert resin("image", "info", path, "--partition", "1").code == 3


def test_info_of_an_image_with_a_damaged_boot_partition_or_config(boot: Boot) -> None:
    broken = boot_image(boot.path, {"config.json": "{oops"})
    run = resin("image", "info", broken.path, "--json")
    assert [warning["code"] for warning in run.data["warnings"]] == ["config-invalid"]
    disk_images.poke(boot.path, boot.offset + 19, b"\xff\xff")
    run = resin("image", "info", boot.path, "--json")
    assert {warning["code"] for warning in run.data["warnings"]} == {"filesystem-damaged"}
    assert run.data["partitions"][0]["filesystem"] == "fat"


def test_info_of_a_table_that_contradicts_itself(boot: Boot) -> None:
    disk_images.set_slot(boot.path, 0, 1, 0x83, 4096, 4096)
    run = resin("image", "info", boot.path, "--json")
    assert run.code == 0
    assert len(run.data["partitions"]) == 2
    assert run.data["boot_partition"] is None
    assert "image-damaged" in [warning["code"] for warning in run.data["warnings"]]
    before = boot.digest()
    assert resin("configure", boot.path, "--hostname", "a", "--json").error["code"] == "image-damaged"
    assert boot.digest() == before


def test_info_of_a_compressed_image(boot: Boot, tmp_path: Path) -> None:
    path = tmp_path / "image.gz"
    path.write_bytes(gzip.compress(boot.path.read_bytes()))
    plain, packed = resin("image", "info", boot.path), resin("image", "info", path)
    assert packed.code == 0
    assert packed.out.splitlines()[1:] == plain.out.splitlines()[1:]


# ls, cat


def test_ls(boot: Boot) -> None:
    names = [line.split()[-1] for line in resin("image", "ls", boot.path).out.splitlines()]
    assert sorted(names) == [
        "config.json",
        "device-type.json",
        "os-release",
        "splash/",
        "system-connections/",
    ]
    assert resin("image", "ls", boot.path, "/SPLASH").out.split()[-1] == "resin-logo.png"
    assert resin("image", "ls", boot.path, "splash/resin-logo.png").out.split()[0] == str(len(BINARY))


def test_ls_of_everything(boot: Boot) -> None:
    run = resin("image", "ls", "--recursive", boot.path, "--json")
    found = {entry["path"].lstrip("/"): entry for entry in run.data["entries"]}
    assert set(found) == set(boot.tree())
    assert found["splash"]["type"] == "directory"
    assert found["splash/resin-logo.png"]["size"] == len(BINARY)
    assert "  splash/resin-logo.png\n" in resin("image", "ls", "-r", boot.path).out


def test_ls_of_an_empty_directory(tmp_path: Path) -> None:
    run = resin("image", "ls", boot_image(tmp_path / "image.img").path)
    assert (run.code, run.out) == (0, "")


def test_cat_prints_the_bytes_as_they_are(boot: Boot) -> None:
    done = disk_images.subprocess.run(
        [PROGRAM, "image", "cat", boot.path, "/splash/resin-logo.png"], capture_output=True, check=True
    )
    assert done.stdout == BINARY
    assert done.stderr == b""


def test_cat_in_json(boot: Boot) -> None:
    assert resin("image", "cat", boot.path, "/os-release", "--json").data["text"] == FILES["os-release"]
    binary = resin("image", "cat", boot.path, "/splash/resin-logo.png", "--json").data
    import base64

    assert base64.b64decode(binary["base64"]) == BINARY


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


# every verb


@pytest.mark.parametrize(
    "verb", [["info"], ["ls"], ["cat", "/x"], ["put", "/etc/hostname"], ["get", "/x"], ["rm", "/x"]]
)
def test_what_is_no_image(tmp_path: Path, verb: list[str]) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"garbage " * 1000)
    name, *words = verb
    for path, code in ((tmp_path / "missing", 3), (tmp_path, 2), (garbage, 1)):
        run = resin("image", name, path, *words, "--json")
        assert run.code == code, run
        assert run.envelope["command"] == f"image {name}"
        assert run.error["hint"]


@pytest.mark.usefixtures("here")
def test_a_compressed_image_is_read_and_not_written(boot: Boot, tmp_path: Path) -> None:
    path = tmp_path / "image.gz"
    path.write_bytes(gzip.compress(boot.path.read_bytes()))
    before = path.read_bytes()
    assert resin("image", "cat", path, "/config.json", "--json").data["text"] == FILES["config.json"]
    for words in (["put", path, "/etc/hostname"], ["rm", path, "/config.json"]):
        assert resin("image", *words, "--json").error["code"] == "usage"
    assert path.read_bytes() == before


@pytest.mark.usefixtures("here")
def test_reading_leaves_the_image_as_it_is(boot: Boot) -> None:
    before = boot.digest()
    boot.path.chmod(0o444)
    for words in (["info"], ["ls", "-r"], ["cat", "/config.json"], ["get", "/config.json"]):
        name, *rest = words
        assert program("image", name, boot.path, *rest).code == 0
    assert boot.digest() == before
    assert json.loads(Path("config.json").read_text())["hostname"] == "kitchen"
