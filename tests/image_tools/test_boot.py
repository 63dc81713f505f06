"""Which partition is taken for the boot partition, and what it tells of the system."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from support import disk_images
from support.boot_images import OS_RELEASE, Boot, boot_image, in_partition, make_fat
from support.disk_images import MIB

from image_tools.boot_partition import BootPartition, open_boot
from image_tools.os_info import OsInfo, read_os_info
from resin_toolkit.errors import (
    FileSystemDamaged,
    NotAnImage,
    PartitionAmbiguous,
    PartitionNotFound,
)

TWO = "label: dos\nstart=2048, size=32768, type=c\nstart=34816, size=32768, type=c\n"


def found(path: Path, number: int | None = None) -> tuple[int, list[str]]:
    """The number of the boot partition, and the names in it."""
    with path.open("rb") as file:
        boot = open_boot(file, number)
        return boot.partition.number, sorted(entry.name for entry in boot.filesystem.list())


def os_info(boot: Boot) -> OsInfo:
    with boot.path.open("rb") as file:
        opened: BootPartition = open_boot(file)
        return read_os_info(opened.filesystem, opened.partition.name)


def two_partitions(path: Path, first: str = "", second: str = "") -> tuple[Boot, Boot]:
    disk_images.partitioned(path, 36 * MIB, TWO)
    return in_partition(path, 1, first), in_partition(path, 2, second)


@pytest.mark.parametrize(
    "label", ["resin-boot", "RESIN-BOOT", "balena-boot", "BALENA-BOOT", "flash-boot", "Flash-Boot"]
)
def test_the_label_decides_whatever_its_case(tmp_path: Path, label: str) -> None:
    first, second = two_partitions(tmp_path / "image", "EFI", label)
    first.put({"config.json": "{}"})
    second.put({"here": "x"})
    assert found(first.path) == (2, ["here"])


def test_boot_at_p4(tmp_path: Path) -> None:
    script = "label: dos\n" + "".join(f"start={2048 + 4096 * n}, size=4096, type=83\n" for n in range(3))
    path = disk_images.partitioned(tmp_path / "image", 24 * MIB, script + "start=16384, size=32768, type=c\n")
    in_partition(path, 4, "resin-boot").put({"here": "x"})
    assert found(path) == (4, ["here"])


def test_boot_at_p12_of_a_gpt(tmp_path: Path) -> None:
    small = [f"--new={n}:{2048 + 2048 * (n - 1)}:+1M" for n in range(1, 12)]
    path = disk_images.gpt(tmp_path / "image", 40 * MIB, *small, "--new=12:32768:+16M")
    in_partition(path, 12, "resin-boot").put({"here": "x"})
    assert found(path) == (12, ["here"])


@pytest.mark.parametrize("sector", [1 << 40, 1 << 60])
def test_a_partition_that_begins_far_behind_the_end_is_passed_over(tmp_path: Path, sector: int) -> None:
    path = disk_images.gpt(tmp_path / "image", 40 * MIB, "--new=1:2048:+8M", "--new=2:32768:+16M")
    in_partition(path, 2, "resin-boot").put({"here": "x"})
    disk_images.poke(path, 1024 + 32, struct.pack("<QQ", sector, sector + 2048))
    disk_images.sign_gpt(path, 512)
    assert found(path) == (2, ["here"])
    with path.open("rb") as file, pytest.raises(PartitionNotFound):
        open_boot(file, 1)


def test_boot_in_a_logical_partition(tmp_path: Path) -> None:
    script = (
        "label: dos\nstart=2048, size=4096, type=83\nstart=8192, size=60000, type=f\n"
        "start=10240, size=4096, type=83\nstart=16384, size=4096, type=83\nstart=24576, size=32768, type=c\n"
    )
    path = disk_images.partitioned(tmp_path / "image", 36 * MIB, script)
    numbers = [row.number for row in disk_images.sfdisk_rows(path)]
    in_partition(path, numbers[-1], "resin-boot").put({"here": "x"})
    assert found(path) == (7, ["here"])


def test_boot_without_a_partition_table(tmp_path: Path) -> None:
    path = disk_images.blank(tmp_path / "image", 16 * MIB)
    make_fat(path, 0, 16 * MIB).put({"here": "x"})
    assert found(path) == (1, ["here"])


def test_the_name_in_a_gpt_decides_where_there_is_no_label(tmp_path: Path) -> None:
    path = disk_images.gpt(
        tmp_path / "image", 40 * MIB, "--new=1:2048:+16M", "--new=2:34816:+16M", "--change-name=2:balena-boot"
    )
    in_partition(path, 1).put({"config.json": "{}"})
    in_partition(path, 2).put({"here": "x"})
    assert found(path) == (2, ["here"])


@pytest.mark.parametrize("marker", ["config.json", "device-type.json", "CONFIG.JSON"])
def test_what_lies_in_it_decides_where_there_is_no_label(tmp_path: Path, marker: str) -> None:
    first, second = two_partitions(tmp_path / "image")
    first.put({"autoexec.bat": "x"})
    second.put({marker: "{}"})
    assert found(first.path) == (2, [marker])


def test_the_first_fat_partition_is_taken_where_nothing_tells(tmp_path: Path) -> None:
    script = "label: dos\nstart=2048, size=2048, type=83\n" + "".join(TWO.splitlines(True)[1:]).replace(
        "start=2048", "start=4096"
    ).replace("start=34816", "start=36864")
    path = disk_images.partitioned(tmp_path / "image", 36 * MIB, script)
    in_partition(path, 2).put({"here": "x"})
    in_partition(path, 3)
    assert found(path) == (2, ["here"])


@pytest.mark.parametrize(
    ("labels", "files"), [(("resin-boot", "balena-boot"), {}), (("A", "B"), {"config.json": "{}"})]
)
def test_two_that_could_be_it_are_listed_and_a_number_decides(
    tmp_path: Path, labels: tuple[str, str], files: dict[str, str]
) -> None:
    first, second = two_partitions(tmp_path / "image", *labels)
    first.put(files)
    second.put({**files, "here": "x"})
    with pytest.raises(PartitionAmbiguous) as caught:
        found(first.path)
    for number, label in enumerate(labels, start=1):
        assert f"{number} ({label})" in caught.value.message
    assert "--partition" in caught.value.hint
    assert caught.value.facts["partitions"] == [1, 2]
    assert found(first.path, 2) == (2, sorted([*files, "here"]))
    assert found(first.path, 1)[0] == 1


def test_a_number_that_holds_no_fat_is_refused(tmp_path: Path) -> None:
    path = disk_images.resin_image(tmp_path / "image")
    in_partition(path, 1, "resin-boot")
    for number in (0, 2, 4, 7, -1):
        with pytest.raises(PartitionNotFound) as caught:
            found(path, number)
        assert caught.value.hint


def test_an_image_without_any_fat_partition(tmp_path: Path) -> None:
    path = disk_images.partitioned(
        tmp_path / "image", 8 * MIB, "label: dos\nstart=2048, size=4096, type=83\n"
    )
    with pytest.raises(PartitionNotFound) as caught:
        found(path)
    assert "no FAT partition" in caught.value.message


def test_garbage_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(bytes(range(1, 256)) * 8192)
    with pytest.raises(NotAnImage):
        found(path)


def test_a_damaged_boot_partition_is_told_and_another_one_is_not_taken_for_it(tmp_path: Path) -> None:
    first, second = two_partitions(tmp_path / "image", "resin-boot", "")
    second.put({"config.json": "{}"})
    disk_images.poke(first.path, first.offset + 19, b"\xff\xff")
    with pytest.raises(FileSystemDamaged) as caught:
        found(first.path)
    assert "Partition 1" in caught.value.message
    assert found(first.path, 2) == (2, ["config.json"])


def test_damage_elsewhere_does_not_hide_a_labelled_boot_partition(tmp_path: Path) -> None:
    first, second = two_partitions(tmp_path / "image", "OTHER", "resin-boot")
    second.put({"here": "x"})
    disk_images.poke(first.path, first.offset + 19, b"\xff\xff")
    assert found(first.path) == (2, ["here"])


def test_fat32_of_40_mib_with_clusters_of_512_bytes(tmp_path: Path) -> None:
    path = disk_images.partitioned(
        tmp_path / "image", 44 * MIB, "label: dos\nstart=2048, size=81920, type=c\n"
    )
    in_partition(path, 1, "RESIN-BOOT", bits=32, cluster=512).put({"here": "x"})
    with path.open("rb") as file:
        boot = open_boot(file)
        assert (boot.filesystem.fat_type.value, boot.filesystem.cluster_size) == ("FAT32", 512)
    assert found(path) == (1, ["here"])


# what the boot partition tells


@pytest.mark.parametrize(
    ("release", "config", "variant"),
    [
        ('VARIANT_ID="dev"\n', "{}", "development"),
        ("VARIANT_ID=prod\n", "{}", "production"),
        ("", '{"developmentMode": true}', "development"),
        ("", '{"developmentMode": "true"}', "development"),
        ("", '{"developmentMode": false}', "production"),
        ("", "{}", None),
        ('VARIANT_ID="prod"\n', '{"developmentMode": true}', "development"),
        ("", "[broken", None),
    ],
)
def test_development_or_production(tmp_path: Path, release: str, config: str, variant: str | None) -> None:
    boot = boot_image(tmp_path / "image", {"os-release": OS_RELEASE + release, "config.json": config})
    found = os_info(boot)
    assert found.variant == variant
    assert (found.name, found.version) == ("Resin OS", "2.0.0+rev2")


@pytest.mark.parametrize(
    ("release", "build", "yocto"),
    [
        ('META_RESIN_REV="x"\nPRETTY_NAME="Resin OS (Morty)"\n', "", "Morty 2.2"),
        ("", "resin-image-raspberrypi3-20170404-pyro\n", "Pyro 2.3"),
        ('POKY="Yocto 2.1.2"\n', "", "Krogoth 2.1"),
        ('POKY="poky 1.8"\n', "", "Fido 1.8"),
        ('POKY="Yocto 9.9"\n', "", None),
        ("", "", None),
    ],
)
def test_the_yocto_release(tmp_path: Path, release: str, build: str, yocto: str | None) -> None:
    files = {"os-release": OS_RELEASE + release, "image-version-info": build}
    assert os_info(boot_image(tmp_path / "image", files)).yocto == yocto


def test_the_device_type(tmp_path: Path) -> None:
    told = {"slug": "raspberrypi3", "name": "Raspberry Pi 3", "arch": "armv7hf", "yocto": {"machine": "rpi3"}}
    boot = boot_image(tmp_path / "image", {"device-type.json": json.dumps(told)})
    found = os_info(boot)
    assert (found.device_type, found.device_name, found.architecture) == (
        "raspberrypi3",
        "Raspberry Pi 3",
        "armv7hf",
    )
    assert not found.is_flasher


def test_the_device_type_of_config_json_where_nothing_else_tells(tmp_path: Path) -> None:
    boot = boot_image(tmp_path / "image", {"config.json": '{"deviceType": "intel-nuc"}'})
    assert os_info(boot).device_type == "intel-nuc"


@pytest.mark.parametrize("marker", ["resin-image-flasher", "balena-image-flasher"])
def test_a_flasher_image_by_its_marker(tmp_path: Path, marker: str) -> None:
    assert os_info(boot_image(tmp_path / "image", {marker: ""})).is_flasher


@pytest.mark.parametrize("label", ["flash-boot", "FLASH-BOOT"])
def test_a_flasher_image_by_its_label(tmp_path: Path, label: str) -> None:
    assert os_info(boot_image(tmp_path / "image", label=label)).is_flasher


def test_files_that_are_not_what_their_name_says_tell_nothing(tmp_path: Path) -> None:
    boot = boot_image(
        tmp_path / "image", {"os-release/x": "", "device-type.json": "\xff\xfe[", "config.json": "3"}
    )
    found = os_info(boot)
    assert (found.name, found.version, found.device_type, found.variant) == (None, None, None, None)
