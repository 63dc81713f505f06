"""The machines that QEMU can be, and which of them an image's board is.

A PC is given the drive and the network of real ones, which every kernel for PCs has drivers for, unless the
image is made for QEMU. Of the Raspberry Pis the board itself is emulated, as far as QEMU has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from resin_toolkit.device.types import DeviceType, device_type
from resin_toolkit.errors import BadValue, NotSupported


class Disk(Enum):
    """What the image is plugged into."""

    VIRTIO = "virtio"
    ATA = "ata"
    SD = "sd"


@dataclass(frozen=True)
class Machine:
    """A machine as QEMU knows it."""

    title: str
    """What people call it."""
    programs: tuple[str, ...]
    """The emulators that have it, the one to be preferred first."""
    names: tuple[str, ...]
    """What QEMU calls it; the first that it has is taken."""
    arch: str
    """The kernel's word for its architecture: x86_64, arm, aarch64."""
    disk: Disk
    net: str
    memory: int | None = None
    """In MiB; None where the board has what it has."""
    firmware: str = ""
    """For boards that start without a loader: what the files of their firmware are called."""
    efi: tuple[str, ...] = ()
    """The architectures of UEFI programs that it can start, as QEMU's firmware is called."""

    @property
    def is_pc(self) -> bool:
        return self.disk is not Disk.SD

    def root(self, partition: int) -> str:
        """What Linux calls a partition of the image there."""
        return {Disk.VIRTIO: "/dev/vda", Disk.ATA: "/dev/sda", Disk.SD: "/dev/mmcblk0p"}[self.disk] + str(
            partition
        )


_X86 = ("qemu-system-x86_64",)
_ARM = ("qemu-system-arm", "qemu-system-aarch64")
_ARM64 = ("qemu-system-aarch64",)
_BOTH = ("x86_64", "i386")

_VIRTUAL = Machine(
    "a PC of QEMU's own", _X86, ("q35",), "x86_64", Disk.VIRTIO, "virtio-net-pci", 1024, "", _BOTH
)
_PC = Machine("a 64-bit PC", _X86, ("q35",), "x86_64", Disk.ATA, "e1000e", 1024, "", _BOTH)
_OLD_PC = Machine("a 32-bit PC", _X86, ("pc",), "x86_64", Disk.ATA, "e1000", 1024, "", ("i386",))
_PI1 = Machine("a Raspberry Pi Zero", _ARM, ("raspi0", "raspi1ap"), "arm", Disk.SD, "usb-net", None, "pi1")
_PI2 = Machine("a Raspberry Pi 2", _ARM, ("raspi2b",), "arm", Disk.SD, "usb-net", None, "pi2")
# QEMU cannot boot the 64-bit processor of a Raspberry Pi 3 in 32-bit state: a Pi 2 runs the same system.
_PI3_32 = Machine(
    "a Raspberry Pi 2, which runs the 32-bit system of a 3",
    _ARM,
    ("raspi2b",),
    "arm",
    Disk.SD,
    "usb-net",
    None,
    "pi3",
)
_PI3 = Machine("a Raspberry Pi 3", _ARM64, ("raspi3b",), "aarch64", Disk.SD, "usb-net", None, "pi3-64")
_PI4 = Machine("a Raspberry Pi 4", _ARM64, ("raspi4b",), "aarch64", Disk.SD, "usb-net", None, "pi4-64")

_BY_SLUG = {
    "qemux86-64": _VIRTUAL,
    "qemux86": Machine(
        "a 32-bit PC of QEMU's own",
        _X86,
        ("pc",),
        "x86_64",
        Disk.VIRTIO,
        "virtio-net-pci",
        1024,
        "",
        ("i386",),
    ),
    "raspberry-pi": _PI1,
    "raspberry-pi2": _PI2,
    "raspberrypi3": _PI3_32,
    "raspberrypi3-64": _PI3,
    "raspberrypi0-2w-64": _PI3,
    "raspberrypi4-64": _PI4,
}
_BY_ARCH = {"amd64": _PC, "i386": _OLD_PC}
_NO_PCS = ("intel-edison",)
"""Boards with a PC's processor and nothing else of one."""
_CAN = (
    "QEMU can emulate PCs (qemux86-64, intel-nuc, generic-amd64 and others) and the Raspberry Pi Zero, 1, 2, "
    "3 and, since QEMU 9.0, 4."
)


def machine_for(slug: str | None, arch: str | None, *, starts_as_pc: bool) -> Machine:
    """The machine for an image that says it is for the board `slug` of the architecture `arch`.

    Where it says neither, and something in it that only a PC starts, a PC. Raises NotSupported.
    """
    known = _known(slug)
    slug, arch = (known.slug, known.arch) if known else (slug, arch)
    machine = None if slug in _NO_PCS else _BY_SLUG.get(slug or "") or _BY_ARCH.get(arch or "")
    if machine is None and not slug and not arch and starts_as_pc:
        machine = _PC
    if machine is not None:
        return machine
    if not slug and not arch:
        raise NotSupported(
            "The image does not name its device type.", hint=f"{_CAN} With --kernel, a PC is assumed."
        )
    name = known.name if known else slug or f"board of the architecture {arch}"
    raise NotSupported(f"QEMU cannot emulate a {name} ({slug or arch}).", hint=_CAN, device_type=slug)


def _known(slug: str | None) -> DeviceType | None:
    try:
        return device_type(slug) if slug else None
    except BadValue:
        return None
