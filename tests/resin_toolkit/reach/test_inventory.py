"""The devices of a search, and the warnings after a scan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from resin_toolkit.device.cache import cached_hosts
from resin_toolkit.device.facts import DeviceFacts
from resin_toolkit.device.record import Device
from resin_toolkit.discovery.discovered_device import DeviceChange, DiscoveredDevice, DiscoveryEvent
from resin_toolkit.reach.inventory import Inventory, cache_inventory, scan_notices


def discovered(number: int, host: str, facts: DeviceFacts | None = None) -> DiscoveredDevice:
    device = Device(host, (f"10.0.0.{number}",))
    return DiscoveredDevice(number, host.removesuffix(".local"), device, ("eth0",), facts or DeviceFacts())


def inventory_of(*events: tuple[DeviceChange, DiscoveredDevice]) -> Inventory:
    inventory = Inventory()
    for change, found in events:
        inventory.update(DiscoveryEvent(change, found))
    return inventory


def test_devices_are_complete_once_all_facts_are_known() -> None:
    lamp, stove = discovered(1, "lamp.local"), discovered(2, "stove.local")
    complete = replace(stove, facts=DeviceFacts(os_name="Resin OS"))
    inventory = inventory_of(
        (DeviceChange.FOUND, lamp), (DeviceChange.FOUND, stove), (DeviceChange.COMPLETED, complete)
    )
    assert inventory.devices == (lamp, complete)
    assert inventory.incomplete == (lamp,)
    assert inventory.is_complete(complete)
    [notice] = scan_notices(inventory, 4.0)
    assert notice.code == "not-answered"
    assert "`resin scan --timeout 12`" in notice.message


def test_a_device_that_left_is_not_listed() -> None:
    lamp = discovered(1, "lamp.local")
    inventory = inventory_of((DeviceChange.FOUND, lamp), (DeviceChange.GONE, lamp))
    assert inventory.devices == ()
    assert scan_notices(inventory, 4.0) == []


def test_a_shared_name_and_a_problem_are_notices() -> None:
    devices = [
        discovered(1, "resin.local"),
        discovered(2, "resin.local", DeviceFacts(problems=("The host key has changed.",))),
    ]
    notices = scan_notices(inventory_of(*((DeviceChange.COMPLETED, each) for each in devices)), 4.0)
    assert [notice.code for notice in notices] == ["same-name", "device-problem"]
    assert "10.0.0.1 (eth0) or 10.0.0.2 (eth0)" in notices[0].message


def test_only_identified_devices_with_a_unique_name_are_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    known = DeviceFacts(host_key="SHA256:x")
    devices = [
        discovered(1, "lamp.local", known),
        discovered(2, "resin.local", known),
        discovered(3, "resin.local", known),
        discovered(4, "stove.local"),
    ]
    assert cache_inventory(devices) == []
    assert cached_hosts() == ["lamp.local"]
