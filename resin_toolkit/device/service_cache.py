"""The services last seen on each device, for shell completion, which does not use the network."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from resin_toolkit.state import add_entry, entry_time, read_state, update_state

_FILE = "services.json"
_MAX_DEVICES = 200
_MAX_SERVICES = 100
"""Of one device."""


def cache_services(host: str, names: Iterable[str], *, all_of_them: bool = False) -> None:
    """Cache the names of services that `host` has; with `all_of_them`, forget its other services.

    A folder that cannot be written is ignored: completion then offers less.
    """
    seen = sorted(set(filter(None, names)))
    with suppress(OSError), update_state(_FILE) as state:
        before = [] if all_of_them else _names(state.get(host))
        kept = list(dict.fromkeys([*seen, *before]))[:_MAX_SERVICES]
        add_entry(state, host, {"services": kept}, limit=_MAX_DEVICES)


def cached_services(device: str = "") -> list[str]:
    """The cached services of a DEVICE argument, or of the most recently seen device."""
    state = read_state(_FILE)
    if device:
        host = _host(device)
        return _names(state.get(host) or state.get(f"{host}.local"))
    return _names(state[max(state, key=lambda host: entry_time(state[host]))]) if state else []


def _host(device: str) -> str:
    from resin_toolkit.device.address import parse_address
    from resin_toolkit.errors import BadValue

    try:
        return parse_address(device).host
    except BadValue:
        return device


def _names(entry: Any) -> list[str]:
    """The names in an entry of the file, which anybody may have edited."""
    names = entry.get("services") if isinstance(entry, dict) else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
