"""The sections and keys of NetworkManager's settings, and the kind of value of each.

The facts are in `networkmanager-settings.txt`, which says where they come from. It is read when the first
question is asked, and only the sections that are asked for are taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

VERSION = "1.42.4"
"""The release of NetworkManager whose settings these are; keys of older and newer ones were added."""

_FILE = "networkmanager-settings.txt"
_PEER = "wireguard-peer."
_NUMBER = r"(?a)(?<=[a-z.])\d+(?=$|_)"


def section_names() -> list[str]:
    """The names of all sections; a WireGuard peer's (`wireguard-peer.KEY`) without its key."""
    return [line[1:-1] for line in _text().splitlines() if line.startswith("[")]


@cache
def keys_of(section: str) -> Mapping[str, str] | None:
    """The keys of a section and their kinds, or None where NetworkManager has no such section.

    `#` in a key stands for a number, `*` at its end for anything; see `kind_of`.
    """
    name = _PEER[:-1] if section.startswith(_PEER) else section
    _, found, rest = _text().partition(f"\n[{name}]\n")
    if not found or "\n" in name:
        return None
    body = rest.partition("\n[")[0].replace("\n  ", " ")
    keys = {}
    for line in body.splitlines():
        kind, _, names = line.partition(" = ")
        keys.update(dict.fromkeys(names.split(), kind))
    return keys


def kind_of(section: str, key: str) -> str | None:
    """The kind of value that `key` has, as `values` explains it; None where there is no such key."""
    keys = keys_of(section)
    if keys is None:
        return None
    kind = keys.get(key) or keys.get(re.sub(_NUMBER, "#", key, count=1))
    if kind is not None:
        return kind
    return next((kind for name, kind in keys.items() if name[-1] == "*" and key.startswith(name[:-1])), None)


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The one of `words` that was probably meant."""
    import difflib

    found = difflib.get_close_matches(word.lower(), list(words), n=1, cutoff=0.7)
    return found[0] if found else None


@cache
def _text() -> str:
    from pathlib import Path

    return Path(__file__).with_name(_FILE).read_text(encoding="ascii")
