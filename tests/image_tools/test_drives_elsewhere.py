"""What macOS and Windows tell of their drives, recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from image_tools.drives import Drive, RefusalReason, macos, windows
from resin_toolkit.errors import IoFailed

RECORDED = Path(__file__).parents[1] / "recorded_drives"


def reasons(drive: Drive) -> list[RefusalReason]:
    return [refusal.reason for refusal in drive.refusals]


def diskutil(*arguments: str) -> bytes:
    name = "list" if arguments[0] == "list" else f"info-{arguments[2]}"
    assert arguments[1] == "-plist"
    return (RECORDED / "macos" / f"{name}.plist").read_bytes()


@pytest.fixture
def mac() -> dict[str, Drive]:
    return {drive.path: drive for drive in macos.list_drives(diskutil)}


@pytest.fixture
def pc() -> dict[str, Drive]:
    text = (RECORDED / "windows/powershell.json").read_text()
    return {drive.path: drive for drive in windows.list_drives(lambda: text)}


def test_a_mac_lists_drives_and_no_containers(mac: dict[str, Drive]) -> None:
    assert list(mac) == ["/dev/disk0", "/dev/disk4", "/dev/disk5", "/dev/disk6"]


def test_the_drive_beneath_the_container_of_the_system_is_the_systems(mac: dict[str, Drive]) -> None:
    drive = mac["/dev/disk0"]
    assert reasons(drive) == [RefusalReason.SYSTEM]
    assert drive.mount_points == ("/", "/System/Volumes/Data", "/System/Volumes/VM")
    assert (drive.model, drive.sector_size, drive.removable) == ("APPLE SSD AP0256Q", 4096, False)
    assert drive.to_unmount == ()


def test_a_card_in_a_macs_reader_may_be_flashed_once_unmounted(mac: dict[str, Drive]) -> None:
    card = mac["/dev/disk4"]
    assert (card.transport, card.removable, card.size) == ("sd", True, 31914983424)
    assert not card.refusals
    assert card.to_unmount == ("/Volumes/resin-boot",)
    assert [(part.path, part.label) for part in card.partitions] == [
        ("/dev/disk4s1", "resin-boot"),
        ("/dev/disk4s2", ""),
    ]


def test_a_locked_stick_and_a_fixed_drive_are_refused_on_a_mac(mac: dict[str, Drive]) -> None:
    assert reasons(mac["/dev/disk5"]) == [RefusalReason.READ_ONLY]
    assert mac["/dev/disk5"].transport == "usb"
    assert reasons(mac["/dev/disk6"]) == [RefusalReason.MOUNTED]
    assert not mac["/dev/disk6"].removable


def test_the_drive_that_windows_runs_from_is_the_systems(pc: dict[str, Drive]) -> None:
    drive = pc[r"\\.\PhysicalDrive0"]
    assert reasons(drive)[0] is RefusalReason.SYSTEM
    assert "page file" in drive.refusals[0].message
    assert (drive.transport, drive.mount_points) == ("nvme", ("C:\\",))


def test_a_card_in_a_reader_on_windows_may_be_flashed(pc: dict[str, Drive]) -> None:
    card = pc[r"\\.\PhysicalDrive2"]
    assert not card.refusals
    assert (card.vendor, card.model, card.serial) == ("Generic", "MassStorageClass", "000000001206")
    assert (card.transport, card.removable, card.size) == ("usb", True, 31914983424)
    assert card.to_unmount == ("E:\\",)
    assert [(part.label, part.filesystem) for part in card.partitions] == [
        ("resin-boot", "FAT32"),
        ("", "Unknown"),
    ]


def test_an_empty_reader_and_a_fixed_drive_are_refused_on_windows(pc: dict[str, Drive]) -> None:
    assert reasons(pc[r"\\.\PhysicalDrive3"]) == [RefusalReason.READ_ONLY, RefusalReason.NO_MEDIUM]
    assert reasons(pc[r"\\.\PhysicalDrive1"]) == [RefusalReason.MOUNTED]
    assert pc[r"\\.\PhysicalDrive1"].transport == "ata"
    assert pc[r"\\.\PhysicalDrive1"].serial == "ZZZ00001"


def test_one_disk_alone_is_no_list_and_still_one_drive() -> None:
    """As ConvertTo-Json of older PowerShells writes a list of one."""
    answer = json.loads((RECORDED / "windows/powershell.json").read_text())
    answer = {**answer, "disks": answer["disks"][2], "partitions": answer["partitions"][3]}
    [card] = windows.list_drives(lambda: "\ufeff" + json.dumps(answer))
    assert [part.label for part in card.partitions] == ["resin-boot"]


def test_what_cannot_be_read_is_one_error() -> None:
    with pytest.raises(IoFailed, match="PowerShell"):
        windows.list_drives(lambda: "Get-Disk : Access denied")
    with pytest.raises(IoFailed, match="diskutil"):
        macos.list_drives(lambda *_: b"Could not find disk")


def test_a_program_that_is_missing_is_one_error() -> None:
    """Neither is to be had here."""
    with pytest.raises(IoFailed, match="cannot be listed"):
        macos.list_drives()
    with pytest.raises(IoFailed, match="cannot be listed"):
        windows.list_drives()
