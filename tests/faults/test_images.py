"""Images that are missing, unreadable or damaged, for every command that reads one."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from support.boot_images import Boot
from support.card_images import zipped
from support.resin_command import PROGRAM, program, resin

from faults.conditions import POWERLESS
from faults.table import Fault, fault
from resin_toolkit.errors import Exit

LOOKERS = "configure image flash verify"
UNTOUCHED = "reports it before writing anything"


def reading(verb: str, image: str | Path) -> list[str]:
    """A command line of the verb that reads an image; what it could write to is `card.img` or the image."""
    words = {
        "configure": ["configure", str(image), "--hostname", "new"],
        "image": ["image", "info", str(image)],
        "flash": ["flash", str(image), "card.img", "--yes"],
        "verify": ["verify", str(image), "card.img"],
    }[verb]
    return [*words, "--json"]


@pytest.fixture
def card(boot: Boot) -> Path:
    """A file that stands for a card that was flashed."""
    return Path(shutil.copy(boot.path, "card.img"))


@fault(LOOKERS, "the image does not exist", Exit.NOT_FOUND, "file-not-found", UNTOUCHED, "none.img")
@fault(LOOKERS, "the image is a directory", Exit.USAGE, "bad-value", UNTOUCHED, "folder")
@fault("configure image", "the image is a pipe or a terminal", Exit.USAGE, "bad-value", UNTOUCHED, "pipe")
@fault("configure flash", "the file is not an image", Exit.FAILED, "not-an-image", UNTOUCHED, "page")
@fault("configure flash", "the file is empty", Exit.FAILED, "not-an-image", UNTOUCHED, "empty")
def test_what_is_no_image(fault: Fault, card: Path) -> None:
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("page").write_bytes(b"<html>not found</html>" * 999)
    Path("empty").touch()
    before = card.read_bytes()
    fault.met(resin(*reading(fault.command, fault.given)), fault.given)
    assert card.read_bytes() == before
    assert not Path("none.img").exists()


@fault(LOOKERS, "no permission to read the image", Exit.NOT_PERMITTED, "not-permitted", UNTOUCHED)
def test_an_image_that_may_not_be_read(fault: Fault, boot: Boot, card: Path) -> None:
    boot.path.chmod(0)
    before = card.read_bytes()
    fault.met(program(*reading(fault.command, boot.path), command=(*POWERLESS, PROGRAM)), str(boot.path))
    assert card.read_bytes() == before


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "zst": lambda data: zstandard.ZstdCompressor(level=1, write_checksum=True).compress(data),
    "zip": lambda data: zipped(data, Path("packed.zip")).read_bytes(),
}
TOLD = "reports the archive, not the drive, as damaged; removes a partial output file"


@fault("configure flash verify", "a truncated archive", Exit.FAILED, "image-damaged", TOLD)
@pytest.mark.parametrize("kind", PACKED)
def test_a_truncated_download(fault: Fault, boot: Boot, card: Path, kind: str) -> None:
    damaged = Path("damaged")
    data = PACKED[kind](boot.path.read_bytes())
    damaged.write_bytes(data[: len(data) * 2 // 3])
    told_of(fault, damaged, card)


def told_of(fault: Fault, damaged: Path, card: Path) -> None:
    """The damaged archive is named by the verb, and no file is left that was made of it."""
    words = reading(fault.command, damaged)
    if fault.command == "flash":
        card.unlink()
    if fault.command == "configure":
        words += ["--output", "new.img"]
    fault.met(resin(*words), "damaged")
    assert not Path("new.img").exists()
    assert card.exists() is (fault.command != "flash")


@fault("configure flash verify", "a corrupted archive", Exit.FAILED, "image-damaged", TOLD)
@pytest.mark.parametrize("kind", PACKED)
def test_a_corrupted_archive(fault: Fault, boot: Boot, card: Path, kind: str) -> None:
    damaged = Path("damaged")
    data = bytearray(PACKED[kind](boot.path.read_bytes()))
    data[len(data) * 3 // 4] ^= 0x10
    damaged.write_bytes(data)
    told_of(fault, damaged, card)


@fault("flash verify", "the checksum differs from `--sha256`", Exit.FAILED, "image-damaged", TOLD)
def test_another_checksum(fault: Fault, boot: Boot, card: Path) -> None:
    if fault.command == "flash":
        card.unlink()
    fault.met(resin(*reading(fault.command, boot.path), "--sha256", "0" * 64), "SHA-256")
    assert card.exists() is (fault.command == "verify")


@fault(
    "flash verify", "stdin is closed, and the image should come from it", Exit.USAGE, "bad-value", UNTOUCHED
)
def test_no_stdin(fault: Fault, card: Path) -> None:
    before = card.read_bytes()
    words = reading(fault.command, "-")
    closed = program(*words, command=("bash", "-c", 'exec "$@" <&-', "bash", PROGRAM))
    fault.met(closed, "stdin")
    assert card.read_bytes() == before
