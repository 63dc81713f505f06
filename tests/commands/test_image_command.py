"""`resin image` as it is typed: info, ls, cat, and what holds for every verb."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from support import disk_images
from support.boot_images import Boot, boot_image, in_partition
from support.disk_images import MIB
from support.listed_images import BINARY, FILES, empty_folder, listed_boot  # noqa: F401 - fixtures
from support.resin_command import PROGRAM, Terminal, environment, program, resin

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
