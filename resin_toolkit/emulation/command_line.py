"""The command line of QEMU.

Files without a name (an unpacked image, an overlay, a kernel from the boot partition) are passed as
/dev/fd/N: nothing is left behind, however the run ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, BinaryIO

from resin_toolkit.emulation.boot_method import BootMethod
from resin_toolkit.emulation.disk import EmulatedDisk
from resin_toolkit.emulation.machines import DiskInterface, Machine
from resin_toolkit.emulation.port_forwarding import LOOPBACK, Forward

CONSOLE = "console"
_PROCESSORS = 2


@dataclass(frozen=True)
class QemuConfig:
    """Everything that QEMU's command line says of a machine, but for the accelerator."""

    program: str
    machine_name: str
    """QEMU's name for the machine."""
    machine: Machine
    boot_method: BootMethod
    disk: EmulatedDisk
    forwards: Sequence[Forward]
    uefi_variables: BinaryIO | None
    """The variable store of the UEFI firmware."""
    image: BinaryIO
    """The open image, which the disk may name as /dev/fd/N."""

    @property
    def inherited_files(self) -> list[int]:
        """The descriptors that QEMU has to inherit."""
        boot = self.boot_method
        files = (
            *(self.image, self.disk.overlay, self.uefi_variables),
            *(boot.kernel, boot.initrd, boot.device_tree),
        )
        return [file.fileno() for file in files if file is not None]


def qemu_command_line(config: QemuConfig, *, kvm: bool) -> list[str]:
    """Return the words that start QEMU; with `kvm` the host's processor runs the guest's code."""
    machine = config.machine
    return [
        *(config.program, "-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", config.machine_name),
        *_processors(machine, kvm=kvm),
        *_boot(config.boot_method, config.uefi_variables),
        *_disk(machine, config.disk),
        *_network(machine, config.forwards),
        *("-chardev", f"pty,id={CONSOLE}", "-serial", f"chardev:{CONSOLE}"),
    ]


def _processors(machine: Machine, *, kvm: bool) -> list[str]:
    words = ["-accel", "kvm" if kvm else "tcg,thread=multi"]
    if not machine.is_pc:
        return words
    # Five-level page tables slow emulation down for nothing. arch-capabilities tells the guest which
    # vulnerabilities the processor does not have; a QEMU older than the host's kernel cannot always pass
    # these bits on, and exits.
    words += ["-cpu", "max,la57=off,arch-capabilities=off", "-smp", str(_PROCESSORS)]
    words += ["-m", str(machine.memory), "-vga", "std"]
    # A development image generates keys on its first boot and waits for entropy.
    return [*words, *(("-device", "virtio-rng-pci") if machine.disk is DiskInterface.VIRTIO else ())]


def _boot(boot_method: BootMethod, variables: IO[bytes] | None) -> list[str]:
    words = []
    if boot_method.firmware is not None:
        assert variables is not None
        image_format = boot_method.firmware.format
        code = _escaped(str(boot_method.firmware.code))
        words += ["-drive", f"if=pflash,unit=0,format={image_format},readonly=on,file={code}"]
        words += ["-drive", f"if=pflash,unit=1,format={image_format},file={_fd_path(variables)}"]
    for option, file in (
        ("-kernel", boot_method.kernel),
        ("-initrd", boot_method.initrd),
        ("-dtb", boot_method.device_tree),
    ):
        if file is not None:
            words += [option, _fd_path(file)]
    if boot_method.kernel is not None and boot_method.command_line:
        words += ["-append", boot_method.command_line]
    return words


def _disk(machine: Machine, disk: EmulatedDisk) -> list[str]:
    """The disk and the device that it is attached to. A board has its card slot built in."""
    file = f"file={_escaped('json:' + json.dumps(_block_nodes(disk)))}"
    if machine.disk is DiskInterface.SD:
        return ["-drive", f"if=sd,{file}"]
    device = "virtio-blk-pci" if machine.disk is DiskInterface.VIRTIO else "ide-hd,bus=ide.0"
    return ["-drive", f"if=none,id=disk,{file}", "-device", f"{device},drive=disk,bootindex=1"]


def _block_nodes(disk: EmulatedDisk) -> Mapping[str, object]:
    image = {
        "driver": "raw",
        "read-only": disk.overlay is not None,
        "discard": "unmap",
        "file": {"driver": "host_device" if disk.is_drive else "file", "filename": disk.path},
    }
    if disk.overlay is None:
        return image
    overlay = {"driver": "file", "filename": _fd_path(disk.overlay)}
    return {"driver": "qcow2", "discard": "unmap", "file": overlay, "backing": image}


def _network(machine: Machine, forwards: Sequence[Forward]) -> list[str]:
    rules = [f"hostfwd=tcp:{LOOPBACK}:{forward.host}-:{forward.guest}" for forward in forwards]
    # Without romfile= the network card of a PC would offer to boot from the network.
    card = f"{machine.net},netdev=net" + (",romfile=" if machine.is_pc else "")
    # Without a button to press, a board is shut down by Ctrl-Alt-Delete.
    keyboard = () if machine.is_pc else ("-device", "usb-kbd")
    return ["-netdev", ",".join(["user,id=net", *rules]), "-device", card, *keyboard]


def _fd_path(file: IO[bytes]) -> str:
    """The path at which a process opens a file that it has inherited."""
    return f"/dev/fd/{file.fileno()}"


def _escaped(text: str) -> str:
    """Escape the commas in a value of a QEMU option, which would end it."""
    return text.replace(",", ",,")
