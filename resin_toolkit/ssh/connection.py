"""Connecting to a device by SSH, directly or through the jump hosts of ~/.ssh/config."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from resin_toolkit.device.record import USER, Device
from resin_toolkit.errors import Unreachable
from resin_toolkit.ssh import version_exchange
from resin_toolkit.ssh.config import HostConfig, host_config
from resin_toolkit.ssh.host_keys import HostKey, check_key, pinned_key, warn_of_outdated
from resin_toolkit.ssh.session import Shell, connection_lost
from resin_toolkit.tcp import connect_any, endpoints
from resin_toolkit.terminal.screen import clean

if TYPE_CHECKING:
    from resin_toolkit.ssh.transport import Transport

Ask = Callable[[str], str]
"""Prompts a person for a secret, and returns it."""


def connect(
    device: Device,
    *,
    within: float = 3.0,
    ask: Ask | None = None,
    tell: Callable[[str], object] = str,
    on_version: Callable[[str], object] = str,
    pin: bool = True,
) -> Shell:
    """Connect to `device` and log in. Gives up after `within` seconds if no address accepts the connection.

    `ask` prompts a person for a password or passphrase; None if nobody is there. `tell` is called with the
    notice of a new host key, `on_version` with the server's version line as soon as it arrives. Without
    `pin`, an unknown host key is accepted and not stored. Raises Unreachable (causes: `refused`, `no-answer`,
    `no-route`, `not-ssh`, `algorithms` and `lost`), HostKeyChanged, HostKeyInvalid,
    LoginRefused, StateDamaged and ConfigInvalid.
    """
    config = host_config(device.host)
    with ExitStack() as opened:
        chain: list[Transport] = []
        if config.jumps:
            from resin_toolkit.ssh.jump_hosts import connect_through

            connection, endpoint = connect_through(config, device, opened, chain, within=within, ask=ask)
        else:
            connection, endpoint = _connect_directly(device, within)
        opened.callback(connection.close)
        transport, key = _exchange_keys(device, connection, endpoint, config.rekey_bytes, on_version)
        opened.callback(transport.close)
        check_key(device, key, tell, pin=pin)
        if pin:
            warn_of_outdated(device, transport.outdated_algorithms, tell)
        user = device.user or config.user or USER
        _log_in(transport, device, user, config, ask)
        chain.append(transport)
        opened.pop_all()
        return Shell(device, user, key, chain)


def fetch_host_key(device: Device, *, within: float = 3.0) -> HostKey:
    """The host key that `device` presents, connecting directly to its addresses.

    The server has proved that it holds the key. There is no login, and nothing is pinned. Raises Unreachable.
    """
    connection, endpoint = _connect_directly(device, within)
    with ExitStack() as opened:
        opened.callback(connection.close)
        transport, key = _exchange_keys(device, connection, endpoint)
        opened.callback(transport.close)
        return key


def _connect_directly(device: Device, within: float) -> tuple[socket.socket, str]:
    connection, endpoint = connect_any(
        device.host, endpoints(device.addresses, [device.ssh_port]), within=within
    )
    version_exchange.tune(connection)
    version_exchange.send_version(connection)
    return connection, str(endpoint)


def _exchange_keys(
    device: Device,
    connection: Any,
    endpoint: str,
    rekey_bytes: int | None = None,
    on_version: Callable[[str], object] = str,
) -> tuple[Transport, HostKey]:
    from resin_toolkit.ssh.algorithms import host_key_algorithms, negotiate

    pinned = pinned_key(device)
    types = host_key_algorithms(pinned.type if pinned else "")
    transport = negotiate(
        device.host, endpoint, connection, types, version_exchange.HANDSHAKE_TIMEOUT, rekey_bytes, on_version
    )
    shown = transport.get_remote_server_key()
    return transport, HostKey.of(shown.get_name(), shown.asbytes())


def _log_in(transport: Transport, device: Device, user: str, config: HostConfig, ask: Ask | None) -> None:
    from paramiko.ssh_exception import SSHException

    from resin_toolkit.ssh.authentication import log_in

    try:
        log_in(transport, device.host, user, config, ask)
    except TimeoutError as error:
        raise Unreachable(
            f"{device.host} does not answer the login of {clean(user)}.",
            hint="The device is overloaded, or its SSH server hangs. Try again.",
            cause="no-answer",
        ) from error
    except (EOFError, OSError, SSHException) as error:
        raise connection_lost(device, error) from error
