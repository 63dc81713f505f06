"""`resin configure --output`: a configured copy, of an image however it is packed, or none at all."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from support.boot_images import Boot, boot_image
from support.card_images import KINDS, packed
from support.configured_images import CONFIG, config_of, configured_boot  # noqa: F401 - fixtures
from support.resin_command import program, resin

# a copy


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_of_an_image_however_it_is_packed(boot: Boot, tmp_path: Path, kind: str) -> None:
    source = packed(kind, boot.path.read_bytes(), tmp_path)
    before = source.read_bytes()
    run = resin("configure", source, "--hostname", "kitchen", "--output", tmp_path / "copy.img")
    assert run.code == 0, run.err
    copy = Boot(tmp_path / "copy.img", boot.offset, boot.size)
    assert config_of(copy)["hostname"] == "kitchen"
    assert copy.path.stat().st_size == boot.path.stat().st_size
    assert copy.complaints() == []
    assert source.read_bytes() == before


def test_a_compressed_image_needs_an_output(boot: Boot, tmp_path: Path) -> None:
    source = packed("xz", boot.path.read_bytes(), tmp_path)
    before = source.read_bytes()
    run = resin("configure", source, "--hostname", "kitchen", "--json")
    assert (run.code, run.error["code"]) == (2, "usage")
    assert "--output" in run.error["hint"]
    assert source.read_bytes() == before


def test_an_output_that_exists_is_replaced_only_with_yes(boot: Boot, tmp_path: Path) -> None:
    copy = tmp_path / "copy.img"
    copy.write_bytes(b"precious")
    run = resin("configure", boot.path, "--hostname", "kitchen", "--output", copy, "--json")
    assert (run.code, run.error["code"]) == (4, "declined")
    assert copy.read_bytes() == b"precious"
    assert resin("configure", boot.path, "--hostname", "kitchen", "--output", copy, "--yes").code == 0
    assert config_of(Boot(copy, boot.offset, boot.size))["hostname"] == "kitchen"


def test_the_image_itself_is_no_output(boot: Boot, tmp_path: Path) -> None:
    link = tmp_path / "link.img"
    link.symlink_to(boot.path)
    before = boot.digest()
    for output in (boot.path, link):
        assert resin("configure", boot.path, "--hostname", "a", "--output", output, "--yes").code == 2
    assert boot.digest() == before


@pytest.mark.parametrize("damage", ["config", "option", "archive"])
def test_a_copy_that_fails_leaves_nothing_behind(tmp_path: Path, damage: str) -> None:
    config = "{broken" if damage == "config" else CONFIG
    boot = boot_image(tmp_path / "image.img", {"config.json": config})
    data = gzip.compress(boot.path.read_bytes())
    source = tmp_path / "download.gz"
    source.write_bytes(data[: len(data) // 2] if damage == "archive" else data)
    hostname = "not a name" if damage == "option" else "kitchen"
    files = sorted(tmp_path.iterdir())
    run = resin("configure", source, "--hostname", hostname, "--output", tmp_path / "copy.img")
    assert run.code == (2 if damage == "option" else 1)
    assert sorted(tmp_path.iterdir()) == files


def test_an_output_in_a_folder_that_is_missing(boot: Boot, tmp_path: Path) -> None:
    run = resin("configure", boot.path, "--hostname", "a", "--output", tmp_path / "no" / "copy.img", "--json")
    assert (run.code, run.error["code"]) == (3, "file-not-found")
    assert str(tmp_path / "no") in run.error["message"]
    assert ".partial" not in run.out


# output


def test_quiet_still_prints_results_and_warnings(boot: Boot, tmp_path: Path) -> None:
    source = packed("gz", boot.path.read_bytes(), tmp_path)
    words = ("configure", source, "--set", "hostnam=x", "--output", tmp_path / "copy.img", "--yes")
    loud, quiet = program(*words), program(*words, "--quiet")
    assert "unpacking" in loud.err
    assert "unpacking" not in quiet.err
    assert quiet.out == loud.out
    assert "warning: " in quiet.err
