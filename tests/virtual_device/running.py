"""A running virtual device: QEMU boots a drive and is connected to the test network."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from device.desk import PATIENCE, Desk, held, run, wait_for

from virtual_device.making import BOOT, MIB

SSH_PORT = 22222
BOOTS = 400.0
"""Seconds to boot, with emulation on a busy machine."""
_KERNEL = "root=/dev/vda2 rw console=ttyS0 net.ifnames=0 mitigations=off quiet"
# QEMU is killed when the test process ends, however that happens.
_HOLDER = '"$@" </dev/null >"$0" 2>&1 & machine=$!; cat; kill "$machine" 2>/dev/null; wait "$machine"; true'
_MACHINE = (
    *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35"),
    # Emulated, so that it is the same everywhere.
    *("-accel", "tcg,thread=multi", "-cpu", "max,la57=off"),
    *("-smp", "2", "-m", "1024", "-device", "virtio-rng-pci"),
)


class Virtual:
    """A device that boots from `drive`, a disk image or block device, and writes to it.

    `console` is the Unix socket of its serial port, `log` the output there.
    """

    ssh_port = SSH_PORT

    def __init__(self, table: Desk, drive: Path, folder: Path) -> None:
        self.desk = table
        self.drive = drive
        self.folder = folder
        self.console = folder / "console"
        table.devices += 1
        self.port = f"{table.interface}v{table.devices}"
        self.machine: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        path = self.folder / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def command(self) -> list[str]:
        """The command that starts QEMU, with kernel and initrd from the drive's boot partition."""
        for name in ("vmlinuz", "initrd.img"):
            run(["mcopy", "-n", "-o", "-i", f"{self.drive}@@{BOOT.start * MIB}", f"::{name}", self.folder])
        disk = f"file={self.drive},format=raw,if=virtio,cache=writeback,discard=unmap"
        net = f"tap,id=cable,ifname={self.port},script=no,downscript=no"
        line = f"socket,id=line,path={self.console},server=on,wait=off,logfile={self.folder}/console.log"
        return [
            *(*self.desk.prefix, "nice", *_MACHINE),
            *(
                "-kernel",
                f"{self.folder}/vmlinuz",
                "-initrd",
                f"{self.folder}/initrd.img",
                "-append",
                _KERNEL,
            ),
            *("-drive", disk, "-netdev", net, "-device", "virtio-net-pci,netdev=cable,romfile="),
            *("-chardev", line, "-serial", "chardev:line"),
        ]

    def power_off(self) -> None:
        """Cut its power."""
        assert self.machine is not None
        assert self.machine.stdin is not None
        self.machine.stdin.close()
        self.machine.wait(PATIENCE)

    def wait_for_ssh(self, address: str) -> None:
        """Wait until its SSH server responds."""
        try:
            wait_for(lambda: self._greets(address), f"an SSH server at {address}", within=BOOTS)
        except TimeoutError as error:
            error.add_note(self.log[-3000:])
            raise

    def _greets(self, address: str) -> bool:
        with self.desk.entered():
            try:
                with socket.create_connection((address, SSH_PORT), timeout=2) as connection:
                    return connection.recv(4) == b"SSH-"
            except OSError:
                return False


@contextmanager
def virtual(table: Desk, drive: Path) -> Iterator[Virtual]:
    """Boot a device from `drive`; its power is cut when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="resin-virtual-"))
    try:
        made = Virtual(table, drive, folder)
        with _plugged_in(made), _powered(made):
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _plugged_in(made: Virtual) -> Iterator[None]:
    table = made.desk
    table.run("ip", "tuntap", "add", "dev", made.port, "mode", "tap")
    try:
        table.run("ip", "link", "set", made.port, "addrgenmode", "none")
        table.run("ip", "link", "set", made.port, "master", table.interface, "up")
        yield
    finally:
        subprocess.run([*table.prefix, "ip", "link", "delete", made.port], capture_output=True, check=False)


@contextmanager
def _powered(made: Virtual) -> Iterator[None]:
    said = made.folder / "qemu.log"
    said.touch()
    with held(["sh", "-c", _HOLDER, said, *made.command()]) as made.machine:
        wait_for(lambda: made.console.exists() or said.read_text(), "QEMU")
        if not made.console.exists():
            raise RuntimeError(f"QEMU did not start: {said.read_text()}")
        yield
