"""Files that ask for very much memory or time: what each command says, and what it took."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.boot_images import Boot
from support.card_images import MIB
from support.hostile_files import (
    EMPTY_PARTS,
    GIB,
    IMAGE,
    of_empty_parts,
    xz_blocks_longer_than_said,
    xz_with_dictionary,
    xz_with_record_count,
    zip_of_files,
    zip_with_lzma_dictionary,
    zip_with_sizes,
    zstd_with_dictionary,
    zstd_with_window,
)
from support.peak_memory import measured
from support.resin_command import resin

from faults.table import Fault, fault
from resin_toolkit.errors import Exit

MOST = 300 * MIB
READERS = "flash verify image configure emulate"
REFUSES = "names the memory that it needs and the limit, which --memory-limit raises"
BOUNDED = "reports it, within 300 MiB of memory and a few seconds"


def commands(image: str) -> dict[str, list[str]]:
    """Every command that decompresses an image."""
    return {
        "flash": ["flash", image, "out.img", "--yes"],
        "verify": ["verify", image, "card.img"],
        "image": ["image", "info", image],
        "configure": ["configure", image, "--hostname", "new", "--output", "out.img"],
        "emulate": ["emulate", image, "--snapshot"],
    }


@fault(READERS, "an image that names a large window or dictionary", Exit.REFUSED, "memory-limit", REFUSES)
@pytest.mark.parametrize(
    ("build", "need"),
    [
        (lambda: xz_with_dictionary(3 * GIB), "3.0 GiB"),
        (lambda: zstd_with_window(31), "2.0 GiB"),
        (lambda: zip_with_lzma_dictionary(3 * GIB), "3.0 GiB"),
    ],
    ids=["xz", "zstd", "zip"],
)
def test_a_large_window(fault: Fault, build: Callable[[], bytes], need: str, boot: Boot) -> None:
    Path("packed").write_bytes(build())
    Path("card.img").write_bytes(boot.path.read_bytes())
    run = resin(*commands("packed")[fault.command], "--json")
    fault.met(run, f"packed cannot be decompressed: it needs {need} of memory, and the limit is 512 MiB.")
    assert "--memory-limit" in run.error["hint"]
    assert not Path("out.img").exists()


def test_the_memory_limit_is_raised_and_lowered(boot: Boot) -> None:
    image = boot.path.read_bytes()
    Path("packed").write_bytes(xz_with_dictionary(3 * GIB, image))
    for words in (
        ["image", "ls", "packed"],
        ["image", "cat", "packed", "/config.json"],
        ["configure", "packed", "--show"],
    ):
        assert resin(*words).code == Exit.REFUSED
        run = resin(*words, "--memory-limit", "3G")
        assert run.code == 0, run
    done = resin("flash", "packed", "card.img", "--yes", "--memory-limit", "3072M")
    assert done.code == 0, done
    assert Path("card.img").read_bytes() == image
    assert resin("verify", "packed", "card.img", "--memory-limit", "4gib").code == 0
    Path("packed").write_bytes(xz_with_dictionary(64 * MIB, image))
    assert resin("image", "ls", "packed").code == 0
    lowered = resin("image", "ls", "packed", "--memory-limit", "50M", "--json")
    assert "it needs 64 MiB of memory, and the limit is 50 MiB" in lowered.error["message"]


@pytest.mark.parametrize("packed", [xz_with_dictionary(MIB), zstd_with_window(20)], ids=["xz", "zstd"])
@pytest.mark.parametrize("limit", ["1M", "1024T"])
def test_the_least_and_the_largest_memory_limit(packed: bytes, limit: str, boot: Boot) -> None:
    (boot.path.parent / "packed").write_bytes(packed)
    run = resin("image", "info", "packed", "--memory-limit", limit, "--json")
    assert run.envelope["ok"] or run.error["code"] in ("memory-limit", "not-an-image"), run


INVALID = ["", "0", "-1", "2X", "lots", "1.5G", "9999999999999G", "512", "64K", "1025T"]


@pytest.mark.parametrize("text", INVALID)
def test_an_invalid_memory_limit(text: str) -> None:
    run = resin("flash", "none.img", "card.img", "--memory-limit", text, "--json")
    assert (run.code, run.error["code"]) == (Exit.USAGE, "bad-value")


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "blocks that are longer than the index says": (
        lambda: xz_blocks_longer_than_said(4, 100 * MIB),
        "image-damaged",
    ),
    "an index of 4 * 10^18 blocks": (lambda: xz_with_record_count(1 << 62), "image-damaged"),
    "a frame made with a dictionary": (zstd_with_dictionary, "not-an-image"),
    "a zip archive of 60,000 files": (lambda: zip_of_files(60_000), "usage"),
    "a zip archive of 160,000 files": (lambda: zip_of_files(160_000), "not-an-image"),
    "a zip entry of 4 EiB": (lambda: zip_with_sizes(1 << 62, 1 << 62), "image-damaged"),
    **{
        f"{kind} of empty parts": (lambda kind=kind: of_empty_parts(kind, 50_000), "image-damaged")
        for kind in EMPTY_PARTS
    },
}


@pytest.mark.usefixtures("boot")
@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_archives_are_bounded(what: str) -> None:
    build, code = HOSTILE[what]
    Path("packed").write_bytes(build())
    Path("card.img").write_bytes(IMAGE)
    all_commands = commands("packed").values()
    found = measured(*([*words, "--json"] for words in all_commands))
    assert [run.error["code"] for run in found.runs] == [code] * len(all_commands)
    assert found.peak < MOST, f"{found.peak / MIB:.0f} MiB"
    assert not Path("out.img").exists()


@pytest.mark.usefixtures("boot")
def test_a_zip_archive_of_many_files_is_listed_in_part() -> None:
    Path("many.zip").write_bytes(zip_of_files(20_000))
    for words in (["flash", "many.zip", "out.img"], ["flash", "many.zip", "out.img", "--entry", "none"]):
        run = resin(*words, "--yes", "--json")
        text = run.error["message"] + run.error["hint"]
        assert "and 19990 more" in text
        assert len(text) < 500
        assert "--entry" in text or "does not contain none" in text


@pytest.mark.usefixtures("boot")
def test_names_in_an_archive_forge_no_line() -> None:
    with zipfile.ZipFile("names.zip", "w") as archive:
        for name in ("one\r\nhint: type this\x1b[2J\u202e.img", "two.img"):
            archive.writestr(name, IMAGE)
    for words in (["flash", "names.zip", "out.img", "--yes"], ["image", "info", "names.zip"]):
        run = resin(*words)
        assert run.code == Exit.USAGE
        assert len(run.err.splitlines()) == 2, run.err
        assert not [character for character in run.err if not (character.isprintable() or character == "\n")]
    assert "Extract the archive" in run.err
