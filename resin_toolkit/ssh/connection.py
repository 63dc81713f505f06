"""Connecting to a device by SSH, directly or through the hosts that ~/.ssh/config names."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from resin_toolkit.device.record import USER, Device
from resin_toolkit.errors import Unreachable
from resin_toolkit.ssh import version_exchange
from resin_toolkit.ssh.config import HostConfig, settings_of
from resin_toolkit.ssh.host_keys import HostKey, check_key, pinned_key
from resin_toolkit.ssh.session import Shell, lost
from resin_toolkit.tcp import connect_any, endpoints
from resin_toolkit.terminal.screen import clean

if TYPE_CHECKING:
    from resin_toolkit.ssh.transport import Transport

Ask = Callable[[str], str]

_AGREEING = 15.0
"""Seconds within which keys are agreed on; the smallest boards need some for their part of it."""


def connect(
    device: Device,
    *,
    within: float = 3.0,
    ask: Ask | None = None,
    tell: Callable[[str], object] = str,
    on_version: Callable[[str], object] = str,
    pin: bool = True,
) -> Shell:
    """Connect to `device` and log in. Each address has `within` seconds to accept the connection.

    `ask` prompts a person for a password or passphrase; None if nobody is there. `tell` is called with the
    notice of a new host key, `on_version` with the server's version line as soon as it arrives. Without
    `pin`, an unknown host key is accepted and not stored. Raises Unreachable (causes: `refused`, `no-answer`,
    `no-route`, `not-ssh`, `algorithms` and `lost`), HostKeyChanged, LoginRefused and ConfigInvalid.
    """
    config = settings_of(device.host)
    with ExitStack() as opened:
        chain: list[Transport] = []
        if config.jumps:
            from resin_toolkit.ssh.jump_hosts import through

            connection, place = through(config, device, opened, chain, within=within, ask=ask)
        else:
            connection, place = _directly(device, within)
        opened.callback(connection.close)
        transport, key = _negotiated(device, connection, place, config.rekey_bytes, on_version)
        opened.callback(transport.close)
        check_key(device, key, tell, pin=pin)
        user = device.user or config.user or USER
        _log_in(transport, device, user, config, ask)
        chain.append(transport)
        opened.pop_all()
        return Shell(device, user, key, chain)


def shown_key(device: Device, *, within: float = 3.0) -> HostKey:
    """The host key that is shown at the addresses of `device`, which are connected to without a detour.

    The server has proved that it holds the key; nobody logs in, and nothing is pinned. Raises Unreachable.
    """
    connection, place = _directly(device, within)
    with ExitStack() as opened:
        opened.callback(connection.close)
        transport, key = _negotiated(device, connection, place)
        opened.callback(transport.close)
        return key


def _directly(device: Device, within: float) -> tuple[socket.socket, str]:
    connection, place = connect_any(
        device.host, endpoints(device.addresses, [device.ssh_port]), within=within
    )
    version_exchange.tune(connection)
    version_exchange.send_version(connection)
    return connection, str(place)


def _negotiated(
    device: Device,
    connection: Any,
    place: str,
    rekey_bytes: int | None = None,
    on_version: Callable[[str], object] = str,
) -> tuple[Transport, HostKey]:
    from resin_toolkit.ssh.algorithms import algorithms_of, negotiate

    pinned = pinned_key(device)
    types = algorithms_of(pinned.type if pinned else "")
    transport = negotiate(device.host, place, connection, types, _AGREEING, rekey_bytes, on_version)
    shown = transport.get_remote_server_key()
    return transport, HostKey.of(shown.get_name(), shown.asbytes())


def _log_in(transport: Transport, device: Device, user: str, config: HostConfig, ask: Ask | None) -> None:
    from paramiko.ssh_exception import SSHException

    from resin_toolkit.ssh.authentication import log_in

    try:
        log_in(transport, device.host, user, config, ask)
    except TimeoutError as error:
        raise Unreachable(
            f"{device.host} does not say whether {clean(user)} may log in.",
            hint="It is overloaded, or its SSH server hangs: try again.",
            cause="no-answer",
        ) from error
    except (EOFError, OSError, SSHException) as error:
        raise lost(device) from error
