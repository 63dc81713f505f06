"""Connecting to a device by SSH, directly or through the jump hosts of ~/.ssh/config."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from resin_toolkit.device.cache import cache_contact
from resin_toolkit.device.record import USER, Device
from resin_toolkit.errors import HostKeyChanged, Unreachable
from resin_toolkit.ssh import version_exchange
from resin_toolkit.ssh.config import HostConfig, host_config
from resin_toolkit.ssh.host_keys import HostKey, check_key, pinned_key, warn_of_outdated
from resin_toolkit.ssh.key_proofs import withdraw_proof
from resin_toolkit.ssh.session import Shell, connection_lost
from resin_toolkit.tcp import Endpoint, connect_any, endpoints
from resin_toolkit.terminal.screen import clean

if TYPE_CHECKING:
    from resin_toolkit.ssh.transport import Transport

T = TypeVar("T")

Ask = Callable[[str], str]
"""Prompts a person for a secret, and returns it."""

_KEY_TYPES = (
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"),
    ("ssh-ed25519",),
)
"""The algorithms to request first, in further attempts."""


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

    Addresses that present another host key than the expected one are left out while others remain.
    `ask` prompts a person for a password or passphrase; None if nobody is there. `tell` is called with the
    notice of a new host key, `on_version` with the server's version line as soon as it arrives. Without
    `pin`, an unknown host key is accepted, and nothing is remembered. Raises Unreachable (causes: `refused`,
    `no-answer`, `no-route`, `not-ssh`, `algorithms` and `lost`), HostKeyChanged, HostKeyInvalid,
    LoginRefused, StateDamaged and ConfigInvalid.
    """
    config = host_config(device.host)

    def attempt(device: Device, key_types: Sequence[str]) -> Shell:
        with ExitStack() as opened:
            chain: list[Transport] = []
            if config.jumps:
                from resin_toolkit.ssh.jump_hosts import connect_through

                connection, endpoint = connect_through(config, device, opened, chain, within=within, ask=ask)
                address = ""
            else:
                connection, found = _connect_directly(device, within)
                endpoint, address = str(found), found.address
            opened.callback(connection.close)
            transport, key = _exchange_keys(
                device, connection, endpoint, key_types, config.rekey_bytes, on_version
            )
            opened.callback(transport.close)
            try:
                check_key(device, key, tell, address=address, pin=pin)
            except HostKeyChanged:
                if pin:
                    withdraw_proof(device, address)
                raise
            if pin:
                warn_of_outdated(device, transport.outdated_algorithms, tell)
            user = device.user or config.user or USER
            _log_in(transport, device, user, config, ask)
            if pin:
                cache_contact(device.host, address)
            chain.append(transport)
            opened.pop_all()
            return Shell(device, user, key, chain, address)

    if pin or device.host_key:
        return _try_addresses(device, attempt)
    # It is to be found out what answers first.
    return attempt(device, ())


def fetch_host_key(device: Device, *, within: float = 3.0) -> HostKey:
    """The host key that `device` presents, connecting directly to its addresses.

    The server has proved that it holds the key. There is no login, and nothing is pinned. Raises Unreachable,
    HostKeyInvalid.
    """
    return _fetch(device, (), within)[0]


def prove_host_key(device: Device, *, within: float = 3.0) -> str:
    """Have a device whose host key is known prove it, without a login; return the address where it did.

    Nothing is pinned. Somebody who relays the connection to the device passes too. Raises HostKeyChanged,
    HostKeyInvalid, Unreachable, StateDamaged.
    """

    def attempt(device: Device, key_types: Sequence[str]) -> str:
        key, address = _fetch(device, key_types, within)
        try:
            check_key(device, key, str, address=address, pin=False)
        except HostKeyChanged:
            withdraw_proof(device, address)
            raise
        return address

    return _try_addresses(device, attempt)


def _try_addresses(device: Device, attempt: Callable[[Device, Sequence[str]], T]) -> T:
    """Call `attempt`, again without the address that has presented another key than the expected one.

    A server may have several host keys. So if a certain one is required, the other types are requested first.
    """
    conflict: HostKeyChanged | None = None
    left = device
    seen: set[str] = set()
    types: tuple[str, ...] = ()
    while True:
        try:
            return attempt(left, types)
        except HostKeyChanged as error:
            conflict = conflict or error
            shown, address = str(error.facts.get("shown")), error.facts.get("address")
            if device.host_key and shown not in seen and len(seen) < len(_KEY_TYPES):
                types = _KEY_TYPES[len(seen)]
                seen.add(shown)
                continue
            others = tuple(other for other in left.addresses if other != address)
            if not others or others == left.addresses:
                raise conflict from None
            left, types = replace(left, addresses=others), ()
            seen.clear()
        except Unreachable:
            if conflict is None:
                raise
            raise conflict from None


def _fetch(device: Device, key_types: Sequence[str], within: float) -> tuple[HostKey, str]:
    connection, found = _connect_directly(device, within)
    with ExitStack() as opened:
        opened.callback(connection.close)
        transport, key = _exchange_keys(device, connection, str(found), key_types)
        opened.callback(transport.close)
        return key, found.address


def _connect_directly(device: Device, within: float) -> tuple[socket.socket, Endpoint]:
    connection, endpoint = connect_any(
        device.host, endpoints(device.addresses, [device.ssh_port]), within=within
    )
    version_exchange.tune(connection)
    version_exchange.send_version(connection)
    return connection, endpoint


def _exchange_keys(
    device: Device,
    connection: Any,
    endpoint: str,
    key_types: Sequence[str],
    rekey_bytes: int | None = None,
    on_version: Callable[[str], object] = str,
) -> tuple[Transport, HostKey]:
    from resin_toolkit.ssh.algorithms import host_key_algorithms, negotiate

    pinned = pinned_key(device)
    types = key_types or host_key_algorithms(pinned.type if pinned else "")
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
