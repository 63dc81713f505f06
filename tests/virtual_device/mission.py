"""What the test of a device's life uses: an SD card, an SSH key, the installed `resin`, a project."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from device.desk import Desk, run
from support.loop_devices import MIB, loop_device
from support.resin_command import PROGRAM, Run

from virtual_device.image import image, production

HOST = "kitchen"
PATIENCE = 400.0
"""Seconds that a command may take: some wait for a device to boot."""
TOO_SLOW = ("Its SSH server is overloaded or still starting.", "temporarily refuses connections")
"""How an emulated SSH server is that does not greet in time, and one that was left alone for that."""
_DOCKERFILE = """\
FROM scratch
COPY busybox /bin/busybox
COPY busybox /bin/sh
COPY main.sh note /app/
CMD ["/bin/sh", "/app/main.sh"]
"""
_MAIN = """\
trap 'exit 0' TERM
start=$(busybox cat /proc/sys/kernel/random/uuid)
echo "note: $(busybox cat /app/note)"
i=0
while :; do i=$((i+1)); echo "$start $i"; busybox usleep 50000; done
"""


@dataclass(frozen=True)
class Mission:
    """A network, a folder to work in, and a card to write and boot from."""

    desk: Desk
    folder: Path
    card: Path
    address: str

    @property
    def key(self) -> Path:
        """The user's public key; its private key is where `ssh` and `resin` look for it."""
        return self.desk.home / ".ssh" / "id_ed25519.pub"

    def resin(self, *words: str | Path, cwd: Path | None = None, home: Path | None = None) -> Run:
        """Run it; again if the emulated SSH server does not even greet in time, and nothing was done yet."""
        while True:
            run = self._resin(*words, cwd=cwd, home=home)
            if not any(text in run.out + run.err for text in TOO_SLOW):
                return run
            time.sleep(5)

    def _resin(self, *words: str | Path, cwd: Path | None, home: Path | None) -> Run:
        return run_resin(self.desk, *words, cwd=cwd, home=home)

    def ssh(self, command: str) -> str:
        """Return the output of a command on the device, run with `resin ssh`."""
        done = self.resin("ssh", HOST, "--", command)
        assert done.code == 0, done
        return done.out

    def flash(self, *, development: bool = True) -> Run:
        """Configure an image, compress it, and flash the card."""
        disk = self.folder / "resin.img"
        run(["cp", "--sparse=always", image(), disk])
        if not development:
            production(disk)
        static = ("--ethernet", "--static", f"{self.address}/24", "--gateway", self.desk.address)
        told = ("--hostname", HOST, "--persistent-logging", "--ssh-key", self.key)
        configured = self.resin("configure", disk, *told, *static)
        assert configured.code == 0, configured
        run(["nice", "zstd", "--quiet", "--force", "--rm", "-1", "-T0", disk])
        return self.resin("flash", f"{disk}.zst", self.card, "--yes", "--allow-fixed", "--json")


def run_resin(desk: Desk, *words: str | Path, cwd: Path | None = None, home: Path | None = None) -> Run:
    """Run the installed `resin` on the test network, with patience for an emulated device."""
    environment = {**desk.environment, **({"HOME": str(home)} if home else {})}
    command = [*desk.prefix, str(PROGRAM), *map(str, words)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, cwd=cwd, timeout=PATIENCE
    )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextmanager
def mission(table: Desk, folder: Path) -> Iterator[Mission]:
    """A card somewhat larger than the image, and a key for its user."""
    keys = table.home / ".ssh"
    keys.mkdir(mode=0o700)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a person", "-f", keys / "id_ed25519"])
    backing = folder / "card"
    size = image().stat().st_size + 32 * MIB
    with backing.open("wb") as file:
        file.truncate(size)
    with loop_device(backing) as card:
        yield Mission(table, folder, Path(card), table.next_address())


def write_project(folder: Path) -> Path:
    """Write a project that prints its file `note` and then counts; it needs no downloads."""
    folder.mkdir()
    shutil.copy(shutil.which("busybox") or "/bin/busybox", folder / "busybox")
    for name, text in {"Dockerfile": _DOCKERFILE, "main.sh": _MAIN, "note": "first\n"}.items():
        (folder / name).write_text(text)
    (folder / "resin.toml").write_text('name = "garden"\n')
    return folder
