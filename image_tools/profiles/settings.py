"""The sections and keys of NetworkManager keyfiles, with the type of each value.

They are listed in `networkmanager-settings.txt`, which names its sources. The file is read, and its sections
are parsed, on first use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

VERSION = "1.42.4"
"""The release of NetworkManager that was listed; keys of older and newer ones were added."""

_FILE = "networkmanager-settings.txt"
_PEER = "wireguard-peer."
_NUMBER = r"(?a)(?<=[a-z.])\d+(?=$|_)"


def section_names() -> list[str]:
    """Return the names of all sections; that of WireGuard peers (`wireguard-peer.KEY`) without the key."""
    return [line[1:-1] for line in _text().splitlines() if line.startswith("[")]


@cache
def keys_of(section: str) -> Mapping[str, str] | None:
    """Return the value types of a section by key, or None for an unknown section.

    `#` in a key stands for a number, `*` at its end for any text; see `value_type_of`.
    """
    name = _PEER[:-1] if section.startswith(_PEER) else section
    _, header, rest = _text().partition(f"\n[{name}]\n")
    if not header or "\n" in name:
        return None
    body = rest.partition("\n[")[0].replace("\n  ", " ")
    keys = {}
    for line in body.splitlines():
        value_type, _, names = line.partition(" = ")
        keys.update(dict.fromkeys(names.split(), value_type))
    return keys


def value_type_of(section: str, key: str) -> str | None:
    """Return the value type of `key`, as defined in `values`, or None for an unknown key."""
    keys = keys_of(section)
    if keys is None:
        return None
    value_type = keys.get(key) or keys.get(re.sub(_NUMBER, "#", key, count=1))
    if value_type is not None:
        return value_type
    return next(
        (value_type for name, value_type in keys.items() if name[-1] == "*" and key.startswith(name[:-1])),
        None,
    )


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the one of `words` that is most similar to `word`, to suggest it."""
    import difflib

    matches = difflib.get_close_matches(word.lower(), list(words), n=1, cutoff=0.7)
    return matches[0] if matches else None


@cache
def _text() -> str:
    from pathlib import Path

    return Path(__file__).with_name(_FILE).read_text(encoding="ascii")
