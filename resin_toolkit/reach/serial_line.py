"""The serial console of a device or of an emulated one. The only module that imports pyserial."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resin_toolkit.errors import DeviceNotFound, IoFailed, NotPermitted, Refused, ResinError, Unreachable
from resin_toolkit.interruptible import wait_for_descriptors

BAUD = 115200
"""The default rate of resinOS and most boards."""
_READ_SIZE = 65536


class SerialLine:
    """An open serial line, to be attached to a terminal. One thread reads, others send and close."""

    def __init__(self, descriptor: int, close: Any, name: str) -> None:
        self._descriptor = descriptor
        self._close = close
        self._name = name
        self._wake_reader, self._wake_writer = os.pipe()
        self._closed = False

    def read(self) -> Sequence[tuple[int, bytes]]:
        """Wait for output; empty once the line is closed. Raises IoFailed if it was disconnected."""
        ready = wait_for_descriptors([self._descriptor, self._wake_reader])
        if self._wake_reader in ready or self._closed:
            return []
        try:
            data = os.read(self._descriptor, _READ_SIZE)
        except OSError as error:
            raise self._disconnected() from error
        if not data:
            raise self._disconnected()
        return [(1, data)]

    def sendall(self, data: bytes, /) -> None:
        """Send all of `data`, unless the line is closed. Raises IoFailed if it was disconnected."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                if self._wake_reader in wait_for_descriptors([self._wake_reader], [self._descriptor]):
                    return
            except OSError as error:
                raise self._disconnected() from error

    def end_input(self) -> None:
        """A serial line has no end of input."""

    def resize(self, rows: int, columns: int, /) -> None:
        """A serial line has no window size."""

    def exit_code(self) -> int:
        return 0

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            os.write(self._wake_writer, b"x")

    def release(self) -> None:
        """Close the port. Nothing may read any more."""
        self._close()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _disconnected(self) -> ResinError:
        return IoFailed(f"{self._name} was disconnected.", hint="Check the adapter and the device's power.")


def open_serial_line(name: str, baud: int = BAUD) -> SerialLine:
    """Open a port such as /dev/ttyUSB0, or the Unix socket of an emulated device.

    Raises DeviceNotFound, NotPermitted, Refused if another program uses it, Unreachable, IoFailed.
    """
    path = Path(name)
    if path.is_socket():
        return _unix_socket(path)
    if not path.exists():
        raise DeviceNotFound(f"There is no serial port {name}.", hint=_hint())
    import serial

    try:
        port = serial.Serial(name, baud, timeout=0, exclusive=True)
    except serial.SerialException as error:
        raise _refused(name, error) from error
    except (OSError, ValueError) as error:
        raise IoFailed(f"{name} is not a serial port that supports {baud} baud.", hint=_hint()) from error
    return SerialLine(port.fileno(), port.close, name)


def serial_ports() -> list[tuple[str, str]]:
    """The serial ports of this machine, each with its description."""
    from serial.tools import list_ports

    return sorted((port.device, port.description or "") for port in list_ports.comports())


def _unix_socket(path: Path) -> SerialLine:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except PermissionError as error:
        connection.close()
        raise NotPermitted(
            f"Permission denied: {path}.", hint="Run resin as the user who started the device."
        ) from error
    except OSError as error:
        connection.close()
        raise Unreachable(
            f"Nothing listens on {path}.", hint="Check that the emulated device is running.", cause="refused"
        ) from error
    return SerialLine(connection.fileno(), connection.close, str(path))


def _refused(name: str, error: Exception) -> ResinError:
    number = getattr(error, "errno", None)
    text = str(error).lower()
    if "lock" in text or "busy" in text:
        return Refused(
            f"{name} is in use by another program.",
            hint="Close the other program, such as screen or minicom.",
        )
    if number in (1, 13) or "permission" in text:
        return NotPermitted(
            f"Permission denied: {name}.", hint="Join its group, usually `dialout`, and log in again."
        )
    return IoFailed(f"{name} cannot be opened as a serial port.", hint=_hint())


def _hint() -> str:
    found = ", ".join(device for device, _ in serial_ports())
    return f"Serial ports: {found}." if found else "This machine has no serial port; plug the adapter in."
