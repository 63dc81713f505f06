"""How QEMU is started: every word of its command line.

Files that have no name (an unpacked image, an overlay, a kernel out of the boot partition) are given as
/dev/fd/N: whatever happens, nothing of them is left behind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from resin_toolkit.emulation.boot_method import BootMethod
from resin_toolkit.emulation.machines import Disk, Machine
from resin_toolkit.emulation.port_forwarding import LOOPBACK, Forward

CONSOLE = "console"
_PROCESSORS = 2


@dataclass(frozen=True)
class EmulatedDisk:
    """The image as the machine gets it."""

    place: str
    """A path, or /dev/fd/N."""
    is_drive: bool
    overlay: IO[bytes] | None
    """Where what is written goes instead of into the image; None writes into the image."""


def fd_path(file: IO[bytes]) -> str:
    """The path by which a process opens a file that it has inherited."""
    return f"/dev/fd/{file.fileno()}"


def command_line(
    program: str,
    name: str,
    machine: Machine,
    boot_method: BootMethod,
    disk: EmulatedDisk,
    forwards: Sequence[Forward],
    variables: IO[bytes] | None,
    *,
    kvm: bool,
) -> list[str]:
    """The words that start the machine that QEMU calls `name`; `variables` is the firmware's store.

    With `kvm` this machine's own processor runs its code, else each instruction is emulated.
    """
    return [
        *(program, "-nodefaults", "-no-user-config", "-display", "none", "-machine", name),
        *_processors(machine, kvm=kvm),
        *_begin(boot_method, variables),
        *_disk(machine, disk),
        *_network(machine, forwards),
        *("-chardev", f"pty,id={CONSOLE}", "-serial", f"chardev:{CONSOLE}"),
    ]


def _processors(machine: Machine, *, kvm: bool) -> list[str]:
    words = ["-accel", "kvm" if kvm else "tcg,thread=multi"]
    if not machine.is_pc:
        return words
    # Five levels of page tables slow emulation down for nothing. What a processor need not be defended
    # against is told in bits that a QEMU older than the kernel cannot always hand on, and ends there.
    words += [
        "-cpu",
        "max,la57=off,arch-capabilities=off",
        "-smp",
        str(_PROCESSORS),
        "-m",
        str(machine.memory),
        "-vga",
        "std",
    ]
    # A development image makes keys as it first starts, and waits for chance to do so.
    return [*words, *(("-device", "virtio-rng-pci") if machine.disk is Disk.VIRTIO else ())]


def _begin(boot_method: BootMethod, variables: IO[bytes] | None) -> list[str]:
    words = []
    if boot_method.firmware is not None:
        assert variables is not None
        form = boot_method.firmware.format
        code = _escaped(str(boot_method.firmware.code))
        words += ["-drive", f"if=pflash,unit=0,format={form},readonly=on,file={code}"]
        words += ["-drive", f"if=pflash,unit=1,format={form},file={fd_path(variables)}"]
    for option, file in (
        ("-kernel", boot_method.kernel),
        ("-initrd", boot_method.initrd),
        ("-dtb", boot_method.tree),
    ):
        if file is not None:
            words += [option, fd_path(file)]
    return (
        [*words, "-append", boot_method.command_line]
        if boot_method.kernel is not None and boot_method.command_line
        else words
    )


def _disk(machine: Machine, disk: EmulatedDisk) -> list[str]:
    """The image, plugged in. Boards have the slot for their card built in, and take a drive by its kind."""
    described = f"file={_escaped('json:' + json.dumps(_nodes(disk)))}"
    if machine.disk is Disk.SD:
        return ["-drive", f"if=sd,{described}"]
    kind = "virtio-blk-pci" if machine.disk is Disk.VIRTIO else "ide-hd,bus=ide.0"
    return ["-drive", f"if=none,id=disk,{described}", "-device", f"{kind},drive=disk,bootindex=1"]


def _nodes(disk: EmulatedDisk) -> Mapping[str, object]:
    image = {
        "driver": "raw",
        "read-only": disk.overlay is not None,
        "discard": "unmap",
        "file": {"driver": "host_device" if disk.is_drive else "file", "filename": disk.place},
    }
    if disk.overlay is None:
        return image
    overlay = {"driver": "file", "filename": fd_path(disk.overlay)}
    return {"driver": "qcow2", "discard": "unmap", "file": overlay, "backing": image}


def _network(machine: Machine, forwards: Sequence[Forward]) -> list[str]:
    rules = [f"hostfwd=tcp:{LOOPBACK}:{forward.host}-:{forward.guest}" for forward in forwards]
    # A PC's network card brings a program to start from, which this does not do.
    card = f"{machine.net},netdev=net" + (",romfile=" if machine.is_pc else "")
    keyboard = () if machine.is_pc else ("-device", "usb-kbd")
    return ["-netdev", ",".join(["user,id=net", *rules]), "-device", card, *keyboard]


def _escaped(text: str) -> str:
    """A value in an option of QEMU's: a comma would end it."""
    return text.replace(",", ",,")
