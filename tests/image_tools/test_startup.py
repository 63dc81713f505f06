"""What would be started of an image: by a PC, and by the firmware of a Raspberry Pi."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.boot_images import boot_image
from support.disk_images import poke

from image_tools.boot_partition import open_boot
from image_tools.pc_boot import Startup, read_startup
from image_tools.raspberry_pi import BootFiles, find_boot_files
from resin_toolkit.errors import PathNotFound

# As parted 3.5 writes it, up to the call that reads the active partition's first sector.
PARTED = bytes.fromhex("fab800108ed0bc00b0b800008ed88ec0fbbe007cbf0006b90002f3a4ea21060000")


def startup(path: Path) -> Startup:
    with path.open("rb") as file:
        boot = open_boot(file)
        return read_startup(file, boot.table, boot.filesystem)


def pi(path: Path, model: str) -> BootFiles:
    with path.open("rb") as file:
        return find_boot_files(open_boot(file).filesystem, model)


def test_loaders_and_kernels_of_a_pc(tmp_path: Path) -> None:
    files = {"vmlinuz-6.1": "x", "vmlinuz": "x", "initrd.img": "x", "EFI/BOOT/bootx64.efi": "x"}
    image = boot_image(tmp_path / "a.img", files).path
    assert startup(image) == Startup(False, frozenset({"x86_64"}), "/vmlinuz", "/initrd.img", None)
    # The program of parted only leads on to the partition's, which mkfs.fat has made to refuse.
    poke(image, 0, PARTED)
    assert not startup(image).has_mbr_loader
    poke(image, 0, b"\xeb\x63")
    assert startup(image).has_mbr_loader


def test_nothing_to_start(tmp_path: Path) -> None:
    image = boot_image(tmp_path / "a.img", {"vmlinux.txt/x": "x"}).path
    assert startup(image) == Startup(False, frozenset(), None, None, None)


def test_what_a_raspberry_pi_starts_by_default(tmp_path: Path) -> None:
    names = ("kernel.img", "kernel7.img", "kernel8.img", "bcm2708-rpi-b-plus.dtb", "bcm2710-rpi-3-b.dtb")
    image = boot_image(tmp_path / "a.img", {**dict.fromkeys(names, "x"), "cmdline.txt": "root=x\n\n"}).path
    assert pi(image, "pi1") == BootFiles("/kernel.img", "/bcm2708-rpi-b-plus.dtb", None, "root=x")
    assert pi(image, "pi2").kernel == "/kernel7.img"
    assert pi(image, "pi3").tree == "/bcm2710-rpi-3-b.dtb"
    assert pi(image, "pi3-64") == BootFiles("/kernel8.img", "/bcm2710-rpi-3-b.dtb", None, "root=x")


def test_what_config_txt_chooses(tmp_path: Path) -> None:
    config = "# kernel=no\nkernel=own.img\ninitramfs first.gz followkernel\n"
    config += "[pi4]\nkernel=four.img\n[all]\ncmdline=own.txt\n"
    files = {
        "config.txt": config,
        "own.txt": "quiet",
        **dict.fromkeys(("own.img", "four.img", "first.gz"), "x"),
    }
    image = boot_image(tmp_path / "a.img", files).path
    assert pi(image, "pi3-64") == BootFiles("/own.img", None, "/first.gz", "quiet")
    assert pi(image, "pi4-64").kernel == "/four.img"
    with pytest.raises(PathNotFound, match=r"kernel8\.img"):
        pi(boot_image(tmp_path / "b.img", {"kernel.img": "x"}).path, "pi3-64")
