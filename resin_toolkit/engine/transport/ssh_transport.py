"""The engine's socket on the device, through its SSH server, where the engine has no port of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.ip_addresses import url_host
from resin_toolkit.device.record import Device
from resin_toolkit.engine.models import one_line
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket, connection_lost
from resin_toolkit.engine.version_negotiation import NegotiatedVersion, negotiate_version
from resin_toolkit.errors import NotSupported, Unreachable

if TYPE_CHECKING:
    from resin_toolkit.ssh import Shell

SOCKETS = (
    "/var/run/docker.sock",
    "/var/run/balena-engine.sock",
    "/var/run/balena.sock",
    "/run/docker.sock",
    "/run/balena-engine.sock",
)
"""Where engines listen on a device: resinOS; balenaOS, the newest last."""
_PATIENCE = 20.0
"""Seconds that a device has to say which of its programs lead to its engine."""
_GREETING = 10.0
"""Seconds that an engine has for its first words over a connection that is open."""

# `docker system dial-stdio` (engine 18.09) is in no list of commands, and asked for its help an older client
# answers with that of `docker system`. socat must wait for the answer after the end of what is sent, and
# nc must hand that end on, for which newer ones want -N.
_FIND = """
for p in docker balena balena-engine; do
  if command -v $p >/dev/null 2>&1; then
    echo has $p
    if $p system dial-stdio --help 2>/dev/null | grep -q dial-stdio; then echo way $p system dial-stdio; fi
  fi
done
for s in {}; do
  if [ -S $s ]; then
    echo has $s
    if command -v socat >/dev/null 2>&1; then echo way socat -t 86400 - UNIX-CONNECT:$s; fi
    if nc -h 2>&1 | grep -q -e '-[0-9A-Za-z]*N[0-9A-Za-z]*U'; then echo way nc -N -U $s
    elif nc -h 2>&1 | grep -q -e '-[0-9A-Za-z]*U'; then echo way nc -U $s; fi
  fi
done
true
""".format(" ".join(SOCKETS))

# An engine gives up a connection once it cannot write to it: one that the SSH server has closed at the end of
# ours. So a program of the device stands between that outlives it, and reads what nobody wants any more.
_LASTING = """
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
class Opening:
    """One way to the engine from within the device: a socket, or a command that leads to it."""

    kind: str
    target: str

    def __str__(self) -> str:
        return self.target


class SshTransport:
    """The engine through `shell`; every connection is a channel of its own."""

    access_method = AccessMethod.SSH

    def __init__(self, device: Device, shell: Shell, opening: Opening) -> None:
        self.opening = opening
        self._device = device
        self._shell = shell

    @property
    def url(self) -> str:
        return f"ssh://{self._shell.user}@{url_host(self._device.host)}:{self._device.ssh_port}"

    def open(self) -> DeadlineSocket:
        try:
            return _opened(self._shell, self.opening)
        except NotSupported as error:
            # It led to the engine before, so the engine is stopped or restarting.
            raise Unreachable(
                f"{self._device.host} is up, but its engine is not running.",
                hint="`resin ssh` shows why, with `journalctl`. `resin wait` returns when it is back.",
                cause="refused",
            ) from error

    def open_lasting(self) -> DeadlineSocket:
        try:
            wire = DeadlineSocket(self._shell.open_command(_lasting(self.opening)))
        except NotSupported:
            return self.open()
        # Nothing is read ahead: what follows the word is the engine's.
        wire.deadline, word = time.monotonic() + _PATIENCE, b""
        try:
            while not word.endswith(b"\n"):
                piece = wire.recv(1)
                if not piece:
                    break
                word += piece
        except OSError as error:
            wire.close()
            raise connection_lost(self._device.host, error) from error
        if word == b"ready\n":
            return wire
        wire.close()
        # The device has no such program: then only a whole connection sees it through.
        return self.open()

    def close(self) -> None:
        self._shell.close()


def open_ssh_transport(
    device: Device,
    within: float,
    ask: Callable[[str], str] | None,
    tell: Callable[[str], object] | None,
) -> tuple[SshTransport, DeadlineSocket, NegotiatedVersion]:
    """A way to the engine of `device` through SSH, its first connection, and what the engine said there.

    Raises what `shell.connect` raises, and Unreachable (causes `not-an-engine`, and `no-way` where the
    device's system lets nobody through).
    """
    from resin_toolkit.ssh import connect

    shell = connect(device, within=within, ask=ask, tell=tell or _unheard)
    try:
        return _first(device, shell)
    except BaseException:
        shell.close()
        raise


def _first(device: Device, shell: Shell) -> tuple[SshTransport, DeadlineSocket, NegotiatedVersion]:
    for path in SOCKETS:
        found = _tried(device, shell, Opening("socket", path))
        if found is not None:
            return found
    said = shell.run(_FIND, within=_PATIENCE).out.decode(errors="replace").splitlines()
    for line in said:
        kind, _, target = line.partition(" ")
        found = _tried(device, shell, Opening("command", target)) if kind == "way" else None
        if found is not None:
            return found
    raise _no_way(device, [line.removeprefix("has ") for line in said if line.startswith("has ")])


def _unheard(_: str) -> None:
    """Where nobody listens."""


def _tried(
    device: Device, shell: Shell, opening: Opening
) -> tuple[SshTransport, DeadlineSocket, NegotiatedVersion] | None:
    """The way through `opening`; None if no engine answers at its end."""
    try:
        wire = _opened(shell, opening)
    except NotSupported:
        return None
    try:
        negotiated = negotiate_version(device.host, opening.target, wire, time.monotonic() + _GREETING)
    except Unreachable:
        wire.close()
        return None
    except BaseException:
        wire.close()
        raise
    return SshTransport(device, shell, opening), wire, negotiated


def _lasting(opening: Opening) -> str:
    if opening.kind == "socket":
        return _LASTING.format("", opening.target)
    return _LASTING.format(f"ready {opening.target}", "/dev/null")


def _opened(shell: Shell, opening: Opening) -> DeadlineSocket:
    if opening.kind == "socket":
        return DeadlineSocket(shell.open_unix_socket(opening.target))
    return DeadlineSocket(shell.open_command(opening.target))


def _no_way(device: Device, has: list[str]) -> Unreachable:
    sockets = [one_line(name) for name in has if name.startswith("/")]
    if not sockets:
        return Unreachable(
            f"{device.host} lets us in by SSH, but no engine runs there: "
            f"there is neither {SOCKETS[0]} nor {SOCKETS[1]}.",
            hint="Its engine may still be starting, or has failed: `resin ssh` lets you look.",
            cause="no-way",
        )
    return Unreachable(
        f"{device.host} lets us in by SSH, but nothing there leads to {sockets[0]}: its SSH "
        "server passes no sockets on, its engine's client has no `system dial-stdio` (18.09), and there "
        "is neither socat nor an nc with -U.",
        hint="Reach the engine by its own port: a development image opens it.",
        cause="no-way",
    )
