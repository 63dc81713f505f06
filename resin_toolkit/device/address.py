"""Parsing a DEVICE argument: host, ports, user and access method. Nothing is looked up here."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import Enum

from resin_toolkit.device.ip_addresses import is_ip
from resin_toolkit.errors import BadValue

_FORMS = "Use NAME, NAME.local, ADDRESS, any of these with :PORT, tcp://HOST:PORT or ssh://USER@HOST."
_NAME = re.compile(r"[\w.-]{1,253}")
_BRACKETED = re.compile(r"\[(?P<host>[^\[\]]+)\](?::(?P<port>[0-9]+))?")
_WITH_PORT = re.compile(r"(?P<host>[^:]+):(?P<port>[0-9]+)")


class AccessMethod(Enum):
    """How a device's engine is reached."""

    TCP = "tcp"
    SSH = "ssh"


@dataclass(frozen=True)
class Address:
    """A parsed DEVICE argument; parts that it does not give are None.

    `host` is a name or an IP address, an IPv6 address without brackets and with its zone: `fe80::1%eth0`.
    """

    host: str
    engine_port: int | None = None
    user: str | None = None
    ssh_port: int | None = None
    access_method: AccessMethod | None = None
    """The only method allowed; None allows any."""

    @property
    def is_ip(self) -> bool:
        return is_ip(self.host)


def parse_address(argument: str) -> Address:
    """Parse a DEVICE argument. Raises BadValue."""
    scheme, separator, rest = argument.partition("://")
    if not separator:
        host, port = _host_and_port(argument, argument)
        return Address(host, engine_port=port)
    if scheme == "tcp":
        host, port = _host_and_port(rest.rstrip("/"), argument)
        return Address(host, engine_port=port, access_method=AccessMethod.TCP)
    if scheme == "ssh":
        user, at, location = rest.rstrip("/").rpartition("@")
        if ":" in user:
            raise BadValue(
                "A device URL must not contain a password.",
                hint="Leave it out; resin asks for it if it is needed.",
            )
        host, port = _host_and_port(location, argument)
        return Address(
            host, user=_user(user, argument) if at else None, ssh_port=port, access_method=AccessMethod.SSH
        )
    raise BadValue(f"{argument} is not a valid device: unknown scheme {scheme}://.", hint=_FORMS)


def _host_and_port(text: str, argument: str) -> tuple[str, int | None]:
    if is_ip(text):
        _check_zone(text, argument)
        return text, None
    match = _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text)
    host, port = (match["host"], match["port"]) if match else (text, None)
    bracketed = text.startswith("[")
    if bracketed and not (is_ip(host) and ":" in host):
        raise BadValue(f"{argument} is not a valid device: only IPv6 addresses take brackets.", hint=_FORMS)
    if is_ip(host):
        _check_zone(host, argument)
    else:
        _check_name(host, argument)
    return host if is_ip(host) else host.rstrip(".").lower(), None if port is None else _port(port, argument)


def _check_zone(host: str, argument: str) -> None:
    ip = ipaddress.ip_address(host)
    if isinstance(ip, ipaddress.IPv6Address) and ip.is_link_local and not ip.scope_id:
        raise BadValue(
            f"{argument} is not a valid device: a link-local address needs an interface.",
            hint=f"Add the interface of this machine, for example [{host}%eth0].",
        )


def _check_name(name: str, argument: str) -> None:
    if not _NAME.fullmatch(name) or name.startswith(("-", ".")) or ".." in name:
        raise BadValue(
            f"{argument!r} is not a valid device: it is neither a host name nor an address.", hint=_FORMS
        )


def _port(text: str, argument: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise BadValue(f"{argument} is not a valid device: a port is a number from 1 to 65535.", hint=_FORMS)
    return port


def _user(name: str, argument: str) -> str:
    if not re.fullmatch(r"[\w.$][\w.$-]*", name):
        raise BadValue(f"{argument!r} is not a valid device: {name!r} is not a user name.", hint=_FORMS)
    return name
