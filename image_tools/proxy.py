"""A proxy for all of the device's traffic: `system-proxy/redsocks.conf` and `system-proxy/no_proxy`.

redsocks accepts an IPv4 address or a host name, which it resolves to IPv4 once at startup: a proxy with an
IPv6 address cannot be used. The device passes each line of `no_proxy` to iptables and stops at the first line
that iptables rejects, so the file may only contain IPv4 addresses and networks. The format of redsocks.conf
is documented in the example file of redsocks.
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
"""The port of redsocks on the device, to which its firewall redirects."""

MAX_CREDENTIAL = 255
"""Maximum length of a login or password in bytes: RFC 1929 has one byte for it."""


class ProxyType(Enum):
    """The protocol of a proxy; the values are those of `type` in redsocks.conf."""

    SOCKS4 = "socks4"
    SOCKS5 = "socks5"
    HTTP_CONNECT = "http-connect"
    HTTP_RELAY = "http-relay"

    @property
    def default_port(self) -> int:
        """The port if none is given: 1080 for SOCKS (IANA), 3128 for HTTP (the default of squid)."""
        return 1080 if self in (ProxyType.SOCKS4, ProxyType.SOCKS5) else 3128


_ALIASES = {"http": ProxyType.HTTP_CONNECT, **{proxy_type.value: proxy_type for proxy_type in ProxyType}}
_FORM = "Use TYPE://HOST:PORT, where TYPE is socks5, socks4, http-connect or http-relay."
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class ProxyUrl:
    """A proxy: protocol, IPv4 address or host name, port and credentials.

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
            raise BadValue(f"The proxy port {self.port} is out of range.", hint="Use a port from 1 to 65535.")
        _check_credentials(self)

    @classmethod
    def parse(cls, text: str) -> ProxyUrl:
        """Parse TYPE://[LOGIN[:PASSWORD]@]HOST[:PORT]. Raises BadValue, which shows no credentials.

        `http` is an alias of http-connect. Login and password may be percent-encoded. The default port
        depends on the type.
        """
        scheme, separator, rest = text.strip().partition("://")
        if not separator:
            raise BadValue("The proxy is not a URL.", hint=_FORM)
        proxy_type = _type_of(scheme)
        userinfo, _, host_and_port = rest.rpartition("@")
        host, port = _split_host(host_and_port)
        login, _, password = userinfo.partition(":")
        return cls(
            proxy_type,
            host,
            port or proxy_type.default_port,
            _decode_credential(login),
            _decode_credential(password),
        )

    def __str__(self) -> str:
        """Return the URL without the credentials."""
        return f"{self.type.value}://{self.host}:{self.port}"


def redsocks_conf(proxy: ProxyUrl) -> bytes:
    """Return the content of `system-proxy/redsocks.conf` for this proxy."""
    settings = {"type": proxy.type.value, "ip": _host_token(proxy.host), "port": str(proxy.port)}
    if proxy.login:
        settings["login"] = _quoted(proxy.login)
        if proxy.type is not ProxyType.SOCKS4:
            # redsocks uses the login only if there is also a password, which may be empty.
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
    """Return warnings about what may not work with this proxy."""
    notices = []
    if not _is_address(proxy.host):
        message = (
            f"The device resolves the proxy's host name {proxy.host} at startup, without the proxy."
            " An IPv4 address is more reliable."
        )
        notices.append(Notice("proxy-by-name", message))
    if proxy.type is ProxyType.HTTP_RELAY:
        message = "An http-relay proxy only forwards plain HTTP. Use http-connect to forward all TCP traffic."
        notices.append(Notice("proxy-http-only", message))
    return notices


def read_redsocks(data: bytes, name: str = "redsocks.conf") -> dict[str, object]:
    """Parse redsocks.conf, and return the type, host, port and url of the proxy; secrets are hidden.

    Raises ConfigInvalid if redsocks could not parse it, or if it defines no proxy.
    """
    from image_tools.redsocks_file import read_sections

    for section, settings in read_sections(data, name):
        if section == "redsocks":
            return _describe(settings, name)
    raise ConfigInvalid(f"{name} defines no proxy.", hint="Write a new file with --proxy.", file=name)


def no_proxy(entries: Iterable[str]) -> bytes:
    """Return the content of `system-proxy/no_proxy`: one IPv4 address or network per line, deduplicated.

    Each entry may be a list separated by commas or spaces. Raises BadValue for what iptables does not accept,
    such as a host name or an IPv6 address.
    """
    networks = dict.fromkeys(
        _network(item) for entry in entries for item in re.split(r"[,\s]+", entry) if item
    )
    return "".join(f"{_line(network)}\n" for network in networks).encode()


def read_no_proxy(data: bytes, name: str = "no_proxy") -> tuple[list[str], list[Notice]]:
    """Return the lines of a `no_proxy` file, and warnings about lines that the device cannot read."""
    text = data.decode("utf-8", "replace")
    lines = text.removesuffix("\n").split("\n") if text else []
    notices = []
    for number, line in enumerate(lines, 1):
        try:
            if line.strip() != line:
                raise BadValue("There is white space around the address.")
            _network(line)
        except BadValue as error:
            message = f"{name}, line {number}: {error.message} The device ignores it and all later lines."
            notices.append(Notice("no-proxy-line", message))
    return [line.strip() for line in lines if line.strip()], notices


# parts of a URL


def _type_of(scheme: str) -> ProxyType:
    proxy_type = _ALIASES.get(scheme.lower())
    if proxy_type is not None:
        return proxy_type
    if scheme.lower() in ("https", "socks5h", "socks4a", "socks"):
        hint = {"https": "TLS to the proxy is not supported; use http-connect://.", "socks": ""}
        supported = scheme.lower()[:6]
        raise BadValue(
            f'The proxy type "{scheme}" is not supported.',
            hint=hint.get(scheme.lower(), f"Use {supported}://; the device resolves names.") or _FORM,
        )
    shown = scheme if re.fullmatch(r"[a-z0-9+.-]{1,20}", scheme, re.IGNORECASE) else "…"
    raise BadValue(f'"{shown}" is not a known proxy type.', hint=_FORM)


def _split_host(host_and_port: str) -> tuple[str, int | None]:
    """Split HOST[:PORT], the part after the credentials."""
    host_and_port = host_and_port.removesuffix("/")
    match = re.fullmatch(r"(\[[^\[\]]*\]|[^\[\]:/?#]*)(?::([0-9]*))?", host_and_port)
    if match is None:
        # The text is not shown, because it may contain a password.
        raise BadValue("The proxy URL must end with HOST:PORT, without a path.", hint=_FORM)
    port = match[2]
    if port and (len(port) > 5 or not port.isascii() or not 0 < int(port) < 65536):
        raise BadValue("The proxy port is out of range.", hint="Use a port from 1 to 65535.")
    return match[1], int(port) if port else None


def _check_host(host: str) -> None:
    if host.startswith("[") or ":" in host:
        raise BadValue(
            "IPv6 addresses of proxies are not supported.",
            hint="Use an IPv4 address, or a host name that has one.",
        )
    if _is_address(host):
        from ipaddress import AddressValueError, IPv4Address

        try:
            IPv4Address(host)
        except AddressValueError:
            raise BadValue(f'"{host}" is not an IPv4 address.', hint=_FORM) from None
    elif not _HOST.fullmatch(host) or len(host) > 253:
        raise BadValue("The proxy's host is not a valid host name or IPv4 address.", hint=_FORM)


def _is_address(host: str) -> bool:
    """Whether redsocks parses it as an address: digits and dots."""
    return re.fullmatch(r"[0-9.]+", host) is not None


def _decode_credential(text: str) -> str:
    from urllib.parse import unquote_to_bytes

    if _BAD_ESCAPE.search(text):
        raise BadValue(
            "The proxy's login or password contains an invalid percent escape.", hint="Write % as %25."
        )
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        raise BadValue(
            "The proxy's login or password is not valid UTF-8.", hint="Percent-encode it as UTF-8."
        ) from None


def _check_credentials(proxy: ProxyUrl) -> None:
    for field_name, text in (("login", proxy.login), ("password", proxy.password)):
        if any(c < " " or "\x7f" <= c < "\xa0" or "\ud800" <= c < "\ue000" for c in text):
            raise BadValue(f"The proxy's {field_name} contains control characters.", hint="Remove them.")
        if len(text.encode()) > MAX_CREDENTIAL:
            raise BadValue(
                f"The proxy's {field_name} is too long.", hint=f"The limit is {MAX_CREDENTIAL} bytes."
            )
    if proxy.password and not proxy.login:
        raise BadValue("The proxy has a password but no login.", hint="Use LOGIN:PASSWORD@HOST.")
    if proxy.password and proxy.type is ProxyType.SOCKS4:
        raise BadValue(
            "A socks4 proxy does not support passwords.", hint="Use socks5://, or remove the password."
        )
    is_http = proxy.type in (ProxyType.HTTP_CONNECT, ProxyType.HTTP_RELAY)
    if is_http and ":" in proxy.login:
        raise BadValue("An HTTP proxy's login cannot contain a colon (RFC 7617).", hint="Remove the colon.")


# parts of the files


def _section(name: str, settings: dict[str, str]) -> str:
    return f"{name} {{\n" + "".join(f"\t{key} = {value};\n" for key, value in settings.items()) + "}\n"


def _host_token(host: str) -> str:
    """Quote a host, unless redsocks parses it as an address or as a word that begins with a letter."""
    is_word = re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", host)
    return host if is_word or _is_address(host) else _quoted(host)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _describe(settings: dict[str, str], name: str) -> dict[str, object]:
    missing = [key for key in ("type", "ip", "port") if key not in settings]
    if missing:
        raise ConfigInvalid(
            f"{name} does not set {missing[0]}.",
            hint="Write a new file with --proxy.",
            file=name,
        )
    facts: dict[str, object] = {
        "type": settings["type"],
        "host": settings["ip"],
        "port": int(settings["port"]) if re.fullmatch(r"[0-9]{1,5}", settings["port"]) else settings["port"],
        "url": f"{settings['type']}://{settings['ip']}:{settings['port']}",
    }
    return facts | {key: HIDDEN for key in ("login", "password") if settings.get(key)}


def _network(item: str) -> IPv4Network:
    from ipaddress import IPv4Network, ip_network

    try:
        network = ip_network(item, strict=False)
    except ValueError:
        raise BadValue(
            f'"{item}" is not an IPv4 address or network.',
            hint="Use addresses such as 10.1.2.3 or 10.0.0.0/8; host names are not supported.",
            value=item,
        ) from None
    if not isinstance(network, IPv4Network):
        raise BadValue(
            f'"{item}" is an IPv6 address.',
            hint="Remove it; IPv6 traffic always bypasses the proxy.",
            value=item,
        )
    return network


def _line(network: IPv4Network) -> str:
    return str(network.network_address) if network.prefixlen == 32 else str(network)
