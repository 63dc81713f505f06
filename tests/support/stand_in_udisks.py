"""A stand-in for udisks2 on a message bus of its own: it really opens, unmounts and reads partition tables.

    python stand_in_udisks.py permit|refuse|busy

prints "ready" once it has its name on the bus that DBUS_SYSTEM_BUS_ADDRESS names, then each call it gets.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CONFIGURATION = """
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""


@contextmanager
def message_bus(folder: Path) -> Iterator[str]:
    """The address of a bus with nobody on it."""
    socket = folder / "bus"
    configuration = folder / "bus.conf"
    configuration.write_text(CONFIGURATION.format(socket=socket))
    command = ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--print-address"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        try:
            yield daemon.stdout.readline().decode().strip()
        finally:
            daemon.kill()


@contextmanager
def udisks(address: str, manner: str) -> Iterator[subprocess.Popen[str]]:
    """The stand-in, ready to be called."""
    command = [sys.executable, __file__, manner]
    environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": address}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as service:
        try:
            assert service.stdout is not None
            assert service.stdout.readline() == "ready\n"
            yield service
        finally:
            service.kill()


def main(manner: str) -> None:
    from jeepney import HeaderFields, MessageType, message_bus, new_error, new_method_return
    from jeepney.io.blocking import open_dbus_connection

    with open_dbus_connection(bus="SYSTEM", enable_fds=True) as connection:
        connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.UDisks2"))
        print("ready", flush=True)
        while True:
            message = connection.receive()
            if message.header.message_type is not MessageType.method_call:
                continue
            fields = message.header.fields
            method, path = fields[HeaderFields.member], fields[HeaderFields.path]
            print(f"{fields[HeaderFields.interface]}.{method} {path}", flush=True)
            error = {"refuse": "NotAuthorized", "busy": "DeviceBusy"}.get(manner)
            if error is not None:
                name = f"org.freedesktop.UDisks2.Error.{error}"
                connection.send(new_error(message, name, "s", ("no",)))
                continue
            signature, body = answer(method, path, message.body)
            connection.send(new_method_return(message, signature, body))


def answer(method: str, path: str, body: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    device = f"/dev/{path.rsplit('/', 1)[1]}"
    if method == "OpenDevice":
        mode, options = body
        assert mode == "rw"
        return "h", (os.open(device, os.O_RDWR | options["flags"][1]),)
    if method == "Unmount":
        subprocess.run(["umount", device], check=True)
    elif method == "Rescan":
        subprocess.run(["blockdev", "--rereadpt", device], check=False, stderr=subprocess.DEVNULL)
    return "", ()


if __name__ == "__main__":
    main(sys.argv[1])
