"""From a tree of Debian's packages to the disk of a device: the layout of resinOS in 2017, on a PC.

Kernel and initrd lie in the boot partition. Needs root, dosfstools, mtools, e2fsprogs, fdisk and systemctl;
nothing is mounted.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from device.desk import run

SYSTEM = Path(__file__).parent / "system"
"""What lies over Debian's own files."""
MIB = 1024 * 1024
RELEASE = "/usr/lib/os-release"
_MASKED = (
    *("docker.socket", "avahi-daemon.socket", "apt-daily.timer", "apt-daily-upgrade.timer"),
    *("dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer"),
    "NetworkManager-wait-online.service",
)
_LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists")
_MARKER = "Remove this file to reset the partition.\n"
_SAMPLES = Path(__file__).parent.parent / "sample_image" / "boot" / "system-connections"
_BOARD = {
    "slug": "qemux86-64",
    "version": 1,
    "name": "QEMU X86 64bit",
    "arch": "amd64",
    "state": "released",
    "yocto": {"machine": "qemux86-64", "image": "resin-image", "fstype": "resinos-img"},
}
_CONFIG = {"deviceType": "qemux86-64", "persistentLogging": False}


@dataclass(frozen=True)
class Part:
    """A partition: its label, its place on the disk and its size in MiB."""

    label: str
    start: int
    size: int


BOOT = Part("resin-boot", 4, 40)
ROOT = Part("resin-root", 44, 640)
UPDATE = Part("resin-updt", 684, 640)
EXTENDED = Part("", 1324, 360)
STATE = Part("resin-conf", 1328, 32)
DATA = Part("resin-data", 1364, 320)
_TYPES = ((BOOT, "c, bootable"), (ROOT, "83"), (UPDATE, "83"), (EXTENDED, "f"), (STATE, "83"), (DATA, "83"))


def make_disk(tree: Path, work: Path) -> Path:
    """The disk of a development image, in the empty folder `work`; the tree stays as it is."""
    root = work / "root"
    run(["cp", "--archive", tree, root])
    boot = _make_boot(work, root)
    _settle(root)
    disk = work / "disk.img"
    with disk.open("wb") as file:
        file.truncate((DATA.start + DATA.size) * MIB)
    lines = [f"start={part.start * 2048}, size={part.size * 2048}, type={kind}\n" for part, kind in _TYPES]
    run(["sfdisk", "--quiet", disk], stdin="label: dos\nlabel-id: 0x52657376\n" + "".join(lines))
    _place(boot, disk, BOOT)
    marked, empty = work / "marked", work / "empty"
    for folder in (marked, empty):
        folder.mkdir()
    (marked / "remove_me_to_reset").write_text(_MARKER)
    for part, content in ((ROOT, root), (UPDATE, empty), (STATE, marked), (DATA, marked)):
        made = work / part.label
        sized = f"{part.size}M"
        run(["mkfs.ext4", "-q", "-m", "0", "-L", part.label, "-d", content, made, sized])
        _place(made, disk, part)
    return disk


def release(*, development: bool) -> str:
    """Its os-release."""
    lines = {
        "ID": "resin-os",
        "NAME": "Resin OS",
        "VERSION": "2.0.0+rev1",
        "VERSION_ID": "2.0.0+rev1",
        "PRETTY_NAME": "Resin OS 2.0.0+rev1",
        "MACHINE": "qemux86-64",
        "VARIANT": "Development" if development else "Production",
        "VARIANT_ID": "dev" if development else "prod",
        "SLUG": "qemux86-64",
    }
    return "".join(f'{name}="{value}"\n' for name, value in lines.items())


def _place(part: Path, disk: Path, at: Part) -> None:
    run(["dd", f"if={part}", f"of={disk}", "bs=1M", f"seek={at.start}", "conv=notrunc,sparse", "status=none"])
    part.unlink()


def _make_boot(work: Path, root: Path) -> Path:
    files = work / "boot"
    shutil.copytree(_SAMPLES, files / "system-connections")
    (files / "device-type.json").write_text(json.dumps(_BOARD, indent=2))
    (files / "config.json").write_text(json.dumps(_CONFIG, indent=2))
    (files / "os-release").write_text(release(development=True))
    for name in ("vmlinuz", "initrd.img"):
        (found,) = (root / "boot").glob(f"{name}-*")
        shutil.move(found, files / name)
    made = work / "boot.img"
    with made.open("wb") as file:
        file.truncate(BOOT.size * MIB)
    run(["mkfs.fat", "-n", BOOT.label, made])
    run(["mcopy", "-s", "-i", made, *files.iterdir(), "::"])
    return made


def _settle(root: Path) -> None:
    """Make the tree a device's: its settings and services, and nothing of the machine that it was made on."""
    shutil.copytree(SYSTEM, root, dirs_exist_ok=True)
    (root / RELEASE.lstrip("/")).write_text(release(development=True))
    for folder in ("boot", "state", "data"):
        (root / "mnt" / folder).mkdir()
    for name in _LEFT_OUT:
        shutil.rmtree(root / name)
        (root / name).mkdir()
    run(["systemctl", f"--root={root}", "enable", "resin-settings.service"])
    run(["systemctl", f"--root={root}", "mask", *_MASKED])
    for name in ("etc/machine-id", "etc/hostname", "etc/resolv.conf"):
        (root / name).write_text("")
    for key in (root / "etc" / "ssh").glob("ssh_host_*"):
        key.unlink()
    accounts = root / "etc" / "shadow"
    _, _, others = accounts.read_text().partition("\n")
    # Whether that lets anybody in is decided at each boot.
    accounts.write_text(f"root::17000:0:99999:7:::\n{others}")
