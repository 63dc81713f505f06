"""The machines that QEMU emulates, and which of them runs the image of a device type.

A PC gets the disk and network adapter of common hardware, which every PC kernel has drivers for, unless the
image is made for QEMU. For a Raspberry Pi, the board itself is emulated if QEMU supports it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from resin_toolkit.device.types import DeviceType, device_type
from resin_toolkit.errors import BadValue, NotSupported


class DiskInterface(Enum):
    """What the disk is attached to."""

    VIRTIO = "virtio"
    ATA = "ata"
    SD = "sd"


@dataclass(frozen=True)
class Machine:
    """A machine that QEMU emulates."""

    title: str
    """Its name for people, with an article."""
    programs: tuple[str, ...]
    """The QEMU programs that emulate it, preferred first."""
    names: tuple[str, ...]
    """QEMU's names for it, preferred first."""
    arch: str
    """Its architecture as the kernel names it: x86_64, arm, aarch64."""
    disk: DiskInterface
    net: str
    memory: int | None = None
    """In MiB; None if the board determines it."""
    firmware: str = ""
    """The Raspberry Pi model whose firmware starts the kernel; empty for a PC."""
    efi: tuple[str, ...] = ()
    """The architectures of the UEFI firmware that it can run, preferred first."""

    @property
    def is_pc(self) -> bool:
        return self.disk is not DiskInterface.SD

    def root(self, partition: int) -> str:
        """Return the device name of a partition of the image in Linux."""
        return {
            DiskInterface.VIRTIO: "/dev/vda",
            DiskInterface.ATA: "/dev/sda",
            DiskInterface.SD: "/dev/mmcblk0p",
        }[self.disk] + str(partition)


_X86 = ("qemu-system-x86_64",)
_ARM = ("qemu-system-arm", "qemu-system-aarch64")
_ARM64 = ("qemu-system-aarch64",)
_BOTH = ("x86_64", "i386")

_VIRTUAL = Machine(
    "a PC of QEMU's own", _X86, ("q35",), "x86_64", DiskInterface.VIRTIO, "virtio-net-pci", 1024, "", _BOTH
)
_PC = Machine("a 64-bit PC", _X86, ("q35",), "x86_64", DiskInterface.ATA, "e1000e", 1024, "", _BOTH)
_OLD_PC = Machine("a 32-bit PC", _X86, ("pc",), "x86_64", DiskInterface.ATA, "e1000", 1024, "", ("i386",))
_PI1 = Machine(
    "a Raspberry Pi Zero", _ARM, ("raspi0", "raspi1ap"), "arm", DiskInterface.SD, "usb-net", None, "pi1"
)
_PI2 = Machine("a Raspberry Pi 2", _ARM, ("raspi2b",), "arm", DiskInterface.SD, "usb-net", None, "pi2")
# QEMU cannot boot the 64-bit processor of a Raspberry Pi 3 in 32-bit state; a Pi 2 runs the same system.
_PI3_32 = Machine(
    "a Raspberry Pi 2 (for the 32-bit system of a Raspberry Pi 3)",
    _ARM,
    ("raspi2b",),
    "arm",
    DiskInterface.SD,
    "usb-net",
    None,
    "pi3",
)
_PI3 = Machine(
    "a Raspberry Pi 3", _ARM64, ("raspi3b",), "aarch64", DiskInterface.SD, "usb-net", None, "pi3-64"
)
_PI4 = Machine(
    "a Raspberry Pi 4", _ARM64, ("raspi4b",), "aarch64", DiskInterface.SD, "usb-net", None, "pi4-64"
)

_BY_SLUG = {
    "qemux86-64": _VIRTUAL,
    "qemux86": Machine(
        "a 32-bit PC of QEMU's own",
        _X86,
        ("pc",),
        "x86_64",
        DiskInterface.VIRTIO,
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
_NOT_PCS = ("intel-edison",)
"""Boards with the processor of a PC that are no PCs otherwise."""
_SUPPORTED = (
    "QEMU can emulate PCs (qemux86-64, intel-nuc, generic-amd64 and others) and the Raspberry Pi Zero, 1, 2, "
    "3 and, since QEMU 9.0, 4."
)


def machine_for(slug: str | None, arch: str | None, *, starts_as_pc: bool) -> Machine:
    """Return the machine for an image of the device type `slug` and the architecture `arch`.

    If the image names neither, it is a PC if it `starts_as_pc`. Raises NotSupported.
    """
    known = _known(slug)
    slug, arch = (known.slug, known.arch) if known else (slug, arch)
    machine = None if slug in _NOT_PCS else _BY_SLUG.get(slug or "") or _BY_ARCH.get(arch or "")
    if machine is None and not slug and not arch and starts_as_pc:
        machine = _PC
    if machine is not None:
        return machine
    if not slug and not arch:
        raise NotSupported(
            "The image does not name its device type.", hint=f"{_SUPPORTED} With --kernel, a PC is assumed."
        )
    name = known.name if known else slug or f"board of architecture {arch}"
    raise NotSupported(f"QEMU cannot emulate a {name} ({slug or arch}).", hint=_SUPPORTED, device_type=slug)


def _known(slug: str | None) -> DeviceType | None:
    try:
        return device_type(slug) if slug else None
    except BadValue:
        return None
