"""Checks of Python packages and external programs."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

from resin_toolkit.doctor.findings import BY_SHELL, IMAGE_VERBS, Finding, Status
from resin_toolkit.emulation.firmware import find_firmware
from resin_toolkit.emulation.programs import install_hint
from resin_toolkit.errors import ProgramNotFound

_PACKAGES = {
    "paramiko": BY_SHELL,
    "docker": ("push", "logs", "ps", "env", "ssh"),
    "zeroconf": ("scan", "wait"),
    "psutil": ("drives", *IMAGE_VERBS),
    "zstandard": IMAGE_VERBS,
    "xxhash": IMAGE_VERBS,
    "tqdm": IMAGE_VERBS,
}
"""What is loaded only where it is used, so that its lack shows late."""
_EMULATORS = ("qemu-system-arm", "qemu-system-aarch64", "qemu-system-x86_64", "qemu-system-i386")


def check_packages() -> Finding:
    """Whether the Python packages are there: an update of the system's Python, say, loses them."""
    lacking = [name for name in _PACKAGES if find_spec(name) is None]
    if not lacking:
        every = tuple(dict.fromkeys(verb for verbs in _PACKAGES.values() for verb in verbs))
        return Finding("packages", every, Status.OK, "All Python packages are installed.")
    verbs = tuple(dict.fromkeys(verb for name in lacking for verb in _PACKAGES[name]))
    return Finding(
        "packages",
        verbs,
        Status.MISSING,
        f"Python packages are missing: {', '.join(lacking)}.",
        "Reinstall resin: pipx reinstall resin-toolkit, or uv tool upgrade --reinstall resin-toolkit.",
    )


def check_qemu() -> Finding:
    """Whether an image can be booted here."""
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
    """Whether QEMU can start images that begin by UEFI."""
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
    """Whether there is a program that `resin env` is for."""
    found = [name for name in ("docker", "podman") if shutil.which(name)]
    if found:
        return Finding("docker", ("env",), Status.OK, f"`resin env` can be used with {' and '.join(found)}.")
    return Finding(
        "docker",
        ("env",),
        Status.WARNING,
        "The docker program is not installed; only `resin env` is of use with it.",
        "Install it (on Debian docker.io or docker-cli); resin itself does not need it.",
    )
