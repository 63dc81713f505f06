"""The desk: a network of its own, with a bridge that stand-in devices are plugged into."""

from __future__ import annotations

import ctypes
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.resin_command import Run, Terminal

PATIENCE = 30.0
"""Seconds to wait for anything that should happen."""
_NEW_NETWORK = 0x40000000
_NOT_INHERITED = re.compile(r"RESIN|^(DOCKER|SSH|XDG|BALENA)_|_proxy$", re.IGNORECASE)
_HOLDER = 'cat; rm -rf "$1"'
_LIBC = ctypes.CDLL(None, use_errno=True)


class Desk:
    """A network 10.91.N.0/24 in which this workstation is 10.91.N.1, with IPv6 link-local addresses too.

    `namespace` is a file that stands for the network namespace, `prefix` is put before a command so that it
    runs there, `interface` is the workstation's own interface. `home` is an empty home folder, and
    `environment` what a command is run with: nothing of the caller's own settings.
    """

    def __init__(self, namespace: Path, home: Path) -> None:
        self.namespace = namespace
        self.prefix: tuple[str, ...] = ("nsenter", f"--net={namespace}", "--")
        self.home = home
        self.interface = f"desk{secrets.token_hex(3)}"
        self.number = secrets.randbelow(254) + 1
        self.devices = 0
        self.environment = _environment(home)

    @property
    def address(self) -> str:
        return f"10.91.{self.number}.1"

    def run(self, *words: str, stdin: str = "") -> str:
        """Run a command on this network and return its output; it must succeed."""
        return run([*self.prefix, *words], stdin=stdin)

    def resin(
        self,
        *words: str | Path,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Run:
        """Run the installed `resin` here; `env` holds changes of `environment`."""
        from support.resin_command import PROGRAM, program

        command = (*self.prefix, PROGRAM)
        return program(*words, stdin=stdin, env={**self.environment, **(env or {})}, cwd=cwd, command=command)

    def terminal(
        self, *words: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Terminal:
        """The installed `resin` here, on a terminal that a person types into."""
        from support.resin_command import Terminal

        # The process that is forked for it keeps the network that its parent has at that moment.
        with self.entered():
            return Terminal(*words, env={**self.environment, **(env or {})}, cwd=cwd)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Put the calling thread, and what it starts, on this network for the length of the block."""
        with Path("/proc/thread-self/ns/net").open() as before, self.namespace.open() as wanted:
            _enter(wanted.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def next_address(self) -> str:
        """An IPv4 address that no device here has had."""
        self.devices += 1
        return f"10.91.{self.number}.{self.devices + 9}"


@contextmanager
def desk() -> Iterator[Desk]:
    """A desk in a network namespace of its own, which goes when the block ends, or this process dies."""
    with _home() as home, held(["unshare", "--net", "--", "sh", "-c", _HOLDER, "sh", home]) as holder:
        namespace = Path(f"/proc/{holder.pid}/ns/net")
        wait_for(lambda: is_elsewhere(namespace), "a network namespace")
        made = Desk(namespace, home)
        made.run("ip", "link", "set", "lo", "up")
        _make_bridge(made)
        yield made


@contextmanager
def second_network(table: Desk) -> Iterator[Desk]:
    """Another network that the same workstation is on, as Wi-Fi beside a cable: nothing leads across."""
    made = Desk(table.namespace, table.home)
    while made.number == table.number:
        made.number = secrets.randbelow(254) + 1
    _make_bridge(made)
    try:
        yield made
    finally:
        made.run("ip", "link", "delete", made.interface)


@contextmanager
def desk_here() -> Iterator[Desk]:
    """A desk in the caller's own network: the devices can be reached from any of its programs."""
    with _home() as home:
        made = Desk(Path("/proc/self/ns/net"), home)
        made.prefix = ()
        while f"inet {made.address}/" in made.run("ip", "-4", "address"):
            made.number = made.number % 254 + 1
        try:
            _make_bridge(made)
            yield made
        finally:
            subprocess.run(["ip", "link", "delete", made.interface], capture_output=True, check=False)


def _make_bridge(made: Desk) -> None:
    made.run(
        "ip", "link", "add", made.interface, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"
    )
    # An address is of use at once, without the second in which others could object to it.
    made.run("sh", "-c", f"echo 0 >/proc/sys/net/ipv6/conf/{made.interface}/accept_dad")
    made.run("ip", "address", "add", f"{made.address}/24", "dev", made.interface)
    made.run("ip", "link", "set", made.interface, "up")


@contextmanager
def _home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="resin-desk-") as folder:
        yield Path(folder)


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _NOT_INHERITED.search(name)}
    return {**kept, "HOME": str(home), "XDG_STATE_HOME": str(home / "state")}


def is_elsewhere(namespace: Path) -> bool:
    """Whether it is another network namespace than the calling thread's."""
    return namespace.readlink() != Path("/proc/thread-self/ns/net").readlink()


def _enter(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _NEW_NETWORK):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@contextmanager
def held(command: Sequence[str | Path]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that ends with its stdin: when the block ends, or this process in any way."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdin is not None
        try:
            yield process
        finally:
            process.stdin.close()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def wait_for(holds: Callable[[], object], what: str, *, within: float = PATIENCE) -> None:
    """Wait until `holds` is true; after `within` seconds raise TimeoutError, which names `what`."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come about within {within:g} s")
        time.sleep(0.01)


def run(command: Sequence[str | Path], *, stdin: str = "") -> str:
    """Run a command and return its output; it must succeed."""
    done = subprocess.run(
        [str(word) for word in command], input=stdin, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        words = " ".join(map(str, command))
        raise RuntimeError(f"{words} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


if sys.platform != "linux":
    raise ImportError("stand-in devices are made of Linux namespaces")
