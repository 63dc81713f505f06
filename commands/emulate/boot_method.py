"""How `resin emulate` boots an image: its boot loader, UEFI, or a kernel."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from commands.emulate.image import EmulatedImage, temporary
from image_tools.raspberry_pi import started_by
from resin_toolkit.emulation.boot_method import BootMethod, pc_command_line, pi_command_line
from resin_toolkit.emulation.firmware import find_firmware
from resin_toolkit.emulation.machines import Machine
from resin_toolkit.errors import NotSupported, PathNotFound

if TYPE_CHECKING:
    from image_tools.fat import FatFileSystem


@dataclass(frozen=True)
class KernelOptions:
    """A kernel of the user's own, and what it is told besides."""

    kernel: Path | None
    initrd: Path | None
    append: str

    @property
    def anything(self) -> bool:
        return bool(self.kernel or self.initrd or self.append)


def choose_boot_method(
    image: EmulatedImage, machine: Machine, kernel_options: KernelOptions, stack: ExitStack
) -> BootMethod:
    """How the machine begins; `stack` closes the files of it.

    What the user brings counts most; then a loader for the BIOS, one for UEFI, and a kernel in the boot
    partition. A board's firmware starts a kernel from there and nothing else. Raises PathNotFound,
    ProgramNotFound where the UEFI firmware is missing, and NotSupported where nothing can be started.
    """
    if not machine.is_pc:
        return _of_board(image, machine, kernel_options, stack)
    startup = image.startup
    if not kernel_options.anything:
        if startup.has_mbr_loader:
            return BootMethod()
        for arch in machine.efi:
            if arch in startup.efi:
                return BootMethod(firmware=find_firmware(arch))
    kernel = _file(kernel_options.kernel, image.boot, startup.kernel, stack)
    if kernel is None:
        raise NotSupported(
            "The image is not bootable on a PC: it has no boot loader in its first sector, no "
            "EFI/BOOT/BOOTX64.EFI and no kernel in its boot partition.",
            hint="Pass a kernel: --kernel FILE --initrd FILE --append 'root=/dev/sda2'.",
        )
    # An initrd belongs to its kernel: that of the image is of no use to another.
    initrd = _file(
        kernel_options.initrd, image.boot, None if kernel_options.kernel else startup.initrd, stack
    )
    return BootMethod(
        kernel=kernel,
        initrd=initrd,
        command_line=pc_command_line(machine, startup.root, kernel_options.append),
    )


def _of_board(
    image: EmulatedImage, machine: Machine, kernel_options: KernelOptions, stack: ExitStack
) -> BootMethod:
    if image.boot is None:
        raise PathNotFound(
            "The image has no boot partition for the board's firmware.",
            hint="`resin image info` shows what is in it.",
        )
    started = started_by(image.boot, machine.firmware, needs_kernel=kernel_options.kernel is None)
    return BootMethod(
        kernel=_file(kernel_options.kernel, image.boot, started.kernel, stack),
        initrd=_file(
            kernel_options.initrd, image.boot, None if kernel_options.kernel else started.initrd, stack
        ),
        tree=_file(None, image.boot, started.tree, stack),
        command_line=pi_command_line(
            machine, started.command_line, image.startup.root, kernel_options.append
        ),
    )


def _file(
    kernel_options: Path | None, boot: FatFileSystem | None, path: str | None, stack: ExitStack
) -> BinaryIO | None:
    """The user's file, else a copy of the one at `path` in the boot partition, else None."""
    if kernel_options is not None:
        return stack.enter_context(kernel_options.open("rb"))
    if boot is None or path is None:
        return None
    copy = stack.enter_context(temporary())
    for chunk in boot.chunks(path):
        copy.write(chunk)
    copy.flush()
    return copy
