"""The format of NetworkManager's keyfiles: GLib's key file (GKeyFile) and NetworkManager's rules upon it.

Defined by the Desktop Entry Specification's basic format, glib/gkeyfile.c, and nm-settings-keyfile(5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from resin_toolkit.errors import ConfigInvalid, Notice

Sections = Mapping[str, Mapping[str, str]]

ALIASES = {
    "802-3-ethernet": "ethernet",
    "802-11-wireless": "wifi",
    "802-11-wireless-security": "wifi-security",
}
"""Old names of sections and types, which every NetworkManager still reads."""

_ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\", ";": ";"}
_ESCAPED = re.compile(r"\\(.?)", re.DOTALL)
_BLANK = " \t\n\r\f"
_BYTE_LIST = re.compile(r"\s*(?:\d{1,3}\s*;\s*)+", re.ASCII)
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class KeyfileEntry:
    """A line `key=value`; `raw` is the value as it stands in the file, escapes and all."""

    section: str
    key: str
    raw: str = field(repr=False)
    line: int


@dataclass(frozen=True)
class Keyfile:
    """A keyfile that was read. Section names are the new ones (`wifi` for `802-11-wireless`)."""

    name: str
    entries: tuple[KeyfileEntry, ...] = field(repr=False)
    section_lines: Mapping[str, int]
    notices: tuple[Notice, ...] = ()

    @property
    def sections(self) -> Sections:
        """Every section's keys and values, the values as they stand in the file; a later line wins."""
        sections: dict[str, dict[str, str]] = {name: {} for name in self.section_lines}
        for entry in self.entries:
            sections[entry.section][entry.key] = entry.raw
        return sections

    def entry(self, section: str, key: str) -> KeyfileEntry | None:
        """The line that counts for `key`."""
        found = [entry for entry in self.entries if (entry.section, entry.key) == (section, key)]
        return found[-1] if found else None

    def text(self, section: str, key: str) -> str | None:
        """A value without its escapes. Raises ConfigInvalid for an escape that the format does not have."""
        entry = self.entry(section, key)
        return None if entry is None else _unescaped(self.name, entry)

    @property
    def id(self) -> str | None:
        """The name that people know the connection by."""
        return self.text("connection", "id")

    @property
    def uuid(self) -> str | None:
        """The name that programs know the connection by."""
        return self.text("connection", "uuid")

    @property
    def type(self) -> str | None:
        """The kind of connection: `wifi`, `ethernet`, `gsm`."""
        kind = self.text("connection", "type")
        return None if kind is None else ALIASES.get(kind, kind)

    @property
    def ssid(self) -> bytes | None:
        """The Wi-Fi network's name; written as text, or as a list of bytes: `82;101;`."""
        entry = self.entry("wifi", "ssid")
        if entry is None:
            return None
        text = _unescaped(self.name, entry, semicolon="\\;")
        if _BYTE_LIST.fullmatch(text):
            numbers = [int(number) for number in text.split(";") if number.strip()]
            if max(numbers) < 256:
                return bytes(numbers)
        return text.replace("\\;", ";").encode()


def read_keyfile(data: bytes, name: str = "the profile") -> Keyfile:
    """What `data` holds. `name` is the file's name, for messages.

    CRLF and a byte-order mark are accepted and reported in `notices`; a byte-order mark keeps the device from
    reading the file, so write `normalize_keyfile(data)`. Raises ConfigInvalid, with the line, where GKeyFile
    rejects the file.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigInvalid(f"{name} is UTF-16 text.", hint="Save it as UTF-8.", line=1)
    entries: list[KeyfileEntry] = []
    section_lines: dict[str, int] = {}
    section = None
    for number, line in enumerate(normalize_keyfile(data).decode("utf-8", "surrogateescape").split("\n"), 1):
        line = line.lstrip(_BLANK)
        if not line or line.startswith("#"):
            continue
        if any("\udc80" <= character <= "\udcff" for character in line):
            _refuse(name, number, "a byte is not UTF-8 text", "Save the file as UTF-8.")
        if line.startswith("["):
            section = _section(name, number, line)
            section_lines.setdefault(section, number)
            continue
        entries.append(_entry(name, number, line, section))
    return Keyfile(name, tuple(entries), section_lines, tuple(_notices(name, data, entries)))


def normalize_keyfile(data: bytes) -> bytes:
    """`data` without the byte-order mark and the carriage returns that Windows editors leave."""
    return data.removeprefix(_BOM).replace(b"\r\n", b"\n")


def escape(text: str) -> str:
    """`text`, which has no control characters but tabs and line ends, as the value of a key.

    Spaces at both ends are escaped, so that no editor takes them for nothing.
    """
    text = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    body = text.strip(" ")
    start = len(text) - len(text.lstrip(" "))
    return "\\s" * start + body + "\\s" * (len(text) - len(body) - start)


def escape_ssid(ssid: bytes) -> str:
    """An SSID as a value: text where it is plain, else bytes, as NetworkManager itself writes it."""
    if all(0x20 <= byte < 0x7F and byte not in b";\\" for byte in ssid):
        return escape(ssid.decode("ascii"))
    return "".join(f"{byte};" for byte in ssid)


def render(sections: Sections) -> bytes:
    """The file that holds `sections`, in their order. Values are as `escape` and `escape_ssid` make them."""
    blocks = []
    for name, keys in sections.items():
        blocks.append("\n".join([f"[{name}]", *(f"{key}={value}" for key, value in keys.items())]))
    return ("\n\n".join(blocks) + "\n").encode()


def _section(name: str, number: int, line: str) -> str:
    inside, bracket, rest = line[1:].partition("]")
    if not bracket or rest.strip(" \t"):
        _refuse(name, number, "a section's name must end with a bracket, and the line with it")
    if not inside or "[" in inside or any(character < " " or character == "\x7f" for character in inside):
        _refuse(name, number, "a section has a bad name")
    return ALIASES.get(inside, inside)


def _entry(name: str, number: int, line: str, section: str | None) -> KeyfileEntry:
    key, equals, value = line.partition("=")
    key = key.rstrip(_BLANK)
    if not equals or not key:
        hint = "A comment begins with #, not with ;." if line.startswith(";") else ""
        _refuse(name, number, "this is no [section], no key=value and no comment", hint)
    if section is None:
        _refuse(name, number, "a key stands before the first section", "Begin with [connection].")
    if "[" in key or "]" in key:
        _refuse(name, number, "a key has a bad name")
    if "\0" in line:
        _refuse(name, number, "there is a zero byte")
    return KeyfileEntry(section, key, value.lstrip(_BLANK), number)


def _unescaped(name: str, entry: KeyfileEntry, semicolon: str = ";") -> str:
    r"""The value with its escapes taken out; `semicolon` is what becomes of `\;`."""

    def plain(match: re.Match[str]) -> str:
        if match.group(1) not in _ESCAPES:
            reason = f"{entry.key} has a backslash that begins no escape"
            _refuse(name, entry.line, reason, "Write a backslash twice: \\\\.")
        return semicolon if match.group(1) == ";" else _ESCAPES[match.group(1)]

    return _ESCAPED.sub(plain, entry.raw)


def _notices(name: str, data: bytes, entries: list[KeyfileEntry]) -> list[Notice]:
    notices = []
    if data.startswith(_BOM):
        notices.append(Notice("keyfile-bom", f"{name} begins with a byte-order mark, which is removed."))
    if b"\r\n" in data:
        notices.append(Notice("keyfile-crlf", f"{name} has Windows line endings, which are converted."))
    seen: dict[tuple[str, str], int] = {}
    for entry in entries:
        place = (entry.section, entry.key)
        if place in seen:
            message = (
                f"{name}, line {entry.line}: {entry.key} stands in [{entry.section}] for the second time; "
                f"line {seen[place]} is without effect."
            )
            notices.append(Notice("keyfile-twice", message))
        seen[place] = entry.line
    return notices


def _refuse(name: str, line: int, reason: str, hint: str = "") -> NoReturn:
    raise ConfigInvalid(
        f"{name}, line {line}: {reason}.",
        hint=hint or "Compare it with `man nm-settings-keyfile`.",
        line=line,
    )
