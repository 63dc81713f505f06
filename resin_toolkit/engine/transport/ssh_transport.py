"""Connections to an engine through the SSH server of its device: to its Unix socket, or by a command."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.ip_addresses import url_host
from resin_toolkit.device.record import Device
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket, connection_lost
from resin_toolkit.engine.version_negotiation import NegotiatedVersion, negotiate_version
from resin_toolkit.errors import NotSupported, Unreachable
from resin_toolkit.untrusted_json import one_line

if TYPE_CHECKING:
    from resin_toolkit.ssh import Shell

SOCKETS = (
    "/var/run/docker.sock",
    "/var/run/balena-engine.sock",
    "/var/run/balena.sock",
    "/run/docker.sock",
    "/run/balena-engine.sock",
)
"""The sockets of engines: of resinOS, then of balenaOS, its newest releases last."""
_SEARCH_TIMEOUT = 10.0
"""Seconds to find a way to the engine, and for the device to start a program that connects to it."""

# `docker system dial-stdio` (engine 18.09) is a hidden command, and older clients print the help of
# `docker system` instead of its own. socat must wait for the answer after the end of the request, and nc must
# pass that end on, for which newer versions need -N.
_FIND = """
for p in docker balena balena-engine; do
  if command -v $p >/dev/null 2>&1; then
    echo has $p
    $p system dial-stdio --help 2>/dev/null | grep -q dial-stdio && echo command $p system dial-stdio
  fi
done
for s in {}; do
  if [ -S $s ]; then
    echo has $s
    if command -v socat >/dev/null 2>&1; then echo command socat -t 86400 - UNIX-CONNECT:$s; fi
    if nc -h 2>&1 | grep -q -e '-[0-9A-Za-z]*N[0-9A-Za-z]*U'; then echo command nc -N -U $s
    elif nc -h 2>&1 | grep -q -e '-[0-9A-Za-z]*U'; then echo command nc -U $s; fi
  fi
done
true
""".format(" ".join(SOCKETS))

# An engine cancels requests of a connection that it cannot write to, and the SSH server closes the connection
# to the engine when ours ends. So a program on the device stays in between, and reads the answers.
_DURABLE = """
trap '' HUP PIPE
ready() {{ echo ready; "$@" 2>/dev/null | tee /dev/null 2>/dev/null; exit; }}
{}
s={}
command -v socat >/dev/null 2>&1 && ready socat -t 86400 - UNIX-CONNECT:$s
nc -h 2>&1 | grep -q -e '-[0-9A-Za-z]*U' && ready nc -U $s
for p in docker balena balena-engine; do
  $p system dial-stdio --help 2>/dev/null | grep -q dial-stdio && ready $p -H unix://$s system dial-stdio
done
echo none
"""


@dataclass(frozen=True)
class EngineEntry:
    """How the engine is reached on the device: by a `socket`, or by a `command` that connects to it."""

    kind: str
    target: str
    """The path of the socket, or the command."""

    def __str__(self) -> str:
        return self.target


class SshTransport:
    """Connects through `shell`; each connection is a channel."""

    access_method = AccessMethod.SSH

    def __init__(self, device: Device, shell: Shell, entry: EngineEntry) -> None:
        self.entry = entry
        self._device = device
        self._shell = shell

    @property
    def url(self) -> str:
        return f"ssh://{self._shell.user}@{url_host(self._device.host)}:{self._device.ssh_port}"

    def open(self) -> DeadlineSocket:
        try:
            return _open_entry(self._shell, self.entry)
        except NotSupported as error:
            # It led to the engine before, so the engine is stopped or restarting.
            raise Unreachable(
                f"{self._device.host} is up, but its engine is not running.",
                hint="`resin ssh` shows why, with `journalctl`. `resin wait` returns when it is back.",
                cause="refused",
            ) from error

    def open_durable(self) -> DeadlineSocket:
        try:
            connection = DeadlineSocket(self._shell.open_command(_durable_command(self.entry)))
        except NotSupported:
            return self.open()
        # Read byte by byte: what follows the line is from the engine.
        connection.deadline, line = time.monotonic() + _SEARCH_TIMEOUT, b""
        try:
            while not line.endswith(b"\n"):
                byte = connection.recv(1)
                if not byte:
                    break
                line += byte
        except OSError as error:
            connection.close()
            raise connection_lost(self._device.host, error) from error
        if line == b"ready\n":
            return connection
        connection.close()
        # The device has no such program: a lost connection then cancels the requests.
        return self.open()

    def close(self) -> None:
        self._shell.close()


def open_ssh_transport(
    device: Device,
    within: float,
    ask: Callable[[str], str] | None,
    tell: Callable[[str], object] | None,
    *,
    pin: bool = True,
) -> tuple[SshTransport, DeadlineSocket, NegotiatedVersion]:
    """Connect through SSH; return the transport, its first connection, and the negotiated version.

    Raises what `ssh.connect` raises, and Unreachable with the cause `no-way` if no engine is reachable.
    """
    from resin_toolkit.ssh import connect

    with ExitStack() as on_failure:
        shell = connect(device, within=within, ask=ask, tell=tell or bool, pin=pin)
        on_failure.callback(shell.close)
        found = _find_engine(device, shell)
        on_failure.pop_all()
    return found


def _find_engine(device: Device, shell: Shell) -> tuple[SshTransport, DeadlineSocket, NegotiatedVersion]:
    deadline = time.monotonic() + _SEARCH_TIMEOUT
    for path in SOCKETS:
        found = _try_entry(device, shell, EngineEntry("socket", path), deadline)
        if found is not None:
            return found
    within = max(0.1, deadline - time.monotonic())
    lines = shell.run(_FIND, within=within).out.decode(errors="replace").splitlines()
    for line in lines:
        kind, _, target = line.partition(" ")
        if kind != "command":
            continue
        found = _try_entry(device, shell, EngineEntry("command", target), deadline)
        if found is not None:
            return found
    raise _no_entry(device, [line.removeprefix("has ") for line in lines if line.startswith("has ")])


def _try_entry(
    device: Device, shell: Shell, entry: EngineEntry, deadline: float
) -> tuple[SshTransport, DeadlineSocket, NegotiatedVersion] | None:
    """Connect through `entry`; None if no engine answers. Raises Unreachable after `deadline`."""
    try:
        connection = _open_entry(shell, entry)
    except NotSupported:
        return None
    with ExitStack() as on_failure:
        on_failure.callback(connection.close)
        try:
            negotiated = negotiate_version(device.host, entry.target, connection, deadline)
        except Unreachable as error:
            if time.monotonic() >= deadline:
                raise _no_answer(device, entry) from error
            return None
        on_failure.pop_all()
    return SshTransport(device, shell, entry), connection, negotiated


def _durable_command(entry: EngineEntry) -> str:
    if entry.kind == "socket":
        return _DURABLE.format("", entry.target)
    return _DURABLE.format(f"ready {entry.target}", "/dev/null")


def _open_entry(shell: Shell, entry: EngineEntry) -> DeadlineSocket:
    if entry.kind == "socket":
        return DeadlineSocket(shell.open_unix_socket(entry.target))
    return DeadlineSocket(shell.open_command(entry.target))


def _no_answer(device: Device, entry: EngineEntry) -> Unreachable:
    return Unreachable(
        f"SSH to {device.host} works, but its engine does not respond through {one_line(str(entry), 100)}.",
        hint="The engine is busy or hangs. `resin ssh` shows why, with `journalctl`.",
        cause="no-answer",
    )


def _no_entry(device: Device, has: list[str]) -> Unreachable:
    sockets = [one_line(name) for name in has if name.startswith("/")]
    if not sockets:
        return Unreachable(
            f"SSH to {device.host} works, but no engine is running there: "
            f"neither {SOCKETS[0]} nor {SOCKETS[1]} exists.",
            hint="The engine may still be starting, or has failed. `resin ssh` opens a shell on the device.",
            cause="no-way",
        )
    return Unreachable(
        f"SSH to {device.host} works, but there is no way to connect to {sockets[0]}: the SSH server does "
        "not forward Unix sockets, the engine's client lacks `system dial-stdio` (18.09), and the device has "
        "neither socat nor an nc with -U.",
        hint="Connect to the engine's own port instead: development images open it.",
        cause="no-way",
    )
