"""The services that were last seen on each device, for TAB, which asks no network."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from resin_toolkit.state import read_state, update_state

_FILE = "services.json"
_MOST = 200
_EACH = 100


def cache_services(host: str, names: Iterable[str], *, all_of_them: bool = False) -> None:
    """Keep the names of services that `host` has; `all_of_them` forgets those that are not among them.

    A folder that cannot be written is no failure, and not worth a word: TAB then knows less.
    """
    seen = sorted(set(filter(None, names)))
    with suppress(OSError), update_state(_FILE) as state:
        before = [] if all_of_them else _names(state.get(host))
        kept = list(dict.fromkeys([*seen, *before]))[:_EACH]
        state[host] = {"services": kept, "at": datetime.now(UTC).isoformat(timespec="seconds")}
        for old in sorted(state, key=lambda known: _when(state[known]))[:-_MOST]:
            del state[old]


def cached_services(word: str = "") -> list[str]:
    """The services of the device that a DEVICE word means, else of the one that was looked at last."""
    state = read_state(_FILE)
    if word:
        host = _host(word)
        return _names(state.get(host) or state.get(f"{host}.local"))
    return _names(state[max(state, key=lambda host: _when(state[host]))]) if state else []


def _host(word: str) -> str:
    from resin_toolkit.device.address import parse_address
    from resin_toolkit.errors import BadValue

    try:
        return parse_address(word).host
    except BadValue:
        return word


def _names(entry: Any) -> list[str]:
    """What an entry of the file holds, which anybody may have edited."""
    names = entry.get("services") if isinstance(entry, dict) else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _when(entry: Any) -> str:
    at = entry.get("at") if isinstance(entry, dict) else None
    return at if isinstance(at, str) else ""
