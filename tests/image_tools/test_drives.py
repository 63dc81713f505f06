"""What is said of real loop devices, and of a recorded machine with layers that are not to be had here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.loop_devices import blank_loop, loop_device, mounted, partition_node, run

from image_tools.drives import (
    Drive,
    RefusalReason,
    check_does_not_carry,
    check_flashable,
    check_not_attached,
    check_not_source,
    find_drive,
    linux,
    list_drives,
    processes_using,
)
from image_tools.drives.sysfs import Mount, Sysfs
from resin_toolkit.errors import BadValue, DriveNotFound, Refused

MIB = 1024 * 1024


def reasons(drive: Drive) -> list[RefusalReason]:
    return [refusal.reason for refusal in drive.refusals]


# what is here


def test_the_drive_of_the_running_system_is_refused_whatever_is_said() -> None:
    kernel = Sysfs()
    name = kernel.device_name(Path("/").stat().st_dev)
    if name is None:
        pytest.fail("the root of this system is on no block device")
    drive = find_drive(f"/dev/{kernel.disk_of(name)}")
    assert reasons(drive)[0] is RefusalReason.SYSTEM
    with pytest.raises(Refused, match="running system"):
        check_flashable(drive, allow_fixed=True)


@pytest.mark.root
@pytest.mark.parametrize("sector", [512, 4096])
def test_a_loop_device_is_a_fixed_drive(sector: int, tmp_path: Path) -> None:
    with blank_loop(tmp_path, 3 * MIB, sector=sector) as device:
        [drive] = [drive for drive in list_drives() if drive.path == device]
        assert drive == find_drive(device)
    assert (drive.size, drive.sector_size, drive.transport) == (3 * MIB, sector, "loop")
    assert drive.model == str(tmp_path / "device.img")
    assert not drive.removable
    assert not drive.refusals
    with pytest.raises(Refused, match="fixed") as failure:
        check_flashable(drive)
    assert "--allow-fixed" in failure.value.hint
    check_flashable(drive, allow_fixed=True)


@pytest.mark.root
def test_a_loop_device_without_a_file_is_not_listed(tmp_path: Path) -> None:
    with blank_loop(tmp_path, MIB) as device:
        assert device in [drive.path for drive in list_drives()]
    assert device not in [drive.path for drive in list_drives()]


@pytest.mark.root
def test_a_mounted_drive_is_refused_whatever_is_said(tmp_path: Path) -> None:
    with blank_loop(tmp_path, 8 * MIB) as device:
        run("mkfs.ext4", "-q", device)
        with mounted(device, tmp_path / "a b") as point:
            drive = find_drive(device)
        assert drive.mount_points == (str(point),)
        assert reasons(drive) == [RefusalReason.MOUNTED]
        with pytest.raises(Refused, match="is mounted"):
            check_flashable(drive, allow_fixed=True)
        assert not find_drive(device).refusals


@pytest.mark.root
def test_a_mounted_partition_refuses_the_drive(tmp_path: Path) -> None:
    with blank_loop(tmp_path, 16 * MIB) as device, partition_node(device, 2048, 16384) as node:
        run("mkfs.ext4", "-q", node)
        with mounted(node, tmp_path / "mnt") as point:
            drive = find_drive(device)
    assert reasons(drive) == [RefusalReason.MOUNTED]
    [partition] = drive.partitions
    assert (partition.path, partition.size) == (node, 8 * MIB)
    assert partition.mount_points == (str(point),)


@pytest.mark.root
def test_swap_makes_a_drive_the_systems(tmp_path: Path) -> None:
    with blank_loop(tmp_path, 8 * MIB) as device:
        run("mkswap", device)
        run("swapon", device)
        try:
            drive = find_drive(device)
        finally:
            run("swapoff", device)
    assert reasons(drive) == [RefusalReason.SYSTEM]


@pytest.mark.root
def test_a_read_only_drive_is_refused(tmp_path: Path) -> None:
    backing = tmp_path / "device.img"
    backing.write_bytes(bytes(MIB))
    with loop_device(backing, "--read-only") as device:
        drive = find_drive(device)
    assert drive.read_only
    assert reasons(drive) == [RefusalReason.READ_ONLY]


@pytest.mark.root
def test_a_partition_is_refused_with_the_name_of_its_drive(tmp_path: Path) -> None:
    with (
        blank_loop(tmp_path, 16 * MIB) as device,
        partition_node(device, 2048, 16384) as node,
        pytest.raises(Refused, match=f"partition of {device}"),
    ):
        find_drive(node)


@pytest.mark.root
def test_a_link_leads_to_the_drive(tmp_path: Path) -> None:
    with blank_loop(tmp_path, MIB) as device:
        link = tmp_path / "by-id"
        link.symlink_to(device)
        assert find_drive(str(link)).path == device


def test_what_is_not_there_and_what_is_no_drive(tmp_path: Path) -> None:
    with pytest.raises(DriveNotFound):
        find_drive("/dev/no-such-drive")
    with pytest.raises(BadValue):
        find_drive(str(tmp_path))


@pytest.mark.root
def test_who_holds_a_device_is_named(tmp_path: Path) -> None:
    with blank_loop(tmp_path, MIB) as device:
        command = ["sh", "-c", f"exec 3< {device}; echo open; exec sleep 60"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            try:
                assert f"(pid {holder.pid})" in processes_using(device)[0]
            finally:
                holder.kill()


# the image itself


def test_a_file_is_not_written_over_itself(tmp_path: Path) -> None:
    image = tmp_path / "image.img"
    image.write_bytes(b"x")
    (tmp_path / "soft").symlink_to(image)
    (tmp_path / "hard").hardlink_to(image)
    for name in ("image.img", "soft", "hard"):
        with pytest.raises(Refused, match="itself"):
            check_not_source(str(image), str(tmp_path / name))
    check_not_source(str(image), str(tmp_path / "other"))


@pytest.mark.root
def test_a_loop_device_over_the_image_is_not_written_with_it(tmp_path: Path) -> None:
    with blank_loop(tmp_path, MIB) as device:
        backing = str(tmp_path / "device.img")
        for image, target in [(backing, device), (device, backing), (device, device)]:
            with pytest.raises(Refused, match="itself"):
                check_not_source(image, target)


@pytest.mark.root
def test_a_file_with_a_loop_device_over_it_is_not_written_behind_its_back(tmp_path: Path) -> None:
    backing = tmp_path / "device.img"
    link = tmp_path / "link"
    link.symlink_to(backing)
    with blank_loop(tmp_path, MIB) as device:
        for path in (backing, link):
            with pytest.raises(Refused, match=device):
                check_not_attached(str(path))
    check_not_attached(str(backing))
    check_not_attached(str(tmp_path / "none"))


@pytest.mark.root
def test_a_drive_that_carries_the_image_is_not_written_with_it(tmp_path: Path) -> None:
    """Through a second layer too: a file system in a file on that drive."""
    for name in ("outer", "inner", "other"):
        (tmp_path / name).mkdir()
    with blank_loop(tmp_path / "outer", 24 * MIB) as drive:
        run("mkfs.ext4", "-q", drive)
        with mounted(drive, tmp_path / "mnt") as point:
            (point / "image.img").write_bytes(b"x")
            with pytest.raises(Refused, match="is stored on"):
                check_does_not_carry(find_drive(drive), str(point / "image.img"))
            with blank_loop(point, 8 * MIB) as inner:
                run("mkfs.ext4", "-q", inner)
                with mounted(inner, tmp_path / "inner") as below:
                    (below / "image.img").write_bytes(b"x")
                    with pytest.raises(Refused, match="is stored on"):
                        check_does_not_carry(find_drive(drive), str(below / "image.img"))
            with blank_loop(tmp_path / "other", MIB) as other:
                check_does_not_carry(find_drive(other), str(point / "image.img"))


# a recorded machine: sda with LUKS, LVM and a mirror on it, sdb a stick, sdc a reader without a card


class Machine:
    """A tree like the kernel's, of devices that have numbers, partitions and slaves."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._mounts: list[str] = []
        for folder in ("sys/block", "sys/class/block", "sys/dev/block", "proc/self"):
            (root / folder).mkdir(parents=True)

    def disk(self, name: str, number: str, *, slaves: tuple[str, ...] = (), **attributes: str) -> None:
        folder = self.root / "sys/devices" / name
        self._device(folder, number, {"size": "2048", "ro": "0", "removable": "0", **attributes})
        (self.root / "sys/block" / folder.name).symlink_to(folder)
        for slave in slaves:
            (folder / "slaves").mkdir(exist_ok=True)
            (folder / "slaves" / slave).symlink_to(self.root / "sys/class/block" / slave)
            (self.root / "sys/class/block" / slave / "holders" / name).symlink_to(folder)

    def partition(self, disk: str, index: int, number: str) -> None:
        folder = self.root / "sys/devices" / disk / f"{disk}{index}"
        self._device(folder, number, {"size": "1024", "partition": str(index)})

    def mount(self, number: str, point: str, source: str = "none") -> None:
        self._mounts.append(f"30 1 {number} / {point} rw - ext4 {source} rw\n")
        (self.root / "proc/self/mountinfo").write_text("".join(self._mounts))

    def kernel(self) -> Sysfs:
        return Sysfs(self.root)

    def _device(self, folder: Path, number: str, attributes: dict[str, str]) -> None:
        (folder / "holders").mkdir(parents=True)
        for key, value in attributes.items():
            (folder / key).write_text(value + "\n")
        (self.root / "sys/class/block" / folder.name).symlink_to(folder)
        (self.root / "sys/dev/block" / number).symlink_to(folder)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.disk("sda", "8:0")
    machine.partition("sda", 1, "8:1")
    machine.partition("sda", 2, "8:2")
    machine.disk("sdb", "8:16", removable="1")
    machine.partition("sdb", 1, "8:17")
    machine.disk("sdc", "8:32", removable="1", size="0")
    return machine


def drives_of(machine: Machine) -> dict[str, Drive]:
    return {drive.path: drive for drive in linux.list_drives(machine.kernel())}


def test_a_root_through_luks_and_lvm_is_traced_to_its_drive(machine: Machine) -> None:
    machine.disk("dm-0", "252:0", slaves=("sda2",))
    machine.disk("dm-1", "252:1", slaves=("dm-0",))
    machine.mount("252:1", "/")
    drives = drives_of(machine)
    assert list(drives) == ["/dev/sda", "/dev/sdb", "/dev/sdc"]
    assert reasons(drives["/dev/sda"]) == [RefusalReason.SYSTEM, RefusalReason.IN_USE]
    assert not drives["/dev/sdb"].refusals
    assert machine.kernel().underlying_disks("dm-1") == {"dm-1", "dm-0", "sda"}


def test_every_drive_of_a_mirror_with_home_is_the_systems(machine: Machine) -> None:
    machine.disk("md0", "9:0", slaves=("sda1", "sdb1"))
    machine.mount("9:0", "/home")
    drives = drives_of(machine)
    assert reasons(drives["/dev/sda"])[0] is RefusalReason.SYSTEM
    assert reasons(drives["/dev/sdb"])[0] is RefusalReason.SYSTEM
    assert drives["/dev/sdb"].mount_points == ("/home",)


def test_a_held_drive_is_refused_though_nothing_is_mounted(machine: Machine) -> None:
    machine.disk("dm-0", "252:0", slaves=("sdb1",))
    assert reasons(drives_of(machine)["/dev/sdb"]) == [RefusalReason.IN_USE]


def test_a_file_system_with_a_number_of_its_own_is_traced_by_its_source(machine: Machine) -> None:
    machine.mount("0:40", "/", "/dev/sda1")
    assert machine.kernel().mounts()[0] == Mount("sda1", "/")
    assert reasons(drives_of(machine)["/dev/sda"]) == [RefusalReason.SYSTEM]


def test_a_reader_without_a_card_has_no_medium(machine: Machine) -> None:
    assert reasons(drives_of(machine)["/dev/sdc"]) == [RefusalReason.NO_MEDIUM]


def test_a_mount_point_with_a_space_is_read(machine: Machine) -> None:
    machine.mount("8:17", "/media/my\\040card")
    assert drives_of(machine)["/dev/sdb"].mount_points == ("/media/my card",)


def test_what_is_mounted_from_a_stick_is_to_be_unmounted_and_no_reason(machine: Machine) -> None:
    machine.mount("8:17", "/media/card")
    machine.mount("8:1", "/srv")
    drives = drives_of(machine)
    assert drives["/dev/sdb"].to_unmount == ("/media/card",)
    assert not drives["/dev/sdb"].refusals
    assert drives["/dev/sda"].to_unmount == ()
    assert reasons(drives["/dev/sda"]) == [RefusalReason.MOUNTED]


def test_a_stick_that_holds_a_part_of_the_system_is_never_unmounted(machine: Machine) -> None:
    machine.mount("8:17", "/home")
    machine.mount("8:17", "/media/card")
    drive = drives_of(machine)["/dev/sdb"]
    assert drive.to_unmount == ()
    assert reasons(drive)[0] is RefusalReason.SYSTEM


def test_a_member_of_an_imported_zfs_pool_is_in_use(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZFS enters itself as nobody's holder: udev's label and the list of pools tell."""
    member = {"ID_FS_TYPE": "zfs_member", "ID_FS_LABEL": "tank"}
    monkeypatch.setattr(linux._Udev, "facts", lambda _, name: member if name == "sdb1" else {})
    assert not drives_of(machine)["/dev/sdb"].refusals
    (machine.root / "proc/spl/kstat/zfs/tank").mkdir(parents=True)
    drive = drives_of(machine)["/dev/sdb"]
    assert reasons(drive) == [RefusalReason.IN_USE]
    assert "ZFS pool tank" in drive.refusals[0].message
    assert "zpool export tank" in drive.refusals[0].hint


@pytest.mark.parametrize(
    ("name", "where", "kind", "transport", "removable"),
    [
        ("mmcblk0", "platform/mmc0/mmc0:aaaa", "SD", "sd", True),
        ("mmcblk1", "platform/mmc1/mmc1:0001", "MMC", "mmc", False),
        ("nvme0n1", "pci0000:00/nvme/nvme0", "", "nvme", False),
        ("sdx", "pci0000:00/usb2/2-1/host3", "", "usb", True),
        ("sdy", "pci0000:00/ata1/host0", "", "ata", False),
        ("vdb", "pci0000:00/virtio3", "", "virtio", False),
    ],
)
def test_how_a_drive_is_attached_is_told(
    name: str, where: str, kind: str, transport: str, removable: bool, machine: Machine
) -> None:
    machine.disk(f"{where}/block/{name}", "240:0")
    if kind:
        folder = machine.root / "sys/class/block" / name / "device"
        folder.mkdir()
        (folder / "type").write_text(f"{kind}\n")
    drive = drives_of(machine)[f"/dev/{name}"]
    assert (drive.transport, drive.removable) == (transport, removable)
