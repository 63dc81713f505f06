"""The boot partition of an image or card: missing, full, damaged or in use."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support import disk_images
from support.boot_images import Boot, in_partition
from support.disk_images import MIB
from support.faulty_file import Fault as Lie
from support.faulty_file import faulty_file
from support.loop_devices import loop_device, mounted, partition_node
from support.loop_devices import run as tool
from support.resin_command import PROGRAM, program, resin

from faults.conditions import POWERLESS, locked, small_disk
from faults.table import Fault, fault
from resin_toolkit.errors import Exit

EDITORS = "configure image"
UNCHANGED = "reports it before writing anything"
ASKS = "asks for confirmation, or requires `--yes`"
BAD = "names the card; each file on it is either old or new"
CONFIG = '{"hostname": "old"}'
TWO = "label: dos\nstart=2048, size=12288, type=c, bootable\nstart=16384, size=32768, type=83\n"


def editing(verb: str, image: str | Path, *, size: int = 100) -> list[str]:
    """A command line of the verb that writes `size` bytes into the boot partition."""
    if verb == "configure":
        return ["configure", str(image), "--set", f"mine={'x' * size}", "--json"]
    Path("note.txt").write_text("x" * size)
    return ["image", "put", str(image), "note.txt", "--json"]


@fault(EDITORS, "the boot partition is full", Exit.FAILED, "no-space", UNCHANGED)
def test_a_full_partition(fault: Fault, boot: Boot) -> None:
    boot.put({"filler": bytes(4 * MIB + 900 * 1024)})
    before = boot.digest()
    fault.met(resin(*editing(fault.command, boot.path, size=200_000)))
    assert boot.digest() == before


@fault(EDITORS, "its file system is damaged", Exit.FAILED, "filesystem-damaged", UNCHANGED)
def test_a_damaged_file_system(fault: Fault, boot: Boot) -> None:
    fat = boot.offset + 512 * int.from_bytes(disk_images.peek(boot.path, boot.offset + 14, 2), "little")
    disk_images.poke(boot.path, fat + 4, b"\x02\x00" * 3000)
    disk_images.poke(boot.path, fat + 4 + 6000, b"\x02\x00" * 6000)
    before = boot.digest()
    fault.met(resin(*editing(fault.command, boot.path)))
    assert boot.digest() == before


@fault(EDITORS, "the image ends before its partition does", Exit.FAILED, "filesystem-damaged", UNCHANGED)
def test_a_truncated_image(fault: Fault, boot: Boot) -> None:
    with boot.path.open("r+b") as file:
        file.truncate(3 * MIB)
    before = boot.digest()
    fault.met(resin(*editing(fault.command, boot.path)), "truncated")
    assert boot.digest() == before


@fault(EDITORS, "the image has no boot partition", Exit.NOT_FOUND, "partition-not-found", UNCHANGED)
def test_no_boot_partition(fault: Fault, boot: Boot) -> None:
    disk_images.poke(boot.path, boot.offset, bytes(MIB))
    before = boot.digest()
    fault.met(resin(*editing(fault.command, boot.path)))
    assert boot.digest() == before


@fault(
    EDITORS, "the image has no partition with that number", Exit.NOT_FOUND, "partition-not-found", UNCHANGED
)
def test_no_such_partition(fault: Fault, boot: Boot) -> None:
    before = boot.digest()
    fault.met(resin(*editing(fault.command, boot.path), "--partition", "7"), "7")
    assert boot.digest() == before


@fault(EDITORS, "the image is compressed", Exit.USAGE, "usage", "suggests writing to a copy")
def test_a_compressed_image(fault: Fault, boot: Boot) -> None:
    import gzip

    packed = Path("packed.gz")
    packed.write_bytes(gzip.compress(boot.path.read_bytes(), 1))
    before = packed.read_bytes()
    fault.met(resin(*editing(fault.command, packed)), "--output")
    assert packed.read_bytes() == before


@fault(EDITORS, "no permission to write to the image", Exit.NOT_PERMITTED, "not-permitted", UNCHANGED)
def test_no_right_to_write(fault: Fault, boot: Boot) -> None:
    boot.path.chmod(0o444)
    before = boot.digest()
    fault.met(program(*editing(fault.command, boot.path), command=(*POWERLESS, PROGRAM)), str(boot.path))
    assert boot.digest() == before


@fault(EDITORS, "the image is on a read-only file system", Exit.REFUSED, "refused", UNCHANGED)
def test_a_read_only_disk(fault: Fault, boot: Boot) -> None:
    folder = Path("archive")
    folder.mkdir()
    image = Path(shutil.copy(boot.path, folder))
    words = editing(fault.command, image)
    with locked(folder):
        fault.met(resin(*words), "read-only")
    assert image.read_bytes() == boot.path.read_bytes()


@fault(EDITORS, "the card is write-protected", Exit.REFUSED, "refused", UNCHANGED)
def test_a_locked_card(fault: Fault, boot: Boot) -> None:
    before = boot.digest()
    with loop_device(boot.path, "--read-only") as device:
        fault.met(resin(*editing(fault.command, device)), "read-only")
    assert boot.digest() == before


@fault(EDITORS, "the card is mounted", Exit.REFUSED, "refused", UNCHANGED)
def test_a_mounted_card(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    image = disk_images.partitioned(tmp_path / "card.img", 24 * MIB, TWO)
    boot = in_partition(image, 1, "resin-boot", cluster=1024).put({"config.json": CONFIG})
    with loop_device(image) as device, partition_node(device, 16384, 32768) as root:
        tool("mkfs.ext4", "-q", root)
        with mounted(root, tmp_path / "mnt") as point:
            fault.met(program(*editing(fault.command, device)), device, str(point))
    assert boot.read("config.json") == CONFIG.encode()


@fault(EDITORS, "a read error of the card", Exit.FAILED, "io-error", BAD, Lie.UNREADABLE)
@fault(EDITORS, "a write error of the card", Exit.FAILED, "io-error", BAD, Lie.WRITE_ERROR)
def test_a_bad_card(fault: Fault, boot: Boot, tmp_path: Path) -> None:
    fat = boot.offset + 512 * int.from_bytes(disk_images.peek(boot.path, boot.offset + 14, 2), "little")
    with faulty_file(tmp_path, boot.path.stat().st_size, fault.given, fat) as file:
        (tmp_path / "faulty-backing.img").write_bytes(boot.path.read_bytes())
        with loop_device(file) as device:
            fault.met(program(*editing(fault.command, device)), device)
    held = Boot(tmp_path / "faulty-backing.img", boot.offset, boot.size)
    assert held.read("config.json") == CONFIG.encode()


@fault("configure image", "another program is changing the image", Exit.REFUSED, "refused", UNCHANGED)
def test_another_program_is_writing(fault: Fault, boot: Boot) -> None:
    import fcntl

    before = boot.digest()
    with boot.path.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        fault.met(resin(*editing(fault.command, boot.path)), "nother program")
    assert boot.digest() == before


@fault("image", "`cat` of a missing file", Exit.NOT_FOUND, "file-not-found", UNCHANGED, ["cat", "/none.txt"])
@fault(
    "image",
    "`get` of a missing file",
    Exit.NOT_FOUND,
    "file-not-found",
    UNCHANGED,
    ["get", "/none"],
)
@fault("image", "`rm` of a missing file", Exit.NOT_FOUND, "file-not-found", UNCHANGED, ["rm", "/none.txt"])
@fault(
    "image",
    "`put` of a missing file",
    Exit.NOT_FOUND,
    "file-not-found",
    UNCHANGED,
    ["put", "none"],
)
@fault("image", "`cat` of a directory", Exit.USAGE, "bad-value", UNCHANGED, ["cat", "/"])
@fault("image", "`put` of a device file", Exit.USAGE, "bad-value", UNCHANGED, ["put", "/dev/null", "/x"])
def test_missing_files(fault: Fault, boot: Boot) -> None:
    before, files = boot.digest(), set(Path().iterdir())
    verb, *words = fault.given
    fault.met(resin("image", verb, boot.path, *words, "--json"))
    assert boot.digest() == before
    assert set(Path().iterdir()) == files


@fault("image", "`get` to a full disk", Exit.FAILED, "no-space", "reports it; leaves no partial file")
def test_no_room_for_a_file(fault: Fault, boot: Boot, tmp_path: Path) -> None:
    with small_disk(tmp_path, MIB // 2) as disk:
        fault.met(resin("image", "get", boot.path, "/big.bin", disk / "big.bin", "--json"), "big.bin")
        assert list(disk.iterdir()) == []


@fault("configure", "no space for `--output`", Exit.FAILED, "no-space", "reports it; leaves no partial file")
def test_no_room_for_a_copy(fault: Fault, boot: Boot, tmp_path: Path) -> None:
    before = boot.digest()
    with small_disk(tmp_path, MIB // 2) as disk:
        copy = disk / "copy.img"
        boot.put({"random.bin": os.urandom(2 * MIB)})
        before = boot.digest()
        fault.met(resin("configure", boot.path, "--hostname", "new", "--output", copy, "--json"), "copy.img")
        assert list(disk.iterdir()) == []
    assert boot.digest() == before


@fault(
    "configure",
    "the folder of `--output` is read-only",
    Exit.REFUSED,
    "refused",
    "reports it; leaves no partial file",
)
def test_a_copy_in_a_read_only_folder(fault: Fault, boot: Boot, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    with locked(folder):
        run = resin("configure", boot.path, "--hostname", "new", "--output", folder / "copy.img", "--json")
    fault.met(run, str(folder / "copy.img"))
    assert ".partial" not in run.out


@fault(
    "configure",
    "the output file exists",
    Exit.REFUSED,
    "declined",
    ASKS,
)
def test_an_existing_output_file(fault: Fault, boot: Boot) -> None:
    Path("copy.img").write_text("precious")
    fault.met(
        resin("configure", boot.path, "--hostname", "new", "--output", "copy.img", "--json"), "copy.img"
    )
    assert Path("copy.img").read_text() == "precious"
