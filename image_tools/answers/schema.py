"""The table of a file of answers: what the reader, the writer and the documentation are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from image_tools.config import values


class Shape(Enum):
    """What a key may hold; the value is its name for users."""

    TEXT = "text"
    FLAG = "true or false"
    NUMBER = "whole number"
    TEXTS = "list of texts"
    WORDS = "text or list of texts"
    FILE = "file"
    FILES = "list of files"
    SSID = "text or list of bytes"
    SECRET = "secret"
    ADDRESS = "text, or secret"
    OBJECT = "table"


@dataclass(frozen=True)
class Entry:
    """A key of a table. A SECRET has no key of its own, but `NAME-file` and `NAME-env`."""

    name: str
    shape: Shape
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
        """The keys that a file may have for it."""
        references = (f"{self.name}-file", f"{self.name}-env")
        if self.shape is Shape.SECRET:
            return references
        return (self.name, *references) if self.shape is Shape.ADDRESS else (self.name,)


@dataclass(frozen=True)
class AnswerRow:
    """What is told of one key; `table` is empty for those at the top."""

    table: str
    key: str
    type: str
    meaning: str
    choices: tuple[str, ...]


def _hostname(text: str) -> None:
    """A host name, in which {n} counts the devices."""
    values.hostname(text.replace("{n}", "1"))


def _country(text: str) -> None:
    values.country(text.upper())


_NAMING = (
    Entry("id", Shape.TEXT, "The profile's name."),
    Entry("priority", Shape.NUMBER, "The highest is tried first."),
)
_ADDRESSING = (
    Entry("static", Shape.TEXTS, "Own addresses, each ADDRESS/PREFIX, of IPv4 or IPv6."),
    Entry("gateway", Shape.TEXTS, "Routers, one for IPv4 and one for IPv6 at most."),
    Entry("dns", Shape.TEXTS, "Addresses of DNS servers."),
    Entry("never-default", Shape.FLAG, "Never the way to everywhere."),
    Entry("route-metric", Shape.NUMBER, "The lowest wins over other networks."),
)
_SECURITY = ("wpa-psk", "sae", "open", "peap", "ttls", "tls")
_BANDS = ("a", "bg")
_PHASE2 = ("mschapv2", "pap")

TOP: tuple[Entry, ...] = (
    Entry("hostname", Shape.TEXT, "Host name; {n} in it counts the devices.", _hostname),
    Entry("country", Shape.TEXT, "Wi-Fi regulatory domain, two letters.", _country),
    Entry("persistent-logging", Shape.FLAG, "Keep the logs on disk over a reboot."),
    Entry("development-mode", Shape.FLAG, "Development features of the OS."),
    Entry("ntp", Shape.WORDS, "Time servers.", values.time_servers),
    Entry("dns-servers", Shape.WORDS, 'DNS servers; "null" for none.', values.name_servers),
    Entry("ssh-keys", Shape.FILES, "Files of OpenSSH public keys that may log in."),
    Entry("config-file", Shape.FILE, "A JSON file, laid over config.json."),
    Entry("replace", Shape.FLAG, "Begin config.json anew."),
    Entry("config", Shape.OBJECT, "Any keys of config.json, laid over it."),
    Entry("unset", Shape.TEXTS, "Keys of config.json to remove."),
    Entry("connections", Shape.FILES, "NetworkManager keyfiles to add."),
    Entry("remove-connections", Shape.TEXTS, "Ids of network profiles to remove."),
    Entry("partition", Shape.NUMBER, "The number of the boot partition, where it is not found by itself."),
)
WIFI: tuple[Entry, ...] = (
    Entry("ssid", Shape.SSID, "The network's name.", required=True),
    Entry("passphrase", Shape.SECRET, "The passphrase."),
    Entry("plain-passphrase", Shape.FLAG, "Store the passphrase, not the key derived from it."),
    Entry("security", Shape.TEXT, "How the network is protected.", choices=_SECURITY),
    Entry("hidden", Shape.FLAG, "The network does not announce its name."),
    Entry("identity", Shape.TEXT, "Who the device is to a company's network."),
    Entry("anonymous-identity", Shape.TEXT, "Who it is before the tunnel is closed."),
    Entry("password", Shape.SECRET, "The password of the identity."),
    Entry("phase2", Shape.TEXT, "How the password is shown inside the tunnel.", choices=_PHASE2),
    Entry("domain-suffix-match", Shape.TEXT, "What the name of the login server must end in."),
    Entry("ca-cert", Shape.FILE, "The certificate that the login server must have been signed with."),
    Entry("client-cert", Shape.FILE, "The device's own certificate."),
    Entry("private-key", Shape.FILE, "Its private key."),
    Entry("private-key-password", Shape.SECRET, "The password of the private key."),
    *_NAMING,
    *_ADDRESSING,
)
ETHERNET: tuple[Entry, ...] = (
    Entry("shared", Shape.FLAG, "Give addresses out, and pass traffic on."),
    *_NAMING,
    *_ADDRESSING,
)
CELLULAR: tuple[Entry, ...] = (
    Entry("apn", Shape.TEXT, "The access point name.", required=True),
    Entry("number", Shape.TEXT, "What is dialled."),
    Entry("username", Shape.TEXT, "The user name."),
    Entry("password", Shape.SECRET, "Its password."),
    Entry("pin", Shape.SECRET, "The SIM's PIN."),
    *_NAMING,
)
HOTSPOT: tuple[Entry, ...] = (
    Entry("ssid", Shape.SSID, "The network's name.", required=True),
    Entry("passphrase", Shape.SECRET, "The passphrase."),
    Entry("band", Shape.TEXT, "a is 5 GHz, bg is 2.4 GHz.", choices=_BANDS),
    Entry("channel", Shape.NUMBER, "The channel."),
    *_NAMING,
    *_ADDRESSING,
)
PROXY: tuple[Entry, ...] = (
    Entry("url", Shape.ADDRESS, "TYPE://HOST:PORT; one with a password in a file or variable."),
    Entry("no-proxy", Shape.TEXTS, "IPv4 addresses and networks that the proxy is passed by for."),
)
TABLES: dict[str, tuple[Entry, ...]] = {
    "wifi": WIFI,
    "ethernet": ETHERNET,
    "cellular": CELLULAR,
    "hotspot": HOTSPOT,
    "proxy": PROXY,
}


def answers_table() -> list[AnswerRow]:
    """A row for each key that a file of answers may have, table by table."""
    return [
        _row(table, entry, key)
        for table, entries in {"": TOP, **TABLES}.items()
        for entry in entries
        for key in entry.keys
    ]


def markdown_table(table: str = "") -> str:
    """The keys of one table (empty: those at the top) in Markdown, with a line break at its end."""
    lines = ["| key | type | meaning |", "| --- | --- | --- |"]
    for row in answers_table():
        if row.table == table:
            kind = " or ".join(f"`{choice}`" for choice in row.choices) or row.type
            lines.append(f"| `{row.key}` | {kind} | {row.meaning} |")
    return "".join(f"{line}\n" for line in lines)


def _row(table: str, entry: Entry, key: str) -> AnswerRow:
    if key == entry.name:
        kind = "text" if entry.shape is Shape.ADDRESS else entry.shape.value
        return AnswerRow(table, key, kind, entry.meaning, entry.choices)
    if key.endswith("-file"):
        return AnswerRow(table, key, "file", f"The file that holds it. {entry.meaning}", ())
    return AnswerRow(table, key, "name", f"The environment variable that holds it. {entry.meaning}", ())
