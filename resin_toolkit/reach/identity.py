"""Telling devices apart by the SSH host keys that they prove, whatever their names and addresses are.

An engine ID proves nothing: anybody can copy it. It only tells devices apart that prove no key.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.cache import CachedDevice
from resin_toolkit.device.record import Device
from resin_toolkit.errors import HostKeyChanged, ResinError
from resin_toolkit.ssh.host_keys import expected_fingerprint

_END_TIMEOUT = 2.0
"""Seconds to wait for key exchanges whose results are not needed."""
_TIMEOUT = 1.5
"""Seconds for each connection."""


@dataclass(frozen=True)
class Identity:
    """The engine ID of a device, and the host key that it proved; empty if it did not respond."""

    engine_id: str = ""
    host_key: str = ""

    def matches(self, device: Device, known: CachedDevice | None) -> bool:
        """Whether it is `device`: by the expected host key, or by the engine ID if no key is expected."""
        expected = expected_fingerprint(device)
        if expected:
            return self.host_key == expected
        return bool(known and known.engine_id and self.engine_id == known.engine_id)


def read_identity(device: Device) -> Identity:
    """Read the identity of the device at the addresses of `device`, without logging in or pinning a key."""
    return Identity(_engine_id(device), _host_key(device))


class AddressCheck:
    """Checks, in a daemon thread, whether a device whose host key is not known is at its last addresses."""

    def __init__(self, device: Device, known: CachedDevice) -> None:
        self.succeeded = False
        self._device = replace(device, addresses=known.addresses)
        self._engine_id = known.engine_id
        threading.Thread(target=self._check, name=f"identify {known.host}", daemon=True).start()

    def _check(self) -> None:
        self.succeeded = bool(self._engine_id) and _engine_id(self._device) == self._engine_id


def distinct_devices(candidates: Sequence[Device]) -> list[tuple[Device, Identity]]:
    """Merge the candidates for one name that prove the same host key, with all their addresses.

    If none has an identity, all are merged into one. If some have, the others are left out: they are
    announcements of devices that have left.
    """
    groups: list[tuple[Device, Identity]] = []
    for device, identity in _identities(candidates):
        if identity == Identity():
            continue
        key = identity.host_key
        same = next((n for n, (_, other) in enumerate(groups) if key and key == other.host_key), None)
        if same is None:
            groups.append((device, identity))
        else:
            groups[same] = (_merge([groups[same][0], device]), groups[same][1])
    return groups or [(_merge(candidates), Identity())]


def _merge(devices: Sequence[Device]) -> Device:
    from resin_toolkit.device.ip_addresses import sort_addresses

    return replace(devices[0], addresses=sort_addresses(a for device in devices for a in device.addresses))


def with_distinct_names(devices: Sequence[Device]) -> list[Device]:
    """Merge duplicates, and use the address as the `host` of devices whose name is not unique.

    The one that proves the host key expected of that name keeps it.
    """
    by_host: dict[str, list[Device]] = {}
    for device in devices:
        by_host.setdefault(device.host, []).append(device)
    named: list[Device] = []
    for same in by_host.values():
        if len(same) == 1:
            named += same
            continue
        distinct = distinct_devices(same)
        named += [
            device
            if len(distinct) == 1 or identity.host_key == (expected_fingerprint(device) or None)
            else replace(device, host=device.addresses[0])
            for device, identity in distinct
        ]
    return named


def verify_device(device: Device, *, within: float) -> Device:
    """`device` with only the addresses that prove the expected host key; unchanged if none is expected.

    Raises HostKeyChanged, and HostKeyUnverified if SSH does not respond within `within` seconds and the user
    has not agreed to do without.
    """
    from resin_toolkit.engine.tcp_permission import is_agreed, unverified

    if not device.addresses or not expected_fingerprint(device):
        return device
    with closing(KeySearch(device)) as search:
        search.add(device.addresses)
        search.wait(within)
    if search.proven:
        return replace(device, addresses=tuple(search.proven))
    if search.conflict:
        raise search.conflict
    agreed = tuple(address for address in device.addresses if is_agreed(device, address))
    if not agreed:
        raise unverified(device, device.addresses[0])
    return replace(device, addresses=agreed)


def proving_devices(devices: Sequence[Device], *, within: float) -> list[Device]:
    """Those of the devices that prove the host key that is expected of them, within `within` seconds."""
    searches = [(device, KeySearch(device)) for device in devices]
    for device, search in searches:
        search.add(device.addresses)
    deadline = time.monotonic() + within
    for _, search in searches:
        search.wait(deadline - time.monotonic())
        search.close()
    return [replace(device, addresses=tuple(search.proven)) for device, search in searches if search.proven]


class KeySearch:
    """Has addresses prove the expected host key of a device, each in a daemon thread."""

    MOST = 32
    """Addresses at most: anybody may announce any number."""

    def __init__(self, device: Device) -> None:
        self.proven: list[str] = []
        """The addresses that proved it."""
        self.conflict: HostKeyChanged | None = None
        """What the first address that proved another one presented."""
        self._device = device
        self._threads: dict[str, threading.Thread] = {}

    def add(self, addresses: Sequence[str]) -> None:
        """Try these addresses, once each."""
        for address in addresses:
            if address in self._threads or len(self._threads) >= self.MOST:
                continue
            thread = threading.Thread(
                target=self._try, args=(address,), name=f"verify {address}", daemon=True
            )
            self._threads[address] = thread
            thread.start()

    def wait(self, seconds: float) -> None:
        """Wait until an address has proven the key, or none is being tried, for `seconds` at most."""
        deadline = time.monotonic() + seconds
        while not self.proven and self.is_running and time.monotonic() < deadline:
            time.sleep(0.02)

    def close(self) -> None:
        """Wait for the key exchanges that are running, but for servers that hang.

        The process must not end while a thread is inside the cryptography library, which would abort it.
        """
        deadline = time.monotonic() + _END_TIMEOUT
        for thread in self._threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def is_running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads.values())

    def _try(self, address: str) -> None:
        from resin_toolkit.ssh import prove_host_key

        try:
            prove_host_key(replace(self._device, addresses=(address,)), within=_TIMEOUT)
        except HostKeyChanged as error:
            self.conflict = self.conflict or error
        except ResinError:
            # No SSH server, or a broken one: the connection that follows says so.
            return
        else:
            self.proven.append(address)


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
    from resin_toolkit.engine import connect_unverified

    try:
        with connect_unverified(replace(device, access_method=AccessMethod.TCP), within=_TIMEOUT) as engine:
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
