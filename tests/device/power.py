"""The power supply of a stand-in device:  python -m device.power FOLDER

Reads its stdin: `1` switches the device on, `0` cuts its power, the end switches off for good and removes
FOLDER. A device whose first process ends with 0 has rebooted: it comes up again after a moment.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

from device.settings import BOUNDED, ENVIRONMENT

OFF_BETWEEN = 0.3
"""Seconds that a device which reboots is off."""
INIT = Path(__file__).parent / "machine" / "init"


def main(folder: Path) -> None:
    is_wanted = False
    running: subprocess.Popen[bytes] | None = None
    while True:
        if is_wanted and running is None:
            running = boot(folder)
        if running is not None and ended(running):
            is_wanted = running.wait() == 0
            running = None
            time.sleep(OFF_BETWEEN)
            continue
        word = os.read(0, 1) if running is None or 0 in select.select([0], [], [], 0)[0] else None
        if word in (b"", b"0"):
            is_wanted = False
            cut(folder, running)
            running = None
        if word == b"1":
            is_wanted = True
        if word == b"":
            # Whoever has made it may have been killed, and remove nothing any more.
            shutil.rmtree(folder)
            return


def ended(running: subprocess.Popen[bytes]) -> bool:
    """Wait until something happens; whether it is the end of the device."""
    descriptor = os.pidfd_open(running.pid)
    try:
        ready, _, _ = select.select([0, descriptor], [], [])
        return descriptor in ready
    finally:
        os.close(descriptor)


def boot(folder: Path) -> subprocess.Popen[bytes]:
    (folder / "pid").unlink(missing_ok=True)
    remove_cgroups(folder.name)
    clean = ["env", "-i", "--default-signal", *ENVIRONMENT]
    apart = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
    with (folder / "log" / "init").open("ab") as log:
        return subprocess.Popen(
            [*clean, *apart, *BOUNDED, "/bin/sh", str(INIT), str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def cut(folder: Path, running: subprocess.Popen[bytes] | None) -> None:
    """End every process of the device at once; with its first process, the kernel ends all others."""
    if running is not None:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), 9)
        if not children:
            running.kill()
        running.wait()
    (folder / "pid").unlink(missing_ok=True)
    remove_cgroups(folder.name)


def remove_cgroups(name: str) -> None:
    """Containers' groups stay behind where nobody has stopped the containers."""
    deadline = time.monotonic() + 5
    groups = [*Path("/sys/fs/cgroup").glob(name), *Path("/sys/fs/cgroup").glob(f"*/{name}")]
    for group in groups:
        for folder in sorted((group, *group.glob("**/")), reverse=True):
            while folder.exists():
                try:
                    folder.rmdir()
                except OSError:
                    # The last of its processes is just ending.
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.01)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
