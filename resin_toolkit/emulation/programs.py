"""The installed QEMU programs, and which package to install if one is missing."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

from resin_toolkit.emulation.machines import Machine
from resin_toolkit.errors import NotSupported, ProgramNotFound

_TIMEOUT = 30.0
"""Seconds within which QEMU lists its machines; it takes a tenth of a second."""
_PACKAGES = {
    "debian": ("sudo apt install", {"x86": "qemu-system-x86", "arm": "qemu-system-arm", "uefi": "ovmf"}),
    "fedora": (
        "sudo dnf install",
        {"x86": "qemu-system-x86", "arm": "qemu-system-aarch64 qemu-system-arm", "uefi": "edk2-ovmf"},
    ),
    "arch": (
        "sudo pacman -S",
        {"x86": "qemu-system-x86", "arm": "qemu-system-aarch64 qemu-system-arm", "uefi": "edk2-ovmf"},
    ),
    "suse": ("sudo zypper install", {"x86": "qemu-x86", "arm": "qemu-arm", "uefi": "qemu-ovmf-x86_64"}),
    "darwin": ("brew install", {"x86": "qemu", "arm": "qemu", "uefi": "qemu"}),
}


def find_emulator(machine: Machine) -> tuple[str, str]:
    """Return the path of a QEMU that emulates `machine`, and QEMU's name for the machine.

    Raises ProgramNotFound, and NotSupported if the installed QEMU does not emulate the board.
    """
    paths = [path for name in machine.programs if (path := shutil.which(name))]
    if not paths:
        raise ProgramNotFound(
            f"{machine.programs[0]} is not installed; it is required to emulate {machine.title}.",
            hint=install_hint("x86" if machine.is_pc else "arm"),
            program=machine.programs[0],
        )
    for path in paths:
        if machine.is_pc:
            return path, machine.names[0]
        known = _machines_of(path)
        for name in machine.names:
            if name in known:
                return path, name
    raise NotSupported(
        f"{Path(paths[0]).name} is too old to emulate {machine.title}: it has no machine {machine.names[0]}.",
        hint="Upgrade QEMU: the Raspberry Pi 4 requires 9.0 or newer.",
    )


def install_hint(what: str) -> str:
    """Return a hint with the command that installs QEMU for `x86` or `arm`, or its firmware for `uefi`."""
    family = _family()
    installer, packages = _PACKAGES[family or "debian"]
    command = f"{installer} {packages[what]}"
    return (
        f"Install it: {command}" if family else f"Install it with your package manager; on Debian: {command}"
    )


def _machines_of(path: str) -> list[str]:
    done = subprocess.run(
        [path, "-machine", "help"],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_TIMEOUT,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return [line.split()[0] for line in done.stdout.splitlines() if line.strip()]


def _family() -> str | None:
    """The key in _PACKAGES for this system, by its os-release; None for an unknown one."""
    if sys.platform == "darwin":
        return "darwin"
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return None
    words = f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".split()
    family = next((word for word in words if word in _PACKAGES), None)
    return family or next(("suse" for word in words if "suse" in word), None)
