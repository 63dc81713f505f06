"""Checks of permissions and settings: drives, state directory, SSH keys, RESIN_DEVICE."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from resin_toolkit.device.address import parse_address
from resin_toolkit.doctor.findings import DEVICE_COMMANDS, IMAGE_COMMANDS, SSH_COMMANDS, Finding, Status
from resin_toolkit.errors import BadValue
from resin_toolkit.ssh.config import DEFAULT_KEY_FILES, ssh_folder
from resin_toolkit.state import check_folder, state_folder

_BUS = "/run/dbus/system_bus_socket"
_UDISKS = "dbus-1/system-services/org.freedesktop.UDisks2.service"


def check_drives() -> Finding:
    """Whether drives can be written to: as root, or through udisks2, which asks for the password."""
    if sys.platform != "linux":
        return Finding("drives", IMAGE_COMMANDS, Status.OK, "Drives are written to with sudo.")
    if os.geteuid() == 0:
        return Finding("drives", IMAGE_COMMANDS, Status.OK, "Drives can be written to, as root.")
    if _has_udisks():
        return Finding("drives", IMAGE_COMMANDS, Status.OK, "Drives are opened by udisks2, without sudo.")
    return Finding(
        "drives",
        IMAGE_COMMANDS,
        Status.WARNING,
        "Only root can write to drives: udisks2 is not available.",
        "Run `resin flash` with sudo, or install udisks2.",
    )


def check_state() -> Finding:
    """Whether host keys and addresses of devices can be stored."""
    folder = state_folder()
    nearest = next(path for path in (folder, *folder.parents) if path.exists() or path.is_symlink())
    reason = "" if nearest.is_dir() else f"{nearest} is not a directory"
    if not reason and not os.access(nearest, os.W_OK | os.X_OK):
        reason = f"{nearest} is not writable"
    if not reason:
        try:
            check_folder(folder)
        except PermissionError as error:
            reason = error.strerror or str(error)
    if not reason:
        return Finding("state", DEVICE_COMMANDS, Status.OK, f"Device data is stored in {folder}.")
    return Finding(
        "state",
        DEVICE_COMMANDS,
        Status.WARNING,
        f"Device data cannot be stored in {folder}: {reason}.",
        "Make it a directory that you own, or set XDG_STATE_HOME to another one.",
    )


def check_ssh_keys() -> Finding:
    """Whether there is an SSH key for devices that require one."""
    agent = os.environ.get("SSH_AUTH_SOCK", "")
    if agent and not _accepts_connections(agent):
        return Finding(
            "ssh-keys",
            SSH_COMMANDS,
            Status.WARNING,
            f"No SSH agent answers at SSH_AUTH_SOCK ({agent}).",
            "Start ssh-agent again, or unset the variable.",
        )
    files = [name for name in DEFAULT_KEY_FILES if (ssh_folder() / name).exists()]
    if agent or files:
        sources = ", ".join([*(["the agent"] if agent else []), *files])
        return Finding("ssh-keys", SSH_COMMANDS, Status.OK, f"SSH keys: {sources}.")
    return Finding(
        "ssh-keys",
        SSH_COMMANDS,
        Status.WARNING,
        "No SSH key found: development images need none, production images require one.",
        "Create one with ssh-keygen; `resin configure IMAGE --ssh-key FILE` adds it to an image.",
    )


def check_default_device() -> Finding:
    """Whether RESIN_DEVICE, if it is set, is a valid device name or address."""
    word = os.environ.get("RESIN_DEVICE", "")
    if not word:
        return Finding("default-device", DEVICE_COMMANDS, Status.OK, "RESIN_DEVICE is not set.")
    try:
        parse_address(word)
    except BadValue as error:
        return Finding(
            "default-device",
            DEVICE_COMMANDS,
            Status.MISSING,
            f"RESIN_DEVICE is invalid: {error.message}",
            error.hint,
        )
    return Finding("default-device", DEVICE_COMMANDS, Status.OK, f"RESIN_DEVICE is {word}.")


def _has_udisks() -> bool:
    folders = (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    return Path(_BUS).is_socket() and any((Path(folder) / _UDISKS).exists() for folder in folders)


def _accepts_connections(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(path)
        except OSError:
            return False
    return True
