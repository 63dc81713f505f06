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
    """A table of the file, with what is needed to tell where it is. `index` counts those of one name."""

    file: str
    text: str
    folder: Path
    name: str = ""
    index: int = 0

    @property
    def label(self) -> str:
        return self.name and f"[{self.name}] "

    def error(self, key: str, reason: str, hint: str) -> BadValue:
        """A failure that names file, line and key, and shows no value."""
        line = _line_of(self, key)
        where = f"{self.file}, line {line}" if line else self.file
        facts = {"file": self.file, "line": line, "key": key}
        return BadValue(f"{where}: {self.label}{reason}", hint=hint, **facts)


def unknown_key(table: TableLocation, key: str, known: list[str]) -> BadValue:
    """For a key that the table does not have; one that sounds like a secret is told to be a reference."""
    references = [name.removesuffix("-env") for name in known if name.endswith("-env")]
    secret = next((name for name in references if _squashed(name) == _squashed(key)), "")
    is_misspelt = _squashed(key) in map(_squashed, known)
    if not (secret or is_misspelt) and any(word in _squashed(key) for word in _SECRET_WORDS):
        secret = next(iter(references), "")
    if secret:
        return literal_secret(table, key, secret)
    meant = _nearest(key, known)
    if meant:
        hint = f'Did you mean "{meant}"?'
    elif not table.name and _is_config_key(key):
        hint = f"Keys of config.json go into a table of their own: [config], then {key} = …"
    else:
        hint = f"The keys are {', '.join(known)}."
    shown = key if key.isprintable() and len(key) <= 40 else "this"
    return table.error(key, f"{shown} is not a known key.", hint)


def literal_secret(table: TableLocation, key: str, name: str) -> BadValue:
    """For a key that holds a secret itself; `name` is what its references begin with."""
    hint = f'Use {name}-file = "FILE" or {name}-env = "VARIABLE"; an answers file holds no secrets.'
    return table.error(key, f"{key} holds the secret itself.", hint)


def _is_config_key(key: str) -> bool:
    from image_tools.config.keys import BY_NAME, GROUPS

    return key in BY_NAME or key in GROUPS


def _nearest(key: str, known: list[str]) -> str:
    import difflib

    squashed = {_squashed(name): name for name in known}
    close = difflib.get_close_matches(_squashed(key), squashed, n=1, cutoff=0.75)
    return squashed[close[0]] if close else ""


def _squashed(key: str) -> str:
    return key.replace("-", "").replace("_", "").casefold()


def _line_of(table: TableLocation, key: str) -> int | None:
    """The line where a key of the table stands, as well as can be told without parsing; or its header's."""
    name, seen, header = "", {"": 0}, None
    wanted = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""")
    for number, line in enumerate(table.text.splitlines(), 1):
        match = _HEADER.fullmatch(line)
        if match:
            name = match[1].replace('"', "")
            seen[name] = seen.get(name, -1) + 1
        if (name, seen[name]) != (table.name, table.index):
            continue
        header = header or (number if match else None)
        if key and not match and wanted.match(line):
            return number
    return header
