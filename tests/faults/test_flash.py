"""Faults of `resin flash`: targets that must not or cannot be written to."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.card_images import card_image, zipped
from support.loop_devices import MIB, blank_loop, loop_device, mounted, partition_node
from support.loop_devices import run as tool
from support.resin_command import PROGRAM, Run, environment, program, resin

from faults.conditions import POWERLESS, locked, small_disk
from faults.table import Fault, fault
from resin_toolkit.errors import Exit

REFUSES = "refuses, also with `--yes`; writes nothing"
UNTOUCHED = "reports it before writing anything"
ASKS = "asks for confirmation, or requires `--yes`"
SIZE = 5 * MIB + 512
IMAGE = card_image(SIZE)


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "image.img"
    path.write_bytes(IMAGE)
    return path


def flash(image: Path, target: str | Path, *words: str) -> Run:
    return program("flash", image, target, "--yes", "--allow-fixed", "--json", *words)


@contextmanager
def drive(folder: Path, size: int = 8 * MIB) -> Iterator[str]:
    """A drive that is found as it was when the block ends."""
    with blank_loop(folder, size, fill=b"\xa5") as device:
        yield device
        with open(device, "rb") as file:  # noqa: PTH123
            assert file.read() == b"\xa5" * size


def system_drive() -> str:
    number = Path("/").stat().st_dev
    link = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve()
    return f"/dev/{link.parent.name if (link / 'partition').exists() else link.name}"


@fault("flash", "the target is the drive that the system runs from", Exit.REFUSED, "refused", REFUSES)
def test_the_systems_drive(fault: Fault, image: Path) -> None:
    fault.met(flash(image, system_drive()), system_drive(), "running system")


@fault("flash", "the drive is mounted", Exit.REFUSED, "refused", REFUSES)
def test_a_mounted_drive(fault: Fault, image: Path, tmp_path: Path) -> None:
    with blank_loop(tmp_path, 8 * MIB) as device:
        tool("mkfs.ext4", "-q", device)
        with mounted(device, tmp_path / "mnt") as point:
            fault.met(flash(image, device), device, str(point))
        assert "clean" in tool("dumpe2fs", "-h", device)


@fault("flash", "the drive is write-protected", Exit.REFUSED, "refused", REFUSES)
def test_a_locked_drive(fault: Fault, image: Path, tmp_path: Path) -> None:
    (tmp_path / "device.img").write_bytes(bytes(8 * MIB))
    with loop_device(tmp_path / "device.img", "--read-only") as device:
        fault.met(flash(image, device), device, "read-only")


@fault("flash", "the drive is too small", Exit.REFUSED, "refused", REFUSES)
def test_a_small_drive(fault: Fault, image: Path, tmp_path: Path) -> None:
    with drive(tmp_path, 5 * MIB) as device:
        fault.met(flash(image, device), "too small")


@fault("flash", "the target is a partition", Exit.REFUSED, "refused", REFUSES)
def test_a_partition(fault: Fault, image: Path, tmp_path: Path) -> None:
    with drive(tmp_path) as device, partition_node(device, 2048, 4096) as node:
        fault.met(flash(image, node), f"partition of {device}")


@fault("flash", "the target holds the image itself", Exit.REFUSED, "refused", REFUSES, "drive")
@fault("flash", "the target holds the image itself", Exit.REFUSED, "refused", REFUSES, "link")
def test_onto_itself(fault: Fault, image: Path) -> None:
    with ExitStack() as opened:
        if fault.given == "drive":
            fault.met(flash(image, opened.enter_context(loop_device(image))), "itself")
        else:
            Path("hard").hardlink_to(image)
            fault.met(flash(image, "hard"), "itself")
    assert image.read_bytes() == IMAGE


@fault("flash", "another program is using the drive", Exit.REFUSED, "refused", REFUSES)
def test_a_drive_that_is_held(fault: Fault, image: Path, tmp_path: Path) -> None:
    with drive(tmp_path) as device:
        holder = os.open(device, os.O_RDONLY | os.O_EXCL)
        try:
            fault.met(flash(image, device), device)
        finally:
            os.close(holder)


@fault("flash", "a fixed drive without `--allow-fixed`", Exit.REFUSED, "refused", UNTOUCHED)
def test_a_fixed_drive(fault: Fault, image: Path, tmp_path: Path) -> None:
    with drive(tmp_path) as device:
        fault.met(program("flash", image, device, "--yes", "--json"), device, "--allow-fixed")


@fault("flash", "the prompt is declined or not possible", Exit.REFUSED, "declined", UNTOUCHED)
def test_no_confirmation(fault: Fault, image: Path, tmp_path: Path) -> None:
    with drive(tmp_path) as device:
        for stdin in (b"", b"y\n"):
            run = program("flash", image, device, "--allow-fixed", "--json", stdin=stdin)
            fault.met(run, device, "--yes")


@fault(
    "flash",
    "no such drive, or an empty card reader",
    Exit.NOT_FOUND,
    "drive-not-found",
    UNTOUCHED,
    "/dev/none",
)
@fault("flash verify", "no such directory", Exit.NOT_FOUND, "file-not-found", UNTOUCHED, "none/card.img")
@fault(
    "flash verify",
    "the target is neither a drive nor a file",
    Exit.USAGE,
    "bad-value",
    UNTOUCHED,
    "/dev/null",
)
@fault("flash verify", "the target is a directory", Exit.USAGE, "bad-value", UNTOUCHED, ".")
def test_no_target(fault: Fault, image: Path) -> None:
    before = set(Path().iterdir())
    fault.met(resin(fault.command, image, fault.given, "--json"), fault.given.partition("/card")[0])
    assert set(Path().iterdir()) == before
    assert not Path("/dev/none").exists()


@fault(
    "flash",
    "no target is given",
    Exit.USAGE,
    "usage",
    "lists the drives to choose from; without a prompt, writes nothing",
)
def test_no_target_named(fault: Fault, image: Path, tmp_path: Path) -> None:
    with drive(tmp_path) as device:
        fault.met(program("flash", image, "--allow-fixed", "--json"), device)


@fault(
    "flash verify",
    "no permission to open the drive",
    Exit.NOT_PERMITTED,
    "not-permitted",
    "prints the command to run as root; writes nothing",
)
def test_no_rights(fault: Fault, image: Path, tmp_path: Path) -> None:
    with drive(tmp_path) as device:
        mode = Path(device).stat().st_mode
        Path(device).chmod(0)
        env = environment(DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={tmp_path}/none")
        more = ("--yes", "--allow-fixed") if fault.command == "flash" else ()
        run = program(fault.command, image, device, *more, "--json", env=env, command=(*POWERLESS, PROGRAM))
        Path(device).chmod(mode)
        fault.met(run, f"{fault.command} {image} {device}", "sudo")


@fault("flash", "no permission to write to the directory", Exit.NOT_PERMITTED, "not-permitted", UNTOUCHED)
def test_a_directory_without_permission(fault: Fault, image: Path) -> None:
    folder = Path("others")
    folder.mkdir(mode=0o555)
    words = ("flash", image, folder / "card.img", "--json")
    fault.met(program(*words, command=(*POWERLESS, PROGRAM)), "others/card.img")
    assert list(folder.iterdir()) == []


@fault("flash", "the file system is read-only", Exit.REFUSED, "refused", UNTOUCHED)
def test_a_read_only_disk(fault: Fault, image: Path) -> None:
    folder = Path("archive")
    folder.mkdir()
    with locked(folder):
        fault.met(resin("flash", image, folder / "card.img", "--json"), "read-only")
        assert list(folder.iterdir()) == []


@fault(
    "flash",
    "the output file exists",
    Exit.REFUSED,
    "declined",
    ASKS,
)
def test_a_file_that_exists(fault: Fault, image: Path) -> None:
    Path("card.img").write_text("precious")
    fault.met(resin("flash", image, "card.img", "--json"), "card.img")
    assert Path("card.img").read_text() == "precious"


@fault(
    "flash",
    "no space on the disk for the file",
    Exit.FAILED,
    "no-space",
    UNTOUCHED,
)
def test_no_room(fault: Fault, image: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path, 2 * MIB) as disk:
        fault.met(resin("flash", image, disk / "card.img", "--json"), "card.img")
        assert list(disk.iterdir()) == []


@fault("flash", "a ZIP file with several images", Exit.USAGE, "usage", UNTOUCHED)
def test_two_images(fault: Fault, image: Path) -> None:
    path = zipped(IMAGE, Path("two.zip"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("second.img", image.read_bytes())
    fault.met(resin("flash", path, "card.img", "--json"), "second.img", "--entry")
    assert not Path("card.img").exists()


@fault(
    "flash",
    "an invalid option value (host name, checksum, partition)",
    Exit.USAGE,
    "bad-value",
    UNTOUCHED,
    ["--hostname", "not a name"],
)
@fault(
    "flash",
    "an invalid option value (host name, checksum, partition)",
    Exit.USAGE,
    "bad-value",
    UNTOUCHED,
    ["--sha256", "12ab"],
)
@fault(
    "flash",
    "the file with hosts, block map, settings or secret is missing",
    Exit.NOT_FOUND,
    "file-not-found",
    UNTOUCHED,
    ["--hosts", "none"],
)
@fault(
    "flash",
    "the file with hosts, block map, settings or secret is missing",
    Exit.NOT_FOUND,
    "file-not-found",
    UNTOUCHED,
    ["--bmap", "none"],
)
@fault(
    "flash",
    "the file with hosts, block map, settings or secret is missing",
    Exit.NOT_FOUND,
    "file-not-found",
    UNTOUCHED,
    ["--from", "none"],
)
@fault(
    "flash",
    "the directory of the receipt is missing",
    Exit.NOT_FOUND,
    "file-not-found",
    UNTOUCHED,
    ["--receipt", "none/receipt.json"],
)
def test_options(fault: Fault, image: Path, tmp_path: Path) -> None:
    with drive(tmp_path) as device:
        fault.met(flash(image, device, *fault.given), *fault.given[1:] if fault.exit == 3 else ())


@fault(
    "flash",
    "a block map of another image",
    Exit.FAILED,
    "image-damaged",
    "reports it as damaged; leaves the drive unbootable",
)
def test_another_block_map(fault: Fault, image: Path, tmp_path: Path) -> None:
    Path("other.img").write_bytes(card_image(SIZE, seed=8))
    tool("bmaptool", "create", "-o", "other.bmap", "other.img")
    with blank_loop(tmp_path, 8 * MIB, fill=b"\xa5") as device:
        fault.met(flash(image, device, "--bmap", "other.bmap"), "block map")
        assert not any(Path(device).read_bytes()[:512])
