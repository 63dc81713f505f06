"""Where devices were last, and by what they are known again: the next call need not search for them.

The state file holds for each host its addresses, the ID of its engine, the fingerprint of its SSH host key
and when it was seen. What is remembered is a guess, never an answer: `resolving` takes an address of it only
where the device there proves that it is the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from resin_toolkit.device.address import is_ip
from resin_toolkit.errors import Notice
from resin_toolkit.state import read_state, state_folder, update_state

_FILE = "devices.json"
_MOST = 200


@dataclass(frozen=True)
class CachedDevice:
    """A device as it was when it last answered; `at` is RFC 3339, in UTC."""

    host: str
    addresses: tuple[str, ...]
    engine_id: str | None
    host_key: str | None
    """The fingerprint of its SSH host key: `SHA256:…`."""
    at: str

    @property
    def is_recognizable(self) -> bool:
        """Whether there is something by which it can be known again."""
        return bool(self.addresses) and bool(self.engine_id or self.host_key)


def cached_device(host: str) -> CachedDevice | None:
    """What is remembered of `host`, the full name as in `Device.host`."""
    return _read(host, read_state(_FILE).get(host))


def cached_hosts() -> list[str]:
    """The full names of all that are remembered, the one seen last in front."""
    known = [found for host, entry in read_state(_FILE).items() if (found := _read(host, entry))]
    return [found.host for found in sorted(known, key=lambda found: found.at, reverse=True)]


def cache_device(
    host: str, addresses: Sequence[str], *, engine_id: str | None = None, host_key: str | None = None
) -> list[Notice]:
    """Remember where `host` has just answered, and what it showed; what it did not show this time stays.

    A folder that cannot be written is no failure: it comes back as a notice.
    """
    before = cached_device(host)
    if before and before.addresses and engine_id and before.engine_id not in (None, engine_id):
        # Another device, or another system on it: its old key says nothing of it.
        before = None
    entry = {
        "addresses": list(addresses),
        "engine_id": engine_id or (before.engine_id if before else None),
        "host_key": host_key or (before.host_key if before else None),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        with update_state(_FILE) as state:
            state[host] = entry
            for old in sorted(state, key=lambda known: _when(state[known]))[:-_MOST]:
                del state[old]
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return [Notice("not-remembered", f"Devices are not remembered: {state_folder()}: {reason}.")]
    return []


def _read(host: str, entry: Any) -> CachedDevice | None:
    """An entry of the file, which anybody may have edited; addresses that are none are left out."""
    if not isinstance(entry, dict):
        return None
    addresses = entry.get("addresses")
    return CachedDevice(
        host,
        tuple(a for a in addresses if isinstance(a, str) and is_ip(a)) if isinstance(addresses, list) else (),
        _text(entry.get("engine_id")),
        _text(entry.get("host_key")),
        _when(entry),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _when(entry: Any) -> str:
    return (_text(entry.get("at")) or "") if isinstance(entry, dict) else ""
