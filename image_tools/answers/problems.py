"""Errors in an answers file: the line, and the key that was probably intended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from resin_toolkit.errors import BadValue

_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_SECRET_WORDS = ("passw", "passphrase", "psk", "secret", "wifikey")


@dataclass(frozen=True)
class TableLocation:
    """A table of the file, located for error messages. `index` counts tables of the same name, from 0."""

    file: str
    text: str
    folder: Path
    name: str = ""
    index: int = 0

    @property
    def label(self) -> str:
        return self.name and f"[{self.name}] "

    def error(self, key: str, reason: str, hint: str) -> BadValue:
        """Return an error that names file, line and key, but shows no value: it may be secret."""
        line = _line_of(self, key)
        where = f"{self.file}, line {line}" if line else self.file
        facts = {"file": self.file, "line": line, "key": key}
        return BadValue(f"{where}: {self.label}{reason}", hint=hint, **facts)


def unknown_key(table: TableLocation, key: str, known: list[str]) -> BadValue:
    """Return the error for an unknown key; for one that sounds like a secret, suggest a reference."""
    references = [name.removesuffix("-env") for name in known if name.endswith("-env")]
    secret = next((name for name in references if _normalized(name) == _normalized(key)), "")
    is_misspelled = _normalized(key) in map(_normalized, known)
    if not (secret or is_misspelled) and any(word in _normalized(key) for word in _SECRET_WORDS):
        secret = next(iter(references), "")
    if secret:
        return literal_secret(table, key, secret)
    suggestion = _nearest(key, known)
    if suggestion:
        hint = f'Did you mean "{suggestion}"?'
    elif not table.name and _is_config_key(key):
        hint = f"Keys of config.json belong in the [config] table: [config], then {key} = …"
    else:
        hint = f"The keys are {', '.join(known)}."
    shown = key if key.isprintable() and len(key) <= 40 else "this key"
    return table.error(key, f"{shown} is not a known key.", hint)


def literal_secret(table: TableLocation, key: str, name: str) -> BadValue:
    """Return the error for a literal secret; `name` is the key without its -file or -env suffix."""
    hint = f'Use {name}-file = "FILE" or {name}-env = "VARIABLE"; an answers file must not contain secrets.'
    return table.error(key, f"{key} contains a literal secret.", hint)


def _is_config_key(key: str) -> bool:
    from image_tools.config.keys import BY_NAME, GROUPS

    return key in BY_NAME or key in GROUPS


def _nearest(key: str, known: list[str]) -> str:
    import difflib

    normalized = {_normalized(name): name for name in known}
    close = difflib.get_close_matches(_normalized(key), normalized, n=1, cutoff=0.75)
    return normalized[close[0]] if close else ""


def _normalized(key: str) -> str:
    return key.replace("-", "").replace("_", "").casefold()


def _line_of(table: TableLocation, key: str) -> int | None:
    """Return the line of a key, found without parsing, else the line of its table's header."""
    name, seen, header = "", {"": 0}, None
    pattern = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""")
    for number, line in enumerate(table.text.splitlines(), 1):
        match = _HEADER.fullmatch(line)
        if match:
            name = match[1].replace('"', "")
            seen[name] = seen.get(name, -1) + 1
        if (name, seen[name]) != (table.name, table.index):
            continue
        header = header or (number if match else None)
        if key and not match and pattern.match(line):
            return number
    return header
