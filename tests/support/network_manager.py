"""A real NetworkManager, alone with itself: its own bus, network, host name and mounts. Needs root."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/>
  </policy>
</busconfig>
"""
_CONFIGURATION = """[main]
plugins=keyfile
dns=none
rc-manager=unmanaged
no-auto-default=*
auth-polkit=false
[keyfile]
path={folder}/connections
[connectivity]
enabled=false
"""
# The boot partition lies where a device has it; nothing of the workstation's own is changed.
_START = """set -e
mount -t tmpfs none /run
mount -t tmpfs none /mnt
mkdir -p /run/NetworkManager /mnt/boot/system-connections
mount --bind "$1/boot" /mnt/boot/system-connections
exec NetworkManager --debug --config "$1/nm.conf" --config-dir "$1/none" --system-config-dir "$1/none" \
    --intern-config "$1/intern.conf" --state-file "$1/state" --pid-file "$1/pid"
"""
_PATIENCE = 30.0


@dataclass(frozen=True)
class NetworkManager:
    """A daemon that runs; profiles go into `folder`."""

    folder: Path

    def load(self, files: Iterable[tuple[str, bytes]]) -> dict[str, dict[str, str]]:
        """The connections that it makes of `files`: properties as nmcli names them, by UUID.

        The files are put where the device has them: the boot partition, and a copy for NetworkManager alone.
        """
        for place in (self.folder / "boot", self.folder / "connections"):
            for old in place.iterdir():
                old.unlink()
            for name, content in files:
                (place / name).write_bytes(content)
                (place / name).chmod(0o600)
        self.nmcli("connection", "reload")
        lines = self.nmcli("--terse", "--fields", "uuid,filename", "connection", "show").splitlines()
        ours = [line.partition(":") for line in lines if f"{self.folder}/connections/" in line]
        return {uuid: self._properties(uuid) for uuid, _, _ in ours}

    def complaints(self) -> list[str]:
        """What the daemon has said of files that it could not take."""
        return [line for line in (self.folder / "log").read_text().splitlines() if "keyfile: load" in line]

    def nmcli(self, *words: str) -> str:
        """What nmcli prints. Raises CalledProcessError."""
        command = ["nmcli", *words]
        environment = _environment(self.folder)
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout

    def _properties(self, uuid: str) -> dict[str, str]:
        options = ("--show-secrets", "--terse", "--escape", "no")
        lines = self.nmcli(*options, "connection", "show", "uuid", uuid).splitlines()
        return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}


@contextmanager
def network_manager() -> Iterator[NetworkManager]:
    """A NetworkManager without profiles that answers; it is gone afterwards, whatever happens."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="resin-nm-")))
        for name in ("boot", "connections", "none"):
            (folder / name).mkdir()
        (folder / "bus.conf").write_text(_BUS.format(folder=folder))
        (folder / "nm.conf").write_text(_CONFIGURATION.format(folder=folder))
        bus = ["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--nopidfile"]
        stack.enter_context(_daemon(bus, folder, folder / "bus.log"))
        _wait_for((folder / "bus").exists, folder / "bus.log")
        alone = ["unshare", "--net", "--mount", "--uts", "sh", "-c", _START, "sh", str(folder)]
        stack.enter_context(_daemon(alone, folder, folder / "log"))
        found = NetworkManager(folder)
        _wait_for(lambda: _answers(found), folder / "log")
        yield found


@contextmanager
def _daemon(command: list[str], folder: Path, log: Path) -> Iterator[None]:
    """A process that ends with the block, and with the tests if they are killed."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _environment(folder: Path) -> dict[str, str]:
    bus = f"unix:path={folder}/bus"
    return {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus, "LC_ALL": "C.UTF-8"}


def _answers(manager: NetworkManager) -> bool:
    try:
        return "running" in manager.nmcli("--terse", "--fields", "running", "general")
    except subprocess.CalledProcessError:
        return False


def _wait_for(condition: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{log.stem} does not start: {log.read_text()}")
        time.sleep(0.05)
