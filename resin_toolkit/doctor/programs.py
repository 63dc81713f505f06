"""Checks of Python packages and external programs."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

from resin_toolkit.doctor.findings import IMAGE_COMMANDS, SSH_COMMANDS, Finding, Status
from resin_toolkit.emulation.firmware import find_firmware
from resin_toolkit.emulation.programs import install_hint
from resin_toolkit.errors import ProgramNotFound

_PACKAGES = {
    "paramiko": SSH_COMMANDS,
    "docker": ("push", "logs", "ps", "env", "ssh"),
    "zeroconf": ("scan", "wait"),
    "psutil": ("drives", *IMAGE_COMMANDS),
    "zstandard": IMAGE_COMMANDS,
    "xxhash": IMAGE_COMMANDS,
    "tqdm": IMAGE_COMMANDS,
}
"""Packages that are imported only when they are used, and the commands that use them."""
_EMULATORS = ("qemu-system-arm", "qemu-system-aarch64", "qemu-system-x86_64", "qemu-system-i386")


def check_packages() -> Finding:
    """Whether the Python packages are installed. An upgrade of the system's Python can lose them."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    commands = tuple(dict.fromkeys(name for package in missing or _PACKAGES for name in _PACKAGES[package]))
    if not missing:
        return Finding("packages", commands, Status.OK, "All Python packages are installed.")
    return Finding(
        "packages",
        commands,
        Status.MISSING,
        f"Python packages are missing: {', '.join(missing)}.",
        "Reinstall resin: pipx reinstall resin-toolkit, or uv tool upgrade --reinstall resin-toolkit.",
    )


def check_qemu() -> Finding:
    """Whether QEMU is installed, which `resin emulate` needs."""
    found = [name for name in _EMULATORS if shutil.which(name)]
    if found:
        return Finding("qemu", ("emulate",), Status.OK, f"QEMU is installed: {', '.join(found)}.")
    return Finding(
        "qemu",
        ("emulate",),
        Status.WARNING,
        "QEMU is not installed: images cannot be booted on this machine.",
        f"For PCs: {install_hint('x86')}. For Raspberry Pis: {install_hint('arm')}.",
    )


def check_uefi() -> Finding:
    """Whether QEMU's UEFI firmware is installed, which images for PCs need."""
    try:
        found = find_firmware("x86_64")
    except ProgramNotFound as error:
        return Finding(
            "uefi",
            ("emulate",),
            Status.WARNING,
            "QEMU has no UEFI firmware: UEFI images cannot be booted on this machine.",
            error.hint,
        )
    return Finding("uefi", ("emulate",), Status.OK, f"QEMU's UEFI firmware is {found.code}.")


def check_docker() -> Finding:
    """Whether docker or podman is installed, which `resin env` is for."""
    found = [name for name in ("docker", "podman") if shutil.which(name)]
    if found:
        return Finding("docker", ("env",), Status.OK, f"`resin env` can be used with {' and '.join(found)}.")
    return Finding(
        "docker",
        ("env",),
        Status.WARNING,
        "The docker program is not installed. Only `resin env` needs it.",
        "To use `resin env`, install docker.io or docker-cli (Debian's names).",
    )
