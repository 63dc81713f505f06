"""Stand-in devices: a real engine, SSH server and mDNS announcement, and methods to break them.

    with desk() as table, stand_in(table, "kitchen") as kitchen:
        kitchen.start("counter", "while sleep 1; do date; done")
        table.resin("logs", "kitchen")

Needs root on Linux, dockerd, sshd, avahi-daemon, busybox (static) and iproute2. Nothing of it outlives the
process that made it, however that ends.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from device.desk import Desk, desk, desk_here, held, wait_for
from device.engine_clock import set_clock, set_clock_at_exec
from device.running import Running
from device.settings import DeviceSettings, write_device, write_host_keys

__all__ = ["Desk", "StandIn", "desk", "desk_here", "stand_in"]

MEMORY = Path("/dev/shm")
"""Where a device keeps its storage if there is room: what an engine mostly waits for is its disk."""
_ROOM = 4 << 30
POWER = ("env", f"PYTHONPATH={Path(__file__).parent.parent}", sys.executable, "-m", "device.power")


class StandIn(Running):
    """A device that can be broken. `address`, `prefix` and `pid` can change: do not keep them."""

    _seconds_ahead = 0

    # connections

    def kill_sockets(self, port: int) -> None:
        """Destroy every TCP connection to a port of the device: both sides see it reset."""
        words = ("state", "connected", "exclude", "time-wait", f"( sport = :{port} )")
        listed = ("ss", "--tcp", "--numeric", "--no-header", *words)
        before = {line.split()[-1] for line in self.run_in_network(*listed).splitlines()}
        self.run_in_network("ss", "--tcp", "--kill", *words)
        # Who lost one may have connected again by now, from another port.
        after = {line.split()[-1] for line in self.run_in_network(*listed).splitlines()}
        left = before & after
        if left:
            raise RuntimeError(f"this kernel destroys no sockets (CONFIG_INET_DIAG_DESTROY): {left}")

    def link(self, up: bool) -> None:
        """Pull the network cable, or put it back."""
        self.desk.run("ip", "link", "set", self.port, "up" if up else "down")

    def change_address(self) -> None:
        """Give it a new IPv4 address, as another lease does, which mDNS announces; the old one is gone."""
        self.run_in_network("ip", "address", "delete", f"{self.address}/24", "dev", "eth0")
        self.address = self.desk.next_address()
        self.add_address()

    # services

    def stop_ssh(self) -> None:
        """Stop its SSH server; open sessions stay."""
        self.service("ssh", "stop")

    def start_ssh(self) -> None:
        self.service("ssh", "start")
        self.wait_for_ssh()

    def new_host_keys(self) -> None:
        """Fresh SSH host keys, as after it was flashed again."""
        self.stop_ssh()
        write_host_keys(self.folder, self.settings)
        self.start_ssh()

    def stop_engine(self) -> None:
        """Stop its engine; containers keep running."""
        self.service("engine", "stop")

    def start_engine(self) -> None:
        if self._seconds_ahead:
            self.service("engine", "hold")
            set_clock_at_exec(self.pid_of("engine"), self._seconds_ahead)
        else:
            self.service("engine", "start")
        self.wait_for_engine()

    def restart_engine(self) -> None:
        """Restart its engine; containers keep running (live restore)."""
        self.stop_engine()
        self.start_engine()

    def set_engine_clock(self, seconds_ahead: int) -> None:
        """Set its engine's clock, to `seconds_ahead` of this machine's or behind it, until it reboots."""
        set_clock(self.pid_of("engine"), seconds_ahead)
        self._seconds_ahead = seconds_ahead

    def stop_mdns(self) -> None:
        """Withdraw its mDNS announcement."""
        self.service("mdns", "stop")

    def start_mdns(self) -> None:
        self.service("mdns", "start")
        self.wait_for_mdns()

    # all of it

    def reboot(self, off_for: float = 0.5) -> None:
        """Cut its power, switch it on after `off_for` seconds, and wait until everything answers."""
        self.power_off()
        self._seconds_ahead = 0
        time.sleep(off_for)
        self.boot()

    def wait_for_reboot(self, pid: int) -> None:
        """Return once it has rebooted by itself, and all services answer; `pid` is that of before."""
        self._seconds_ahead = 0
        wait_for(lambda: self.pid_now() not in (None, pid), f"the reboot of {self.hostname}")
        self.wait_until_up()


@contextmanager
def stand_in(
    table: Desk,
    hostname: str = "resin",
    *,
    engine_port: int | None = 2377,
    production: bool = False,
    old_algorithms: bool = False,
    dropbear: bool = False,
    announces: bool = True,
    engine: bool = True,
    ssh_options: Sequence[str] = (),
    storage: Path | None = None,
) -> Iterator[StandIn]:
    """A device on the desk, up and answering; it is gone without a trace when the block ends.

    `engine_port` is where its engine listens on TCP, None for nowhere. A production device announces nothing,
    has no engine on TCP, and accepts only keys. `old_algorithms` are the only ones that its SSH server then
    has; `dropbear` is the server that resinOS had, in the place of OpenSSH's. `engine=False` is a device
    without an engine. `ssh_options` are further lines of its sshd_config. `storage` holds its disk.
    """
    settings = DeviceSettings(
        hostname,
        engine_port=engine_port if engine and not production else None,
        production=production,
        old_algorithms=old_algorithms,
        dropbear=dropbear,
        announces=announces and not production,
        engine=engine,
        ssh_options=ssh_options,
    )
    folder = Path(tempfile.mkdtemp(prefix="resin-device-", dir=storage or _storage()))
    try:
        write_device(folder, settings)
        with held(["unshare", "--net", "--", *POWER, folder]) as power:
            device = StandIn(table, folder, settings, power)
            device.boot()
            yield device
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _storage() -> Path | None:
    """The folder for a device's storage; None for the usual one of temporary files."""
    try:
        return MEMORY if shutil.disk_usage(MEMORY).free >= _ROOM else None
    except OSError:
        return None
