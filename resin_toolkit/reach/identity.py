"""Identifying devices by their engine ID and SSH host key, whatever their names and addresses are."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.cache import CachedDevice
from resin_toolkit.device.record import Device
from resin_toolkit.errors import ResinError

_TIMEOUT = 1.5
"""Seconds for each connection."""


@dataclass(frozen=True)
class Identity:
    """The engine ID and host key of a device; empty if it did not respond."""

    engine_id: str = ""
    host_key: str = ""

    def matches(self, known: CachedDevice) -> bool:
        """Whether it is the cached device."""
        return bool(self._values & {known.engine_id, known.host_key})

    def is_same_as(self, other: Identity) -> bool:
        """Whether both are of one device."""
        return bool(self._values & other._values)

    @property
    def _values(self) -> set[str]:
        return {self.engine_id, self.host_key} - {""}


def read_identity(device: Device, *, until: CachedDevice | None = None) -> Identity:
    """Read the identity of the device at the addresses of `device`, without logging in or pinning a key.

    SSH is not queried if the engine ID already matches `until`.
    """
    found = Identity(engine_id=_engine_id(device))
    if until is not None and found.matches(until):
        return found
    return replace(found, host_key=_host_key(device))


class IdentityCheck:
    """Checks, in a daemon thread, whether a cached device is still at its cached addresses.

    It is if the engine there has the cached ID, or the SSH server the cached host key.
    """

    def __init__(self, known: CachedDevice, device: Device) -> None:
        """`device` gives the ports to try; its addresses are ignored."""
        self.known = known
        self.succeeded = False
        self._device = replace(device, host=known.host, addresses=known.addresses)
        threading.Thread(target=self._check, name=f"identify {known.host}", daemon=True).start()

    def _check(self) -> None:
        self.succeeded = read_identity(self._device, until=self.known).matches(self.known)


def distinct_devices(candidates: Sequence[Device]) -> list[tuple[Device, Identity]]:
    """Merge the candidates for one name that have the same identity, with all their addresses.

    If none has an identity, all are merged into one. If some have, the others are left out: they are
    announcements of devices that have left.
    """
    identified = _identities(candidates)
    groups: list[tuple[Device, Identity]] = []
    for device, identity in identified:
        if identity == Identity():
            continue
        same = next((n for n, (_, other) in enumerate(groups) if identity.is_same_as(other)), None)
        if same is None:
            groups.append((device, identity))
        else:
            groups[same] = (_merge([groups[same][0], device]), groups[same][1])
    return groups or [(_merge(candidates), Identity())]


def _merge(devices: Sequence[Device]) -> Device:
    from resin_toolkit.device.ip_addresses import sort_addresses

    return replace(devices[0], addresses=sort_addresses(a for device in devices for a in device.addresses))


def with_distinct_names(devices: Sequence[Device]) -> list[Device]:
    """Merge duplicates, and use the address as the `host` of devices whose name is not unique."""
    by_host: dict[str, list[Device]] = {}
    for device in devices:
        by_host.setdefault(device.host, []).append(device)
    named: list[Device] = []
    for same in by_host.values():
        distinct = [device for device, _ in distinct_devices(same)] if len(same) > 1 else same
        named += [replace(d, host=d.addresses[0]) for d in distinct] if len(distinct) > 1 else distinct
    return named


def _identities(candidates: Sequence[Device]) -> list[tuple[Device, Identity]]:
    found: dict[int, Identity] = {}

    def read(number: int, device: Device) -> None:
        found[number] = read_identity(device)

    threads = [
        threading.Thread(target=read, args=each, name=f"identify {each[1].host}", daemon=True)
        for each in enumerate(candidates)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [(device, found[number]) for number, device in enumerate(candidates)]


def _engine_id(device: Device) -> str:
    from resin_toolkit.engine import connect

    try:
        with connect(replace(device, access_method=AccessMethod.TCP), within=_TIMEOUT) as engine:
            return engine.facts.id
    except ResinError:
        # No engine, or none that listens on TCP.
        return ""


def _host_key(device: Device) -> str:
    from resin_toolkit.ssh import fetch_host_key

    try:
        return fetch_host_key(device, within=_TIMEOUT).fingerprint
    except ResinError:
        return ""
