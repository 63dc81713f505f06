"""Reaching a device through other hosts (ProxyJump of ssh_config(5))."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from paramiko.hostkeys import HostKeys
from paramiko.ssh_exception import SSHException

from resin_toolkit.device.address import url_host
from resin_toolkit.device.record import Device
from resin_toolkit.errors import BadValue, DeviceNotFound, HostKeyChanged, Refused, Unreachable
from resin_toolkit.ssh import version_exchange
from resin_toolkit.ssh.algorithms import algorithms_of, negotiate
from resin_toolkit.ssh.authentication import log_in
from resin_toolkit.ssh.channels import StreamChannel
from resin_toolkit.ssh.config import HostConfig, folder, settings_of
from resin_toolkit.ssh.host_keys import HostKey
from resin_toolkit.ssh.transport import ChannelRefused, Transport
from resin_toolkit.tcp import connect_any, endpoints

_HOP = re.compile(r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^\]]+\]|[^:\[\]]+)(?::(?P<port>\d+))?")
_SYSTEM_WIDE = Path("/etc/ssh/ssh_known_hosts")
_PORT = 22


def through(
    config: HostConfig,
    device: Device,
    opened: ExitStack,
    chain: list[Transport],
    *,
    within: float,
    ask: Callable[[str], str] | None,
) -> tuple[Any, str]:
    """A connection to `device` through the hosts of `config`, our greeting sent, and its place.

    What is opened on the way goes to `opened` and `chain`. Raises Unreachable, HostKeyChanged, Refused,
    LoginRefused, DeviceNotFound.
    """
    connection: Any = None
    for word in config.jumps:
        host, user, port, settings = _hop(word)
        connection = _next(chain, host, port) if chain else _first(host, port, within)
        opened.callback(connection.close)
        version_exchange.send_version(connection)
        transport = _host(connection, host, port, user, settings, ask)
        opened.callback(transport.close)
        chain.append(transport)
    target = config.host if config.host != config.alias or not device.addresses else device.addresses[0]
    connection = _next(chain, target, device.ssh_port)
    version_exchange.send_version(connection)
    return connection, f"{url_host(target)}:{device.ssh_port}"


def _hop(word: str) -> tuple[str, str, int, HostConfig]:
    import os
    import pwd

    match = _HOP.fullmatch(word)
    if match is None:
        raise BadValue(f"{word!r} is no ProxyJump.", hint="Mend it in ~/.ssh/config: [USER@]HOST[:PORT].")
    alias = match["host"].strip("[]")
    settings = settings_of(alias)
    user = match["user"] or settings.user or pwd.getpwuid(os.getuid()).pw_name
    return settings.host, user, int(match["port"] or settings.port or _PORT), settings


def _first(host: str, port: int, within: float) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DeviceNotFound(
            f"{host}, through which ~/.ssh/config says to go, is not found.", hint="Check its ProxyJump."
        ) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    connection, _ = connect_any(host, endpoints(addresses, [port]), within=within)
    version_exchange.tune(connection)
    return connection


def _next(chain: list[Transport], host: str, port: int) -> StreamChannel:
    name, origin = host.encode(), b"127.0.0.1"
    extra = len(name).to_bytes(4, "big") + name + port.to_bytes(4, "big")
    extra += len(origin).to_bytes(4, "big") + origin + bytes(4)
    try:
        return chain[-1].open("direct-tcpip", StreamChannel, extra)
    except ChannelRefused as error:
        raise Unreachable(
            f"{host} cannot be reached at port {port} through the hosts of ~/.ssh/config.",
            hint="Is it on, and may one go on from there?",
            cause="refused" if error.reason == 2 else "no-route",
        ) from error
    except (EOFError, OSError, SSHException) as error:
        raise _broke_off(host) from error


def _host(
    connection: Any, host: str, port: int, user: str, settings: HostConfig, ask: Callable[[str], str] | None
) -> Transport:
    known = _known(host, port)
    types = [name for key in known for name in algorithms_of(key.type)]
    transport = negotiate(host, f"{url_host(host)}:{port}", connection, types, 15.0)
    try:
        shown = transport.get_remote_server_key()
        _require(host, port, known, HostKey.of(shown.get_name(), shown.asbytes()))
        log_in(transport, host, user, settings, ask)
    except (EOFError, OSError, SSHException) as error:
        transport.close()
        raise _broke_off(host) from error
    except BaseException:
        transport.close()
        raise
    return transport


def _known(host: str, port: int) -> list[HostKey]:
    """The keys that the user's own OpenSSH knows `host` by."""
    name = host if port == _PORT else f"[{host}]:{port}"
    found = []
    for path in (folder() / "known_hosts", _SYSTEM_WIDE):
        if path.is_file():
            entries: Any = HostKeys(str(path)).lookup(name) or {}
            found += [HostKey.of(key.get_name(), key.asbytes()) for key in entries.values()]
    return found


def _require(host: str, port: int, known: list[HostKey], shown: HostKey) -> None:
    option = "" if port == _PORT else f" -p {port}"
    if not known:
        raise Refused(
            f"{host}, through which ~/.ssh/config says to go, is not in ~/.ssh/known_hosts.",
            hint=f"Log in once with `ssh{option} {host}`; it shows {shown.fingerprint}.",
        )
    if shown not in known:
        raise HostKeyChanged(
            f"{host} shows a host key that is not the one in known_hosts: {shown.type} {shown.fingerprint}.",
            hint=f"If it was set up anew: `ssh-keygen -R {host}`, then `ssh{option} {host}` once.",
        )


def _broke_off(host: str) -> Unreachable:
    return Unreachable(f"The SSH connection to {host} was lost.", hint="Try again.", cause="lost")
