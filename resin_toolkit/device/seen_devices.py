"""The devices that announced themselves during a scan: for completion and "did you mean", and nothing else.

Anybody on a network can announce any name and address, so nothing here identifies a device, and no command
connects to these addresses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from resin_toolkit.device.cache import not_remembered
from resin_toolkit.device.record import Device
from resin_toolkit.errors import Notice
from resin_toolkit.state import add_entry, entry_time, read_state, update_state

FILE = "seen-devices.json"
_MAX_DEVICES = 200


def seen_hosts() -> list[str]:
    """The full names of the devices, the most recently seen first."""
    state = read_state(FILE)
    return sorted(state, key=lambda host: entry_time(state[host]), reverse=True)


def remember_seen(devices: Iterable[Device]) -> list[Notice]:
    """Remember names and addresses; a folder that cannot be written is a notice."""
    found: dict[str, dict[str, Any]] = {
        device.host: {"addresses": list(device.addresses[:1])} for device in devices
    }
    if not found:
        return []
    try:
        with update_state(FILE) as state:
            for host, entry in found.items():
                add_entry(state, host, entry, limit=_MAX_DEVICES)
    except OSError as error:
        return [not_remembered(error)]
    return []
