"""Parse and render NetworkManager keyfiles.

The format is GLib's GKeyFile (Desktop Entry Specification, basic format; glib/gkeyfile.c) with the additions
of nm-settings-keyfile(5).
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
"""Old names of sections and types, which NetworkManager still accepts."""

_ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\", ";": ";"}
_ESCAPED = re.compile(r"\\(.?)", re.DOTALL)
_BLANK = " \t\n\r\f"
_BYTE_LIST = re.compile(r"\s*(?:\d{1,3}\s*;\s*)+", re.ASCII)
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class KeyfileEntry:
    """A line `key=value`; `raw` is the value with its escapes."""

    section: str
    key: str
    raw: str = field(repr=False)
    line: int


@dataclass(frozen=True)
class Keyfile:
    """A parsed keyfile. Old section names are replaced (`802-11-wireless` by `wifi`)."""

    name: str
    entries: tuple[KeyfileEntry, ...] = field(repr=False)
    section_lines: Mapping[str, int]
    notices: tuple[Notice, ...] = ()

    @property
    def sections(self) -> Sections:
        """Keys and raw values by section; the last line of a key takes precedence."""
        sections: dict[str, dict[str, str]] = {name: {} for name in self.section_lines}
        for entry in self.entries:
            sections[entry.section][entry.key] = entry.raw
        return sections

    def entry(self, section: str, key: str) -> KeyfileEntry | None:
        """Return the effective (last) line of `key`."""
        found = [entry for entry in self.entries if (entry.section, entry.key) == (section, key)]
        return found[-1] if found else None

    def text(self, section: str, key: str) -> str | None:
        """Return an unescaped value. Raises ConfigInvalid for an invalid escape."""
        entry = self.entry(section, key)
        return None if entry is None else _unescape(self.name, entry)

    @property
    def id(self) -> str | None:
        """The id of the connection."""
        return self.text("connection", "id")

    @property
    def uuid(self) -> str | None:
        """The UUID of the connection."""
        return self.text("connection", "uuid")

    @property
    def type(self) -> str | None:
        """The type of the connection, such as `wifi`, `ethernet` or `gsm`."""
        type_ = self.text("connection", "type")
        return None if type_ is None else ALIASES.get(type_, type_)

    @property
    def ssid(self) -> bytes | None:
        """The SSID, which is written as text or as a list of bytes: `82;101;`."""
        entry = self.entry("wifi", "ssid")
        if entry is None:
            return None
        text = _unescape(self.name, entry, semicolon="\\;")
        if _BYTE_LIST.fullmatch(text):
            numbers = [int(number) for number in text.split(";") if number.strip()]
            if max(numbers) < 256:
                return bytes(numbers)
        return text.replace("\\;", ";").encode()


def read_keyfile(data: bytes, name: str = "the profile") -> Keyfile:
    """Parse a keyfile. `name` is the file name, for messages.

    CRLF and a byte-order mark are accepted and reported in `notices`. The device cannot read a file with a
    byte-order mark: write `normalize_keyfile(data)`. Raises ConfigInvalid, with the line, if GKeyFile would
    reject the file.
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
            _fail(name, number, "invalid UTF-8", "Save the file as UTF-8.")
        if line.startswith("["):
            section = _section(name, number, line)
            section_lines.setdefault(section, number)
            continue
        entries.append(_entry(name, number, line, section))
    return Keyfile(name, tuple(entries), section_lines, tuple(_notices(name, data, entries)))


def normalize_keyfile(data: bytes) -> bytes:
    """Remove the byte-order mark and carriage returns that Windows editors write."""
    return data.removeprefix(_BOM).replace(b"\r\n", b"\n")


def escape(text: str) -> str:
    """Escape `text` as a value. Control characters other than tabs and line breaks are not allowed.

    Leading and trailing spaces are escaped too: GKeyFile strips leading ones, and editors may strip others.
    """
    text = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    body = text.strip(" ")
    start = len(text) - len(text.lstrip(" "))
    return "\\s" * start + body + "\\s" * (len(text) - len(body) - start)


def escape_ssid(ssid: bytes) -> str:
    """Return an SSID as a value: text if it is printable ASCII, else bytes, as NetworkManager writes it."""
    if all(0x20 <= byte < 0x7F and byte not in b";\\" for byte in ssid):
        return escape(ssid.decode("ascii"))
    return "".join(f"{byte};" for byte in ssid)


def render(sections: Sections) -> bytes:
    """Return the keyfile with `sections` in order. Values must be escaped (`escape`, `escape_ssid`)."""
    blocks = []
    for name, keys in sections.items():
        blocks.append("\n".join([f"[{name}]", *(f"{key}={value}" for key, value in keys.items())]))
    return ("\n\n".join(blocks) + "\n").encode()


def _section(name: str, number: int, line: str) -> str:
    section_name, bracket, rest = line[1:].partition("]")
    if not bracket or rest.strip(" \t"):
        _fail(name, number, "a section line must end with a bracket")
    if (
        not section_name
        or "[" in section_name
        or any(character < " " or character == "\x7f" for character in section_name)
    ):
        _fail(name, number, "invalid section name")
    return ALIASES.get(section_name, section_name)


def _entry(name: str, number: int, line: str, section: str | None) -> KeyfileEntry:
    key, equals, value = line.partition("=")
    key = key.rstrip(_BLANK)
    if not equals or not key:
        hint = "Comments begin with #, not ;." if line.startswith(";") else ""
        _fail(name, number, "neither a [section], a key=value nor a comment", hint)
    if section is None:
        _fail(name, number, "key before the first section", "Begin the file with [connection].")
    if "[" in key or "]" in key:
        _fail(name, number, "invalid key")
    if "\0" in line:
        _fail(name, number, "NUL character")
    return KeyfileEntry(section, key, value.lstrip(_BLANK), number)


def _unescape(name: str, entry: KeyfileEntry, semicolon: str = ";") -> str:
    r"""Return the unescaped value; `semicolon` replaces `\;`."""

    def unescape(match: re.Match[str]) -> str:
        if match.group(1) not in _ESCAPES:
            reason = f"{entry.key} has an invalid escape"
            _fail(name, entry.line, reason, "Write a literal backslash as \\\\.")
        return semicolon if match.group(1) == ";" else _ESCAPES[match.group(1)]

    return _ESCAPED.sub(unescape, entry.raw)


def _notices(name: str, data: bytes, entries: list[KeyfileEntry]) -> list[Notice]:
    notices = []
    if data.startswith(_BOM):
        notices.append(Notice("keyfile-bom", f"The byte-order mark of {name} was removed."))
    if b"\r\n" in data:
        notices.append(Notice("keyfile-crlf", f"The Windows line endings of {name} were converted."))
    seen: dict[tuple[str, str], int] = {}
    for entry in entries:
        location = (entry.section, entry.key)
        if location in seen:
            message = (
                f"{name}, line {entry.line}: duplicate {entry.key} in [{entry.section}];"
                f" line {seen[location]} has no effect."
            )
            notices.append(Notice("keyfile-twice", message))
        seen[location] = entry.line
    return notices


def _fail(name: str, line: int, reason: str, hint: str = "") -> NoReturn:
    raise ConfigInvalid(
        f"{name}, line {line}: {reason}.",
        hint=hint or "See `man nm-settings-keyfile`.",
        line=line,
    )
