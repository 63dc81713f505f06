"""udisks2 itself, with udev's daemon below it, in mount and network namespaces of their own.

    unshare --mount --net python real_udisks.py DEVICE COMMAND...

runs COMMAND while they serve the loop device DEVICE, which nobody but they may open, and ends as it does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.loop_devices import run
from support.stand_in_udisks import message_bus

UDEV = "/usr/lib/systemd/systemd-udevd"
UDISKS = "/usr/libexec/udisks2/udisksd"
SERVICE = "org.freedesktop.UDisks2"
SECONDS = "30"


def served(device: str, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command beside udisks2, and wait for its end."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    program = [sys.executable, "-m", "support.real_udisks"]
    words = ["unshare", "--mount", "--net", *program, device, *map(str, command)]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment)


def main(device: str, command: list[str]) -> int:
    # What the two daemons know of drives is kept in /run: nothing of it may meet the machine's own.
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    with udev(), message_bus(Path("/run")) as bus:
        run("udevadm", "trigger", "--action=add", device)
        run("udevadm", "settle", f"--timeout={SECONDS}")
        Path(device).chmod(0)
        environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus}
        with subprocess.Popen([UDISKS], env=environment, stderr=subprocess.DEVNULL) as udisks:
            try:
                run("gdbus", "wait", f"--address={bus}", f"--timeout={SECONDS}", SERVICE)
                return subprocess.run(command, env=environment, check=False).returncode
            finally:
                udisks.terminate()


@contextmanager
def udev() -> Iterator[None]:
    run(UDEV, "--daemon")
    try:
        yield
    finally:
        run("udevadm", "control", "--exit", f"--timeout={SECONDS}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
