"""Knowing a device again, and telling apart those of one name: by the ID of the engine and the host key."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.cache import CachedDevice
from resin_toolkit.device.record import Device
from resin_toolkit.errors import ResinError

_WITHIN = 1.5


@dataclass(frozen=True)
class Identity:
    """What a device has shown of itself; nothing where it did not answer."""

    engine_id: str = ""
    host_key: str = ""

    def matches(self, known: CachedDevice) -> bool:
        """Whether it is the remembered device."""
        return bool(self._proofs & {known.engine_id, known.host_key})

    def is_same_as(self, other: Identity) -> bool:
        return bool(self._proofs & other._proofs)

    @property
    def _proofs(self) -> set[str]:
        return {self.engine_id, self.host_key} - {""}


def read_identity(device: Device, *, until: CachedDevice | None = None) -> Identity:
    """What is at the addresses of `device`. Nobody logs in there, and no key is pinned.

    SSH is not asked where the engine has already shown that it is `until`.
    """
    found = Identity(engine_id=_engine_id(device))
    if until is not None and found.matches(until):
        return found
    return replace(found, host_key=_host_key(device))


class IdentityCheck:
    """A look, in a thread that nobody waits for, at whether the device is where it was.

    It is, only where the engine there has the ID that is remembered, or the SSH server the host key.
    """

    def __init__(self, known: CachedDevice, device: Device) -> None:
        """`device` says which ports to try; its addresses do not count."""
        self.known = known
        self.succeeded = False
        self._device = replace(device, host=known.host, addresses=known.addresses)
        threading.Thread(target=self._look, name=f"recognize {known.host}", daemon=True).start()

    def _look(self) -> None:
        self.succeeded = read_identity(self._device, until=self.known).matches(self.known)


def distinct_devices(candidates: Sequence[Device]) -> list[tuple[Device, Identity]]:
    """The candidates for one name: what shows itself to be one device is one, with all its addresses.

    Where nobody shows anything, nothing is told apart: there is one then. Where some do, the others are left
    out, as an announcement of somebody who has gone.
    """
    shown = _identities(candidates)
    groups: list[tuple[Device, Identity]] = []
    for device, identity in shown:
        if identity == Identity():
            continue
        same = next((n for n, (_, other) in enumerate(groups) if identity.is_same_as(other)), None)
        if same is None:
            groups.append((device, identity))
        else:
            groups[same] = (_together([groups[same][0], device]), groups[same][1])
    return groups or [(_together(candidates), Identity())]


def _together(devices: Sequence[Device]) -> Device:
    from resin_toolkit.discovery.addresses import sort_addresses

    return replace(devices[0], addresses=sort_addresses(a for device in devices for a in device.addresses))


def with_distinct_names(devices: Sequence[Device]) -> list[Device]:
    """Merge duplicates, and give each device a `host` of its own: those that share one get their address."""
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

    def look(number: int, device: Device) -> None:
        found[number] = read_identity(device)

    threads = [
        threading.Thread(target=look, args=each, name=f"tell {each[1].host} apart", daemon=True)
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
        with connect(replace(device, access_method=AccessMethod.TCP), within=_WITHIN) as engine:
            return engine.facts.id
    except ResinError:
        # No engine there, or none that is open: that is all that is asked.
        return ""


def _host_key(device: Device) -> str:
    from resin_toolkit.ssh import fetch_host_key

    try:
        return fetch_host_key(device, within=_WITHIN).fingerprint
    except ResinError:
        return ""
