"""Connecting to a device through jump hosts (ProxyJump of ssh_config(5))."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from paramiko.hostkeys import HostKeys
from paramiko.ssh_exception import SSHException

from resin_toolkit.device.ip_addresses import url_host
from resin_toolkit.device.record import Device
from resin_toolkit.errors import BadValue, DeviceNotFound, HostKeyChanged, Refused, Unreachable
from resin_toolkit.ssh import version_exchange
from resin_toolkit.ssh.algorithms import host_key_algorithms, negotiate
from resin_toolkit.ssh.authentication import log_in
from resin_toolkit.ssh.channels import StreamChannel
from resin_toolkit.ssh.config import HostConfig, host_config, ssh_folder
from resin_toolkit.ssh.host_keys import HostKey
from resin_toolkit.ssh.transport import ChannelRefused, Transport
from resin_toolkit.tcp import connect_any, endpoints

_JUMP_HOST = re.compile(r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^\]]+\]|[^:\[\]]+)(?::(?P<port>\d+))?")
_SYSTEM_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")
_PORT = 22


def connect_through(
    config: HostConfig,
    device: Device,
    opened: ExitStack,
    chain: list[Transport],
    *,
    within: float,
    ask: Callable[[str], str] | None,
) -> tuple[Any, str]:
    """Connect to `device` through the jump hosts of `config` and send our version line.

    Returns the connection and its endpoint. What is opened on the way is added to `opened` and `chain`.
    Raises Unreachable, HostKeyChanged, Refused, LoginRefused, DeviceNotFound.
    """
    connection: Any = None
    for word in config.jumps:
        host, user, port, settings = _parse_jump_host(word)
        connection = _connect_from_last(chain, host, port) if chain else _connect_to_first(host, port, within)
        opened.callback(connection.close)
        version_exchange.send_version(connection)
        transport = _log_in_to(connection, host, port, user, settings, ask)
        opened.callback(transport.close)
        chain.append(transport)
    target = config.host if config.host != config.alias or not device.addresses else device.addresses[0]
    connection = _connect_from_last(chain, target, device.ssh_port)
    version_exchange.send_version(connection)
    return connection, f"{url_host(target)}:{device.ssh_port}"


def _parse_jump_host(word: str) -> tuple[str, str, int, HostConfig]:
    import os
    import pwd

    match = _JUMP_HOST.fullmatch(word)
    if match is None:
        raise BadValue(f"Invalid ProxyJump: {word!r}.", hint="Use [USER@]HOST[:PORT] in ~/.ssh/config.")
    alias = match["host"].strip("[]")
    settings = host_config(alias)
    user = match["user"] or settings.user or pwd.getpwuid(os.getuid()).pw_name
    return settings.host, user, int(match["port"] or settings.port or _PORT), settings


def _connect_to_first(host: str, port: int, within: float) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DeviceNotFound(
            f"Cannot resolve the jump host {host}.", hint="Check ProxyJump in ~/.ssh/config."
        ) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    connection, _ = connect_any(host, endpoints(addresses, [port]), within=within)
    version_exchange.tune(connection)
    return connection


def _connect_from_last(chain: list[Transport], host: str, port: int) -> StreamChannel:
    name, origin = host.encode(), b"127.0.0.1"
    extra = len(name).to_bytes(4, "big") + name + port.to_bytes(4, "big")
    extra += len(origin).to_bytes(4, "big") + origin + bytes(4)
    try:
        return chain[-1].open("direct-tcpip", StreamChannel, extra)
    except ChannelRefused as error:
        raise Unreachable(
            f"The jump host cannot connect to {host} at port {port}.",
            hint="Check that the device is on, and that the jump host allows TCP forwarding.",
            cause="refused" if error.reason == 2 else "no-route",
        ) from error
    except (EOFError, OSError, SSHException) as error:
        raise _connection_lost(host) from error


def _log_in_to(
    connection: Any, host: str, port: int, user: str, settings: HostConfig, ask: Callable[[str], str] | None
) -> Transport:
    known = _known_keys(host, port)
    types = [name for key in known for name in host_key_algorithms(key.type)]
    transport = negotiate(
        host, f"{url_host(host)}:{port}", connection, types, version_exchange.HANDSHAKE_TIMEOUT
    )
    try:
        shown = transport.get_remote_server_key()
        _require_known(host, port, known, HostKey.of(shown.get_name(), shown.asbytes()))
        log_in(transport, host, user, settings, ask)
    except (EOFError, OSError, SSHException) as error:
        transport.close()
        raise _connection_lost(host) from error
    except BaseException:
        transport.close()
        raise
    return transport


def _known_keys(host: str, port: int) -> list[HostKey]:
    """The keys of `host` in the known_hosts files of OpenSSH."""
    name = host if port == _PORT else f"[{host}]:{port}"
    found = []
    for path in (ssh_folder() / "known_hosts", _SYSTEM_KNOWN_HOSTS):
        if path.is_file():
            entries: Any = HostKeys(str(path)).lookup(name) or {}
            found += [HostKey.of(key.get_name(), key.asbytes()) for key in entries.values()]
    return found


def _require_known(host: str, port: int, known: list[HostKey], shown: HostKey) -> None:
    option = "" if port == _PORT else f" -p {port}"
    if not known:
        raise Refused(
            f"The jump host {host} is not in ~/.ssh/known_hosts.",
            hint=f"Log in once with `ssh{option} {host}`. It presents {shown.fingerprint}.",
        )
    if shown not in known:
        raise HostKeyChanged(
            f"The host key of the jump host {host} is not the one in known_hosts: "
            f"{shown.type} {shown.fingerprint}.",
            hint=f"If it was reinstalled, run `ssh-keygen -R {host}`, then `ssh{option} {host}` once.",
        )


def _connection_lost(host: str) -> Unreachable:
    return Unreachable(f"The SSH connection to {host} was lost.", hint="Try again.", cause="lost")
