"""A proxy for all of the device's traffic: `system-proxy/redsocks.conf` and `system-proxy/no_proxy`.

redsocks takes the proxy's host as an IPv4 address or as a name, which it looks up once, when it starts, and
for IPv4 alone: a proxy at an IPv6 address cannot be used. The device hands each line of `no_proxy` to its
iptables and stops at the first line that is refused, so that file holds IPv4 addresses and networks, nothing
else. The form of redsocks.conf is that of redsocks' own example file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from resin_toolkit.errors import BadValue, ConfigInvalid, Notice

if TYPE_CHECKING:
    from ipaddress import IPv4Network

HIDDEN = "********"
LOCAL_PORT = 12345
"""Where the device's firewall redirects to."""

MAX_CREDENTIAL = 255
"""Bytes of a login or password: RFC 1929 has one byte for the length."""


class ProxyType(Enum):
    """What the proxy speaks; the values are redsocks' own words."""

    SOCKS4 = "socks4"
    SOCKS5 = "socks5"
    HTTP_CONNECT = "http-connect"
    HTTP_RELAY = "http-relay"

    @property
    def default_port(self) -> int:
        """1080 for SOCKS (IANA), 3128 for HTTP (what squid listens on)."""
        return 1080 if self in (ProxyType.SOCKS4, ProxyType.SOCKS5) else 3128


_ALIASES = {"http": ProxyType.HTTP_CONNECT, **{kind.value: kind for kind in ProxyType}}
_FORM = "Give it as socks5://HOST:PORT; socks4, http-connect and http-relay are the other types."
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class ProxyUrl:
    """A proxy: what it speaks, its IPv4 address or name, its port, and who the device says it is.

    Neither `repr` nor `str` nor any error shows the credentials.
    """

    type: ProxyType
    host: str
    port: int
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        _check_host(self.host)
        if not 0 < self.port < 65536:
            raise BadValue(f"The proxy's port {self.port} is out of range.", hint="A port is 1 to 65535.")
        _check_credentials(self)

    @classmethod
    def parse(cls, text: str) -> ProxyUrl:
        """The proxy that TYPE://[LOGIN[:PASSWORD]@]HOST[:PORT] means. Raises BadValue, which shows no login.

        `http` is another word for http-connect. Login and password are percent-encoded where they have
        characters of their own meaning. The port is the type's default if left out.
        """
        scheme, separator, rest = text.strip().partition("://")
        if not separator:
            raise BadValue("The proxy is not a URL.", hint=_FORM)
        kind = _type_of(scheme)
        userinfo, _, place = rest.rpartition("@")
        host, port = _split_place(place)
        login, _, password = userinfo.partition(":")
        return cls(kind, host, port or kind.default_port, _decoded(login), _decoded(password))

    def __str__(self) -> str:
        """The URL, without the credentials."""
        return f"{self.type.value}://{self.host}:{self.port}"


def redsocks_conf(proxy: ProxyUrl) -> bytes:
    """The file `system-proxy/redsocks.conf` for this proxy."""
    settings = {"type": proxy.type.value, "ip": _host_token(proxy.host), "port": str(proxy.port)}
    if proxy.login:
        settings["login"] = _quoted(proxy.login)
        if proxy.type is not ProxyType.SOCKS4:
            # redsocks uses the login only where there is a password too, if an empty one.
            settings["password"] = _quoted(proxy.password)
    settings |= {"local_ip": "127.0.0.1", "local_port": str(LOCAL_PORT)}
    base = {
        "log_debug": "off",
        "log_info": "on",
        "log": "stderr",
        "daemon": "off",
        "redirector": "iptables",
    }
    return (_section("base", base) + "\n" + _section("redsocks", settings)).encode()


def proxy_notices(proxy: ProxyUrl) -> list[Notice]:
    """What may not work with this proxy."""
    notices = []
    if not _is_address(proxy.host):
        message = (
            f"The proxy's name {proxy.host} is looked up when the device starts, without the proxy's help;"
            " an IPv4 address is safer."
        )
        notices.append(Notice("proxy-by-name", message))
    if proxy.type is ProxyType.HTTP_RELAY:
        message = "An http-relay proxy carries plain HTTP only; http-connect carries everything."
        notices.append(Notice("proxy-http-only", message))
    return notices


def read_redsocks(data: bytes, name: str = "redsocks.conf") -> dict[str, object]:
    """What a redsocks.conf says, for a person or a script to see: type, host, port, url; secrets are hidden.

    Raises ConfigInvalid where redsocks could not read it, or where it names no proxy.
    """
    from image_tools.redsocks_file import read_sections

    for section, settings in read_sections(data, name):
        if section == "redsocks":
            return _facts(settings, name)
    raise ConfigInvalid(f"{name} names no proxy.", hint="Write a new one with --proxy.", file=name)


def no_proxy(entries: Iterable[str]) -> bytes:
    """The file `system-proxy/no_proxy`: an IPv4 address or network a line, without repeats.

    Each entry may hold several, with commas or spaces between. Raises BadValue for what iptables cannot take:
    a host name, an IPv6 address.
    """
    networks = dict.fromkeys(
        _network(word) for entry in entries for word in re.split(r"[,\s]+", entry) if word
    )
    return "".join(f"{_line(network)}\n" for network in networks).encode()


def read_no_proxy(data: bytes, name: str = "no_proxy") -> tuple[list[str], list[Notice]]:
    """The lines of a `no_proxy` file, and what the device would stumble over in it."""
    text = data.decode("utf-8", "replace")
    lines = text.removesuffix("\n").split("\n") if text else []
    notices = []
    for number, line in enumerate(lines, 1):
        try:
            if line.strip() != line:
                raise BadValue("there is white space around the address.")
            _network(line)
        except BadValue as error:
            message = f"{name}, line {number}: {error.message} The device stops reading there."
            notices.append(Notice("no-proxy-line", message))
    return [line.strip() for line in lines if line.strip()], notices


# parts of a URL


def _type_of(scheme: str) -> ProxyType:
    kind = _ALIASES.get(scheme.lower())
    if kind is not None:
        return kind
    if scheme.lower() in ("https", "socks5h", "socks4a", "socks"):
        hint = {"https": "The device speaks to its proxy unencrypted: use http-connect://.", "socks": ""}
        near = scheme.lower()[:6]
        raise BadValue(
            f'The device has no proxy of type "{scheme}".',
            hint=hint.get(scheme.lower(), f"Use {near}://; names are resolved on the device.") or _FORM,
        )
    shown = scheme if re.fullmatch(r"[a-z0-9+.-]{1,20}", scheme, re.IGNORECASE) else "…"
    raise BadValue(f'"{shown}" is not a type of proxy.', hint=_FORM)


def _split_place(place: str) -> tuple[str, int | None]:
    """Host and port of what follows the credentials."""
    place = place.removesuffix("/")
    match = re.fullmatch(r"(\[[^\[\]]*\]|[^\[\]:/?#]*)(?::([0-9]*))?", place)
    if match is None:
        # What cannot be split is not shown: a password may be in it.
        raise BadValue("The proxy's host and port cannot be told apart, or a path follows them.", hint=_FORM)
    port = match[2]
    if port and (len(port) > 5 or not port.isascii() or not 0 < int(port) < 65536):
        raise BadValue("The proxy's port is out of range.", hint="A port is 1 to 65535.")
    return match[1], int(port) if port else None


def _check_host(host: str) -> None:
    if host.startswith("[") or ":" in host:
        raise BadValue(
            "The proxy is at an IPv6 address, and the device reaches proxies by IPv4 only.",
            hint="Give an IPv4 address, or a name that has one.",
        )
    if _is_address(host):
        from ipaddress import AddressValueError, IPv4Address

        try:
            IPv4Address(host)
        except AddressValueError:
            raise BadValue(f'"{host}" is not an IPv4 address.', hint=_FORM) from None
    elif not _HOST.fullmatch(host) or len(host) > 253:
        raise BadValue("The proxy's host is not a host name or IPv4 address.", hint=_FORM)


def _is_address(host: str) -> bool:
    """Whether redsocks would read it as an address: digits and dots."""
    return re.fullmatch(r"[0-9.]+", host) is not None


def _decoded(text: str) -> str:
    from urllib.parse import unquote_to_bytes

    if _BAD_ESCAPE.search(text):
        raise BadValue(
            "The proxy's login or password has a % that is no escape.", hint="Write a percent sign as %25."
        )
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        raise BadValue(
            "The proxy's login or password is not UTF-8.", hint="Percent-encode it as UTF-8."
        ) from None


def _check_credentials(proxy: ProxyUrl) -> None:
    for what, text in (("login", proxy.login), ("password", proxy.password)):
        if any(c < " " or "\x7f" <= c < "\xa0" or "\ud800" <= c < "\ue000" for c in text):
            raise BadValue(f"The proxy's {what} has control characters.", hint="Check how it was typed.")
        if len(text.encode()) > MAX_CREDENTIAL:
            raise BadValue(f"The proxy's {what} is too long.", hint=f"It has at most {MAX_CREDENTIAL} bytes.")
    if proxy.password and not proxy.login:
        raise BadValue("The proxy has a password and no login.", hint="Give it as LOGIN:PASSWORD@HOST.")
    if proxy.password and proxy.type is ProxyType.SOCKS4:
        raise BadValue(
            "A socks4 proxy takes a login, but no password.", hint="Use socks5://, or leave it out."
        )
    is_http = proxy.type in (ProxyType.HTTP_CONNECT, ProxyType.HTTP_RELAY)
    if is_http and ":" in proxy.login:
        raise BadValue("An HTTP proxy takes no login with a colon.", hint="RFC 7617 ends the login there.")


# parts of the files


def _section(name: str, settings: dict[str, str]) -> str:
    return f"{name} {{\n" + "".join(f"\t{key} = {value};\n" for key, value in settings.items()) + "}\n"


def _host_token(host: str) -> str:
    """A name is a plain word to redsocks if it begins with a letter, and digits and dots are an address."""
    is_word = re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", host)
    return host if is_word or _is_address(host) else _quoted(host)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _facts(settings: dict[str, str], name: str) -> dict[str, object]:
    missing = [key for key in ("type", "ip", "port") if key not in settings]
    if missing:
        raise ConfigInvalid(
            f"{name} does not say the proxy's {missing[0]}.", hint="Write a new one with --proxy.", file=name
        )
    facts: dict[str, object] = {
        "type": settings["type"],
        "host": settings["ip"],
        "port": int(settings["port"]) if re.fullmatch(r"[0-9]{1,5}", settings["port"]) else settings["port"],
        "url": f"{settings['type']}://{settings['ip']}:{settings['port']}",
    }
    return facts | {key: HIDDEN for key in ("login", "password") if settings.get(key)}


def _network(word: str) -> IPv4Network:
    from ipaddress import IPv4Network, ip_network

    try:
        network = ip_network(word, strict=False)
    except ValueError:
        raise BadValue(
            f'"{word}" is not an IPv4 address or network.',
            hint="The proxy is passed by for addresses such as 10.1.2.3 or 10.0.0.0/8; names cannot be used.",
            value=word,
        ) from None
    if not isinstance(network, IPv4Network):
        raise BadValue(
            f'"{word}" is an IPv6 address.',
            hint="Only IPv4 goes through the proxy, so IPv6 passes it by as it is.",
            value=word,
        )
    return network


def _line(network: IPv4Network) -> str:
    return str(network.network_address) if network.prefixlen == 32 else str(network)
