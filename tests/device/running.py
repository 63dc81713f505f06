"""A running stand-in device: its processes, its services and its network."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

from device import busybox_image
from device.desk import Desk, is_elsewhere, run, wait_for
from device.settings import BOUNDED, ENVIRONMENT, SSH_PORT, DeviceSettings

_BOOT = 60.0
"""Seconds within which a device has started everything, on a machine that is busy."""
_LISTENS = "0A"
"""The state in /proc/net/tcp (Linux, include/net/tcp_states.h)."""


class Running:
    """A running device. `address` and `prefix` can change: read them each time, do not keep them."""

    ssh_port = SSH_PORT

    def __init__(
        self, table: Desk, folder: Path, settings: DeviceSettings, power: subprocess.Popen[bytes]
    ) -> None:
        self.desk = table
        self.folder = folder
        """What it keeps over a reboot: `boot/`, `state/`, `data/`, and the logs of its services in `log/`."""
        self.settings = settings
        self.hostname = settings.hostname
        self.engine_port = settings.engine_port
        self.address = table.next_address()
        self._power = power
        self.port = f"{table.interface}p{table.devices}"
        self._has_image = False
        self._plug_in()

    # what it is

    @property
    def pid(self) -> int:
        """Its first process, as this side numbers it."""
        pid = self.pid_now()
        if pid is None:
            raise RuntimeError(f"{self.hostname} is off")
        return pid

    def pid_now(self) -> int | None:
        """`pid`, None while it is off or has not booted yet."""
        try:
            return int((self.folder / "pid").read_text())
        except FileNotFoundError:
            return None

    def pid_of(self, service: str) -> int:
        """The process of one of its services, as this side numbers it."""
        number = self.run("cat", f"/run/{service}.pid").strip()
        own = Path(f"/proc/{self.pid}/ns/pid").readlink()
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if _number_inside(path) == number and (path / "ns" / "pid").readlink() == own:
                    return int(path.name)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                # One that has just ended, or that even root may not look into: none of the device's.
                continue
        raise RuntimeError(f"{service} of {self.hostname} does not run: {self.log(service)}")

    @property
    def prefix(self) -> tuple[str, ...]:
        """The words to put before a command to run it on the device, in the device's environment."""
        enter = ("nsenter", f"--target={self.pid}", "--mount", "--uts", "--ipc", "--net", "--pid", "--")
        return (*enter, *BOUNDED, "env", "-i", *ENVIRONMENT, "TERM=xterm")

    @property
    def address6(self) -> str:
        """Its IPv6 link-local address, with the desk's zone."""
        shown = self.run_in_network("ip", "-6", "-brief", "address", "show", "dev", "eth0", "scope", "link")
        return f"{shown.split()[2].partition('/')[0]}%{self.desk.interface}"

    def run(self, *words: str, stdin: str = "") -> str:
        """Run a command on the device and return its output; it must succeed."""
        return run([*self.prefix, *words], stdin=stdin)

    def log(self, service: str) -> str:
        """What `init`, `journal`, `ssh`, `engine` or `mdns` has said."""
        path = self.folder / "log" / service
        return path.read_text(errors="replace") if path.exists() else ""

    # what runs on it

    def docker(self, *words: str) -> str:
        """Run the docker CLI on the device and return its output."""
        return self.run("docker", *words)

    def start(
        self,
        name: str,
        shell_script: str,
        *,
        tty: bool = False,
        restart: str = "no",
        log_driver: str = "json-file",
    ) -> str:
        """Start a container that runs a script of busybox's shell; its id. A log driver too is `journald`."""
        self._import_image()
        terminal = ["--tty"] if tty else []
        driver = f"--log-driver={log_driver}"
        words = ["--detach", "--name", name, "--network", "host", "--restart", restart, "--stop-timeout", "1"]
        return self.docker(
            "run", *words, driver, *terminal, busybox_image.NAME, "sh", "-c", shell_script
        ).strip()

    def _import_image(self) -> None:
        if not self._has_image:
            words = [*self.prefix, "docker", "import", "-", busybox_image.NAME]
            subprocess.run(words, input=busybox_image.busybox_tar(), capture_output=True, check=True)
            self._has_image = True

    def journal(self, text: str, identifier: str = "stand-in", priority: str = "info") -> None:
        """Write lines into the device's journal."""
        self.run("systemd-cat", "-t", identifier, "-p", priority, stdin=text)

    def authorize(self, public_key: str) -> None:
        """Allow an SSH key to log in."""
        with (self.folder / "authorized_keys").open("a") as file:
            file.write(public_key.strip() + "\n")

    # its power

    def boot(self) -> None:
        """Switch it on, and wait until all its services answer."""
        self.switch(b"1")
        self.wait_until_up()

    def power_off(self) -> None:
        """Cut its power: everything on it is gone at once."""
        self.switch(b"0")
        wait_for(lambda: self.pid_now() is None, f"the end of {self.hostname}")

    def wait_until_up(self) -> None:
        """Return once it has booted and all the services that it has answer."""
        wait_for(self._has_booted, f"the boot of {self.hostname}", within=_BOOT)
        wait_for(Path(f"/proc/{self.pid}/root/run/systemd/journal/stdout").exists, "the journal")
        self.wait_for_ssh()
        if self.settings.engine:
            self.wait_for_engine()
        if self.settings.announces:
            self.wait_for_mdns()

    def switch(self, word: bytes) -> None:
        assert self._power.stdin is not None
        self._power.stdin.write(word)
        self._power.stdin.flush()

    def _has_booted(self) -> bool:
        if self._power.poll() is not None:
            raise RuntimeError(f"{self.hostname} did not start: {self.log('init')}")
        return self.pid_now() is not None

    # its services

    def service(self, name: str, action: str) -> None:
        """Start or stop `journal`, `ssh`, `engine` or `mdns`, without waiting until it answers."""
        self.run("/stand-in/programs/service", name, action)

    def wait_for_ssh(self) -> None:
        wait_for(lambda: self._listens(SSH_PORT), f"the SSH server of {self.hostname}")

    def wait_for_engine(self) -> None:
        try:
            wait_for(self._engine_answers, f"the engine of {self.hostname}", within=_BOOT)
        except TimeoutError as error:
            error.add_note(self.log("engine")[-2000:])
            raise

    def wait_for_mdns(self) -> None:
        announced = "successfully established"
        wait_for(lambda: announced in self.log("mdns"), f"the announcement of {self.hostname}")

    def _listens(self, port: int) -> bool:
        """Whether somebody listens at a TCP port of the device; no connection is made."""
        tables = [Path(f"/proc/{self.pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
        rows = [line.split() for table in tables for line in table.splitlines()[1:]]
        return any(row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == port for row in rows)

    def _engine_answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(f"/proc/{self.pid}/root/run/docker.sock")
                connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b" 200 " in connection.recv(4096)
            except OSError:
                return False

    # its network

    def _plug_in(self) -> None:
        """A cable from the desk's bridge to the device's eth0."""
        wait_for(lambda: is_elsewhere(Path(f"/proc/{self._power.pid}/ns/net")), "a network namespace")
        for scope in ("all", "default"):
            self.run_in_network("sh", "-c", f"echo 0 >/proc/sys/net/ipv6/conf/{scope}/accept_dad")
        peer = ("peer", "name", "eth0", "netns", str(self._power.pid))
        self.desk.run("ip", "link", "add", self.port, "type", "veth", *peer)
        self.desk.run("ip", "link", "set", self.port, "addrgenmode", "none")
        self.desk.run("ip", "link", "set", self.port, "master", self.desk.interface, "up")
        self.run_in_network("ip", "link", "set", "lo", "up")
        self.run_in_network("ip", "link", "set", "eth0", "up")
        self.add_address()

    def add_address(self) -> None:
        self.run_in_network("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.run_in_network("ip", "route", "add", "default", "via", self.desk.address)

    def run_in_network(self, *words: str) -> str:
        return run(["nsenter", f"--net=/proc/{self._power.pid}/ns/net", "--", *words])


def _number_inside(process: Path) -> str:
    """The number of a process in its own PID namespace (proc_pid_status(5))."""
    status = (process / "status").read_text()
    return status.partition("\nNSpid:")[2].partition("\n")[0].split()[-1]
