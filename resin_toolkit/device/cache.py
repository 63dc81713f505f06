"""The last known addresses and identities of devices, so that the next command need not search for them.

The state file holds, for each host, its addresses, its engine ID, the fingerprint of its SSH host key and
when it was last seen. The resolver uses a cached address only if the device there proves to be the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resin_toolkit.device.facts import DeviceFacts
from resin_toolkit.device.ip_addresses import is_ip
from resin_toolkit.device.record import Device
from resin_toolkit.errors import Notice
from resin_toolkit.state import add_entry, entry_time, read_state, state_folder, update_state

_FILE = "devices.json"
_MAX_DEVICES = 200


@dataclass(frozen=True)
class CachedDevice:
    """A device as it was when it last responded."""

    host: str
    addresses: tuple[str, ...]
    engine_id: str | None
    host_key: str | None
    """The fingerprint of its SSH host key: `SHA256:…`."""
    at: str
    """When it last responded, RFC 3339 in UTC."""

    @property
    def is_recognizable(self) -> bool:
        """Whether its addresses and something to identify it by are known."""
        return bool(self.addresses) and bool(self.engine_id or self.host_key)


def cached_device(host: str) -> CachedDevice | None:
    """The cached entry of `host`, a full name as in `Device.host`."""
    return _read(host, read_state(_FILE).get(host))


def cached_hosts() -> list[str]:
    """The full names of all cached devices, the most recently seen first."""
    known = [found for host, entry in read_state(_FILE).items() if (found := _read(host, entry))]
    return [found.host for found in sorted(known, key=lambda found: found.at, reverse=True)]


def cache_facts(device: Device, facts: DeviceFacts) -> list[Notice]:
    """Cache a device that has just identified itself; one without an identity is not cached."""
    if not facts.identity:
        return []
    return cache_device(
        device.host, device.addresses, engine_id=facts.engine_id or None, host_key=facts.host_key
    )


def cache_device(
    host: str, addresses: Sequence[str], *, engine_id: str | None = None, host_key: str | None = None
) -> list[Notice]:
    """Cache where `host` has just responded. An identity that is None keeps its cached value.

    A folder that cannot be written is not an error: a notice is returned.
    """
    before = cached_device(host)
    if before and before.addresses and engine_id and before.engine_id not in (None, engine_id):
        # Another device, or another system on it: the old host key does not belong to it.
        before = None
    entry = {
        "addresses": list(addresses),
        "engine_id": engine_id or (before.engine_id if before else None),
        "host_key": host_key or (before.host_key if before else None),
    }
    try:
        with update_state(_FILE) as state:
            add_entry(state, host, entry, limit=_MAX_DEVICES)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return [Notice("not-remembered", f"Devices are not remembered: {state_folder()}: {reason}.")]
    return []


def _read(host: str, entry: Any) -> CachedDevice | None:
    """An entry of the file, which anybody may have edited; invalid addresses are left out."""
    if not isinstance(entry, dict):
        return None
    addresses = entry.get("addresses")
    return CachedDevice(
        host,
        tuple(a for a in addresses if isinstance(a, str) and is_ip(a)) if isinstance(addresses, list) else (),
        _text(entry.get("engine_id")),
        _text(entry.get("host_key")),
        entry_time(entry),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
