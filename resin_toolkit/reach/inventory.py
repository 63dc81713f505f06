"""The devices on the network: keeping track of them during a search, and what to warn about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum

from resin_toolkit.device.cache import cached_device
from resin_toolkit.device.facts import DeviceFacts, problem_notices
from resin_toolkit.device.record import Device
from resin_toolkit.discovery.discovered_device import DeviceChange, DiscoveredDevice, DiscoveryEvent
from resin_toolkit.errors import Notice, StateDamaged
from resin_toolkit.ssh.host_keys import expected_fingerprint, forget_command, pinned_ports


class Inventory:
    """The devices on the network, kept up to date by the events of a search."""

    def __init__(self) -> None:
        self._devices: dict[int, DiscoveredDevice] = {}
        self._complete: set[int] = set()

    def update(self, event: DiscoveryEvent) -> None:
        """Apply an event."""
        number = event.found.number
        if event.change is DeviceChange.GONE:
            self._devices.pop(number, None)
            return
        self._devices[number] = event.found
        if event.change is DeviceChange.COMPLETED:
            self._complete.add(number)

    @property
    def devices(self) -> tuple[DiscoveredDevice, ...]:
        """The devices in the order in which they were found."""
        return tuple(self._devices.values())

    @property
    def incomplete(self) -> tuple[DiscoveredDevice, ...]:
        """The devices that have not answered all queries."""
        return tuple(found for number, found in self._devices.items() if number not in self._complete)

    def is_complete(self, found: DiscoveredDevice) -> bool:
        """Whether all facts that the device reports are known."""
        return found.number in self._complete


def discover_devices(*, ssh_port: int | None = None) -> list[Device]:
    """Search the network once; devices that share a name have their address as `host`.

    Raises DeviceNotFound if there are none.
    """
    from resin_toolkit.discovery.no_device import no_device_found
    from resin_toolkit.discovery.search import WITHIN, Search
    from resin_toolkit.reach.identity import with_distinct_names

    inventory = Inventory()
    with Search(ssh_port=ssh_port) as search:
        for event in search.events():
            inventory.update(event)
        if not inventory.devices:
            raise no_device_found(search, WITHIN)
    return with_distinct_names([with_known_port(found.device) for found in inventory.devices])


def used_before(device: Device) -> Device | None:
    """`device`, which announces itself, by the name or address that a command used it by; None if none did.

    Raises StateDamaged.
    """
    names = [device, *(replace(device, host=each, addresses=(each,)) for each in device.addresses)]
    return next((named for named in names if _was_used(named)), None)


def _was_used(device: Device) -> bool:
    """Whether a command was directed at a device by this name.

    A device whose host key is known is verified when it is connected to. Of others only the engine ID is
    known, which anybody can copy; so it has to be where it was, too.
    """
    from resin_toolkit.reach.identity import read_identity

    if expected_fingerprint(device):
        return True
    known = cached_device(device.host)
    if known is None or not known.engine_id or not set(known.addresses) & set(device.addresses):
        return False
    return read_identity(replace(device, addresses=known.addresses)).engine_id == known.engine_id


class Recognition(Enum):
    """How a device that announces itself compares with what is remembered by its name."""

    NEW = "new"
    """Nothing is remembered."""
    VERIFIED = "verified"
    """It proved the stored host key."""
    UNVERIFIED = "unverified"
    """A host key is stored, but SSH did not respond; or only an engine ID, which proves nothing."""
    CHANGED = "changed"
    """It presents another host key than the stored one; or another engine ID, if no host key is stored."""


def recognize(device: Device, facts: DeviceFacts) -> Recognition:
    """Compare what a device shows with what is remembered. Raises StateDamaged."""
    expected = expected_fingerprint(with_known_port(device))
    if expected:
        if not facts.host_key:
            return Recognition.UNVERIFIED
        return Recognition.VERIFIED if facts.host_key == expected else Recognition.CHANGED
    known = cached_device(device.host)
    if known is None or not known.engine_id:
        return Recognition.NEW
    differs = facts.engine_id and facts.engine_id != known.engine_id
    return Recognition.CHANGED if differs else Recognition.UNVERIFIED


def with_known_port(device: Device) -> Device:
    """`device` with the SSH port that its host key is stored for, whatever port is announced.

    Otherwise an announcement with another port would make a known device a new one. Raises StateDamaged.
    """
    ports = pinned_ports(device.host)
    return device if not ports or device.ssh_port in ports else replace(device, ssh_port=ports[0])


def probe_found(device: Device, on_facts: Callable[[DeviceFacts], None]) -> DeviceFacts:
    """Read the facts of a device that was found by a search. Raises nothing: failures are in the facts."""
    from resin_toolkit.reach.device_info import probe

    try:
        known = with_known_port(device)
    except StateDamaged as error:
        return DeviceFacts(problems=(error.message,))
    return probe(known, on_facts)


def scan_notices(inventory: Inventory, seconds: float) -> list[Notice]:
    """What to warn about after a scan of `seconds`: shared names, changed and slow devices, unknown facts.

    Raises StateDamaged.
    """
    return [
        *_same_name_notices(inventory.devices),
        *_changed_notices(inventory.devices),
        *_incomplete_notices(inventory.incomplete, seconds),
        *(notice for found in inventory.devices for notice in problem_notices(found.facts)),
    ]


def _same_name_notices(devices: Sequence[DiscoveredDevice]) -> list[Notice]:
    return [
        Notice(
            "same-name",
            f"{len(same)} devices are named {host.removesuffix('.local')}. Use their addresses: "
            + " or ".join(f"{next(iter(each.device.addresses), '')} ({each.interfaces[0]})" for each in same)
            + ".",
        )
        for host, same in _by_host(devices).items()
        if len(same) > 1
    ]


def _changed_notices(devices: Sequence[DiscoveredDevice]) -> list[Notice]:
    """A notice for each name that is remembered of another device than those which announce it."""
    notices = []
    for host, same in _by_host(devices).items():
        recognized = [recognize(found.device, found.facts) for found in same]
        if Recognition.VERIFIED in recognized:
            continue
        known = cached_device(host)
        last = f", last seen at {known.addresses[0]}" if known and known.addresses else ""
        for found, recognition in zip(same, recognized, strict=True):
            device, at = with_known_port(found.device), next(iter(found.device.addresses), "")
            expected = expected_fingerprint(device)
            if recognition is Recognition.CHANGED and expected:
                notices.append(
                    Notice(
                        "host-key-changed",
                        f"The host key of {host} has changed: {at} presents {found.facts.host_key}, but "
                        f"{expected} is stored{last}. If it was flashed or reset, run "
                        f"{forget_command(device)}. If not, another machine may be impersonating it.",
                    )
                )
            elif recognition is Recognition.CHANGED:
                notices.append(
                    Notice(
                        "engine-changed",
                        f"The engine of {host} at {at} has another ID than last time{last}.",
                    )
                )
            elif recognition is Recognition.UNVERIFIED and expected and found.facts.engine_version:
                notices.append(
                    Notice(
                        "host-key-unverified",
                        f"The host key of {host} cannot be verified at {at}: SSH does not respond.",
                    )
                )
    return notices


def _by_host(devices: Sequence[DiscoveredDevice]) -> dict[str, list[DiscoveredDevice]]:
    by_host: dict[str, list[DiscoveredDevice]] = {}
    for found in devices:
        by_host.setdefault(found.device.host, []).append(found)
    return by_host


def _incomplete_notices(incomplete: Sequence[DiscoveredDevice], seconds: float) -> list[Notice]:
    return [
        Notice(
            "not-answered",
            f"{found.device.host} announces itself but did not answer all queries within {seconds:g} s; it "
            f"may be slow or still booting. Try `resin scan --timeout {seconds * 3:g}`.",
        )
        for found in incomplete
    ]
