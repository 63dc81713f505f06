"""The keys of an answers file, for the reader, the writer and the reference documentation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from image_tools.config import values


class AnswerType(Enum):
    """The type of a value; the enum value is its name for users."""

    TEXT = "string"
    FLAG = "true or false"
    NUMBER = "whole number"
    TEXTS = "list of strings"
    WORDS = "string or list of strings"
    FILE = "file"
    FILES = "list of files"
    SSID = "string or list of bytes"
    SECRET = "secret"
    ADDRESS = "string, or secret"
    OBJECT = "table"


@dataclass(frozen=True)
class AnswerKey:
    """A key of a table. A SECRET is given as `NAME-file` or `NAME-env`."""

    name: str
    shape: AnswerType
    meaning: str
    check: Callable[[str], None] | None = None
    choices: tuple[str, ...] = ()
    required: bool = False

    @property
    def attribute(self) -> str:
        """The name of the field that holds the value."""
        return self.name.replace("-", "_")

    @property
    def keys(self) -> tuple[str, ...]:
        """The spellings of this key in a file."""
        references = (f"{self.name}-file", f"{self.name}-env")
        if self.shape is AnswerType.SECRET:
            return references
        return (self.name, *references) if self.shape is AnswerType.ADDRESS else (self.name,)


@dataclass(frozen=True)
class AnswerRow:
    """The documentation of one key; `table` is empty for top-level keys."""

    table: str
    key: str
    type: str
    meaning: str
    choices: tuple[str, ...]


def _hostname(text: str) -> None:
    """Check a host name, in which {n} stands for the number of the card."""
    values.hostname(text.replace("{n}", "1"))


def _country(text: str) -> None:
    values.country(text.upper())


_NAMING = (
    AnswerKey("id", AnswerType.TEXT, "Profile name."),
    AnswerKey("priority", AnswerType.NUMBER, "The highest is tried first."),
)
_ADDRESSING = (
    AnswerKey("static", AnswerType.TEXTS, "Static IPv4 or IPv6 addresses, each ADDRESS/PREFIX."),
    AnswerKey("gateway", AnswerType.TEXTS, "Gateways, at most one for IPv4 and one for IPv6."),
    AnswerKey("dns", AnswerType.TEXTS, "DNS server addresses."),
    AnswerKey("never-default", AnswerType.FLAG, "Never use it as the default route."),
    AnswerKey("route-metric", AnswerType.NUMBER, "Route metric; the lowest wins."),
)
_SECURITY = ("wpa-psk", "sae", "open", "peap", "ttls", "tls")
_BANDS = ("a", "bg")
_PHASE2 = ("mschapv2", "pap")

TOP: tuple[AnswerKey, ...] = (
    AnswerKey(
        "hostname", AnswerType.TEXT, "Host name; {n} is replaced by the number of the card.", _hostname
    ),
    AnswerKey("country", AnswerType.TEXT, "Wi-Fi regulatory domain, two letters.", _country),
    AnswerKey("persistent-logging", AnswerType.FLAG, "Keep logs across reboots."),
    AnswerKey("development-mode", AnswerType.FLAG, "Enable development mode."),
    AnswerKey("ntp", AnswerType.WORDS, "Time servers.", values.time_servers),
    AnswerKey("dns-servers", AnswerType.WORDS, 'DNS servers; "null" for none.', values.name_servers),
    AnswerKey("ssh-keys", AnswerType.FILES, "Files with OpenSSH public keys to authorize."),
    AnswerKey("config-file", AnswerType.FILE, "JSON file to merge into config.json."),
    AnswerKey("replace", AnswerType.FLAG, "Replace config.json instead of changing it."),
    AnswerKey("config", AnswerType.OBJECT, "Keys to merge into config.json."),
    AnswerKey("unset", AnswerType.TEXTS, "Keys to remove from config.json."),
    AnswerKey("connections", AnswerType.FILES, "NetworkManager keyfiles to add."),
    AnswerKey("remove-connections", AnswerType.TEXTS, "Ids of network profiles to remove."),
    AnswerKey("partition", AnswerType.NUMBER, "Number of the boot partition, if it is not detected."),
)
WIFI: tuple[AnswerKey, ...] = (
    AnswerKey("ssid", AnswerType.SSID, "SSID of the network.", required=True),
    AnswerKey("passphrase", AnswerType.SECRET, "Passphrase."),
    AnswerKey(
        "plain-passphrase", AnswerType.FLAG, "Store the passphrase instead of the key derived from it."
    ),
    AnswerKey("security", AnswerType.TEXT, "Wi-Fi security.", choices=_SECURITY),
    AnswerKey("hidden", AnswerType.FLAG, "The network hides its SSID."),
    AnswerKey("identity", AnswerType.TEXT, "User name for an enterprise network."),
    AnswerKey("anonymous-identity", AnswerType.TEXT, "User name sent outside the tunnel."),
    AnswerKey("password", AnswerType.SECRET, "Password of the user."),
    AnswerKey("phase2", AnswerType.TEXT, "Inner authentication.", choices=_PHASE2),
    AnswerKey("domain-suffix-match", AnswerType.TEXT, "Required suffix of the authentication server's name."),
    AnswerKey("ca-cert", AnswerType.FILE, "CA certificate that verifies the authentication server."),
    AnswerKey("client-cert", AnswerType.FILE, "Client certificate."),
    AnswerKey("private-key", AnswerType.FILE, "Private key of the client certificate."),
    AnswerKey("private-key-password", AnswerType.SECRET, "Passphrase of the private key."),
    *_NAMING,
    *_ADDRESSING,
)
ETHERNET: tuple[AnswerKey, ...] = (
    AnswerKey("shared", AnswerType.FLAG, "Run a DHCP server and NAT."),
    *_NAMING,
    *_ADDRESSING,
)
CELLULAR: tuple[AnswerKey, ...] = (
    AnswerKey("apn", AnswerType.TEXT, "Access point name.", required=True),
    AnswerKey("number", AnswerType.TEXT, "Number to dial."),
    AnswerKey("username", AnswerType.TEXT, "User name."),
    AnswerKey("password", AnswerType.SECRET, "Password."),
    AnswerKey("pin", AnswerType.SECRET, "SIM PIN."),
    *_NAMING,
)
HOTSPOT: tuple[AnswerKey, ...] = (
    AnswerKey("ssid", AnswerType.SSID, "SSID of the network.", required=True),
    AnswerKey("passphrase", AnswerType.SECRET, "Passphrase."),
    AnswerKey("band", AnswerType.TEXT, "Band: a is 5 GHz, bg is 2.4 GHz.", choices=_BANDS),
    AnswerKey("channel", AnswerType.NUMBER, "Wi-Fi channel."),
    *_NAMING,
    *_ADDRESSING,
)
PROXY: tuple[AnswerKey, ...] = (
    AnswerKey(
        "url",
        AnswerType.ADDRESS,
        "Proxy URL, TYPE://HOST:PORT.",
    ),
    AnswerKey("no-proxy", AnswerType.TEXTS, "IPv4 addresses and networks that bypass the proxy."),
)
TABLES: dict[str, tuple[AnswerKey, ...]] = {
    "wifi": WIFI,
    "ethernet": ETHERNET,
    "cellular": CELLULAR,
    "hotspot": HOTSPOT,
    "proxy": PROXY,
}


def answers_table() -> list[AnswerRow]:
    """Return a row for each key of an answers file, table by table."""
    return [
        _row(table, entry, key)
        for table, entries in {"": TOP, **TABLES}.items()
        for entry in entries
        for key in entry.keys
    ]


def markdown_table(table: str = "") -> str:
    """Return the keys of one table (empty: the top level) as a Markdown table with a final newline."""
    lines = ["| key | type | meaning |", "| --- | --- | --- |"]
    for row in answers_table():
        if row.table == table:
            kind = " or ".join(f"`{choice}`" for choice in row.choices) or row.type
            lines.append(f"| `{row.key}` | {kind} | {row.meaning} |")
    return "".join(f"{line}\n" for line in lines)


def _row(table: str, entry: AnswerKey, key: str) -> AnswerRow:
    if key == entry.name:
        kind = "string" if entry.shape is AnswerType.ADDRESS else entry.shape.value
        secret = " Without a password." if entry.shape is AnswerType.ADDRESS else ""
        return AnswerRow(table, key, kind, f"{entry.meaning}{secret}", entry.choices)
    meaning = entry.meaning.rstrip(".")
    if key.endswith("-file"):
        return AnswerRow(table, key, "file", f"{meaning}: the file that contains it.", ())
    return AnswerRow(table, key, "name", f"{meaning}: the environment variable that contains it.", ())
