"""Opening, unmounting and rescanning drives through udisks2, for users other than root.

Source: the D-Bus interfaces org.freedesktop.UDisks2.Block (OpenDevice since udisks 2.7.3, Rescan) and
org.freedesktop.UDisks2.Filesystem (Unmount).
"""

from __future__ import annotations

import os
import re
from typing import Any

SERVICE = "org.freedesktop.UDisks2"
_FOLDER = "/org/freedesktop/UDisks2/block_devices"
_PATIENCE = 120.0
"""Seconds for a person to type a password."""
_REFUSALS = (f"{SERVICE}.Error.NotAuthorized", "org.freedesktop.PolicyKit1.Error")
_BUSY = f"{SERVICE}.Error.DeviceBusy"


class UdisksError(Exception):
    """udisks2 is not available or refused; `busy`: because the device is in use. `reason` is a clause."""

    def __init__(self, reason: str, *, busy: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.busy = busy


def open_drive(name: str) -> int:
    """Open the drive with this kernel name exclusively for reading and writing; returns a file descriptor.

    Raises UdisksError.
    """
    flags = os.O_EXCL | os.O_CLOEXEC | os.O_DIRECT
    [opened] = _call(name, "Block", "OpenDevice", "sa{sv}", ("rw", {"flags": ("i", flags)}))
    descriptor: int = opened.to_raw_fd()
    return descriptor


def unmount(name: str) -> None:
    """Unmount the file system on a device; raises UdisksError."""
    _call(name, "Filesystem", "Unmount", "a{sv}", ({},))


def rescan(name: str) -> None:
    """Make the kernel reread the partition table of a drive; raises UdisksError."""
    _call(name, "Block", "Rescan", "a{sv}", ({},))


def object_name(name: str) -> str:
    """A device name as a component of an object path: letters, digits and `_` escapes in hex."""
    return re.sub(r"[^A-Za-z0-9]", lambda match: f"_{ord(match[0]):02x}", name)


def _call(name: str, interface: str, method: str, signature: str, body: tuple[Any, ...]) -> Any:
    """Call a method of a device and return its result; the desktop may ask the user for a password."""
    from jeepney import DBusAddress, MessageFlag, MessageType, new_method_call
    from jeepney.io.blocking import open_dbus_connection

    device = DBusAddress(f"{_FOLDER}/{object_name(name)}", SERVICE, f"{SERVICE}.{interface}")
    call = new_method_call(device, method, signature, body)
    call.header.flags |= MessageFlag.allow_interactive_authorization
    try:
        with open_dbus_connection(bus="SYSTEM", enable_fds=True) as connection:
            reply = connection.send_and_get_reply(call, timeout=_PATIENCE)
    except (OSError, KeyError, ValueError) as error:
        raise UdisksError("udisks2 is not running") from error
    if reply.header.message_type is MessageType.error:
        raise _refusal(reply)
    return reply.body


def _refusal(reply: Any) -> UdisksError:
    from jeepney import HeaderFields

    error = str(reply.header.fields.get(HeaderFields.error_name, ""))
    if error.startswith(_REFUSALS):
        return UdisksError("udisks2 did not allow it")
    if error == "org.freedesktop.DBus.Error.ServiceUnknown":
        return UdisksError("udisks2 is not running")
    return UdisksError(f"udisks2 says: {reply.body[0] if reply.body else error}", busy=error == _BUSY)
