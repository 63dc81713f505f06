"""How the emulated machine begins: by a loader in the image, or by a kernel that QEMU is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from resin_toolkit.emulation.firmware import Firmware
from resin_toolkit.emulation.machines import Machine

_PI_CONSOLE = "ttyAMA0"
"""The first serial line of every board that QEMU has, whichever one its firmware would give to Linux."""
_PI_CONSOLES = ("serial0", "ttyS0", _PI_CONSOLE)
# QEMU has no fast interrupts for the USB host, which the network hangs on.
_PI_USB = "dwc_otg.fiq_fsm_enable=0"


@dataclass(frozen=True)
class BootMethod:
    """Without a firmware and a kernel it is a BIOS, and what it finds in the image's first sector."""

    firmware: Firmware | None = None
    """Of a PC with UEFI."""
    kernel: BinaryIO | None = None
    initrd: BinaryIO | None = None
    tree: BinaryIO | None = None
    """The device tree of a board."""
    command_line: str = ""
    """What the kernel is told."""

    @property
    def title(self) -> str:
        if self.kernel is not None:
            return "a kernel"
        return "UEFI" if self.firmware is not None else "BIOS"


def pc_command_line(machine: Machine, root: int | None, append: str) -> str:
    """What a PC's kernel is told: where its system lies, and to speak on the serial line."""
    words = [f"root={machine.root(root)}", "rootwait", "rw"] if root is not None else []
    return " ".join([*words, "console=tty0", "console=ttyS0,115200", append]).strip()


def pi_command_line(machine: Machine, told: str, root: int | None, append: str) -> str:
    """What a board's cmdline.txt tells the kernel, with the console on the serial line that QEMU has."""
    words = [word for word in told.split() if not _is_console(word)]
    words += [f"console={_PI_CONSOLE},115200", _PI_USB]
    if root is not None and not any(word.startswith("root=") for word in words):
        words += [f"root={machine.root(root)}", "rootwait"]
    return " ".join([*words, append]).strip()


def _is_console(word: str) -> bool:
    name, _, value = word.partition("=")
    return name == "console" and value.partition(",")[0] in _PI_CONSOLES
