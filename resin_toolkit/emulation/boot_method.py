"""How an emulated machine boots: a boot loader in the image, UEFI, or a kernel that is passed to QEMU."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from resin_toolkit.emulation.disk import temporary_file
from resin_toolkit.emulation.firmware import Firmware, find_firmware
from resin_toolkit.emulation.machines import Machine
from resin_toolkit.errors import NotSupported

_PI_CONSOLE = "ttyAMA0"
"""The first serial port of every board in QEMU, whichever one the firmware would select for Linux."""
_PI_CONSOLES = ("serial0", "ttyS0", _PI_CONSOLE)
# QEMU does not emulate the fast interrupts of the USB host, to which the network adapter is attached.
_PI_USB = "dwc_otg.fiq_fsm_enable=0"


@dataclass(frozen=True)
class KernelOptions:
    """A kernel and an initial ramdisk of the user's, and text to append to the kernel command line."""

    kernel: Path | None = None
    initrd: Path | None = None
    append: str = ""

    def __bool__(self) -> bool:
        return bool(self.kernel or self.initrd or self.append)


@dataclass(frozen=True)
class BootSource:
    """What an image offers to boot from; kernel, initrd and device tree are paths in its boot partition."""

    has_mbr_loader: bool = False
    efi: Collection[str] = ()
    """The architectures that it has a UEFI boot loader for: x86_64, i386."""
    kernel: str | None = None
    initrd: str | None = None
    device_tree: str | None = None
    command_line: str = ""
    """The kernel command line in the boot partition of a Raspberry Pi."""
    root: int | None = None
    """The number of the root partition."""


@dataclass(frozen=True)
class BootMethod:
    """Without firmware and kernel, a BIOS runs the boot loader in the first sector of the image."""

    firmware: Firmware | None = None
    """The UEFI firmware of a PC."""
    kernel: BinaryIO | None = None
    initrd: BinaryIO | None = None
    device_tree: BinaryIO | None = None
    command_line: str = ""
    """The kernel command line."""

    @property
    def title(self) -> str:
        if self.kernel is not None:
            return "kernel"
        return "UEFI" if self.firmware is not None else "BIOS"


def choose_boot_method(
    machine: Machine,
    source: BootSource,
    options: KernelOptions,
    read_file: Callable[[str], Iterable[bytes]] | None,
    stack: ExitStack,
) -> BootMethod:
    """Choose how a machine boots an image; `stack` closes the files of the result.

    The user's kernel takes precedence, then on a PC a boot loader for the BIOS, one for UEFI, and a kernel in
    the boot partition. The firmware of a board starts a kernel and nothing else. `read_file` yields the
    content of a file in the boot partition, None if there is no boot partition. Raises NotSupported if the
    image is not bootable, and ProgramNotFound if the UEFI firmware is not installed.
    """
    if machine.is_pc and not options:
        if source.has_mbr_loader:
            return BootMethod()
        for arch in machine.efi:
            if arch in source.efi:
                return BootMethod(firmware=find_firmware(arch))

    def opened(given: Path | None, path: str | None) -> BinaryIO | None:
        if given is not None:
            return stack.enter_context(given.open("rb"))
        if path is None or read_file is None:
            return None
        return _copy(read_file(path), stack)

    kernel = opened(options.kernel, source.kernel)
    if machine.is_pc and kernel is None:
        raise NotSupported(
            "The image is not bootable on a PC: it has no boot loader in its first sector, no "
            "EFI/BOOT/BOOTX64.EFI and no kernel in its boot partition.",
            hint="Pass a kernel: --kernel FILE --initrd FILE --append 'root=/dev/sda2'.",
        )
    line = (
        pc_command_line(machine, source.root, options.append)
        if machine.is_pc
        else pi_command_line(machine, source.command_line, source.root, options.append)
    )
    return BootMethod(
        kernel=kernel,
        # The image's initrd holds the modules of the image's kernel and is of no use to another one.
        initrd=opened(options.initrd, None if options.kernel else source.initrd),
        device_tree=opened(None, source.device_tree),
        command_line=line,
    )


def pc_command_line(machine: Machine, root: int | None, append: str) -> str:
    """Return the kernel command line of a PC, with its console on the screen and the serial port."""
    words = [f"root={machine.root(root)}", "rootwait", "rw"] if root is not None else []
    return " ".join([*words, "console=tty0", "console=ttyS0,115200", append]).strip()


def pi_command_line(machine: Machine, cmdline: str, root: int | None, append: str) -> str:
    """Return the content of a board's cmdline.txt with the console on the serial port that QEMU emulates."""
    words = [word for word in cmdline.split() if not _is_console(word)]
    words += [f"console={_PI_CONSOLE},115200", _PI_USB]
    if root is not None and not any(word.startswith("root=") for word in words):
        words += [f"root={machine.root(root)}", "rootwait"]
    return " ".join([*words, append]).strip()


def _is_console(word: str) -> bool:
    name, _, value = word.partition("=")
    return name == "console" and value.partition(",")[0] in _PI_CONSOLES


def _copy(chunks: Iterable[bytes], stack: ExitStack) -> BinaryIO:
    copy = stack.enter_context(temporary_file())
    for chunk in chunks:
        copy.write(chunk)
    copy.flush()
    return copy
