"""The devices of a search, and the warnings after a scan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from resin_toolkit.device.cache import cache_contact
from resin_toolkit.device.facts import DeviceFacts
from resin_toolkit.device.record import Device
from resin_toolkit.discovery.discovered_device import DeviceChange, DiscoveredDevice, DiscoveryEvent
from resin_toolkit.reach.inventory import Inventory, Recognition, recognize, scan_notices, with_known_port
from resin_toolkit.ssh.host_keys import HostKey, check_key

OURS, THEIRS = HostKey.of("ssh-ed25519", b"ours"), HostKey.of("ssh-ed25519", b"theirs")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


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
        discovered(2, "resin.local", DeviceFacts(problems=("Permission denied.",))),
    ]
    notices = scan_notices(inventory_of(*((DeviceChange.COMPLETED, each) for each in devices)), 4.0)
    assert [notice.code for notice in notices] == ["same-name", "device-problem"]
    assert "10.0.0.1 (eth0) or 10.0.0.2 (eth0)" in notices[0].message


def scanned(*devices: DiscoveredDevice) -> list[str]:
    notices = scan_notices(inventory_of(*((DeviceChange.COMPLETED, each) for each in devices)), 4.0)
    return [notice.code for notice in notices]


def test_a_device_is_recognized_by_its_host_key_alone() -> None:
    kitchen = Device("kitchen.local", ("10.0.0.1",))
    both = DeviceFacts(host_key=OURS.fingerprint, engine_id="A:B")
    assert recognize(kitchen, both) is Recognition.NEW
    cache_contact("kitchen.local", "10.0.0.1", "A:B")
    assert recognize(kitchen, both) is Recognition.UNVERIFIED
    assert recognize(kitchen, DeviceFacts(engine_id="C:D")) is Recognition.CHANGED
    check_key(kitchen, OURS, str)
    assert recognize(kitchen, replace(both, engine_id="C:D")) is Recognition.VERIFIED
    assert recognize(kitchen, replace(both, host_key=THEIRS.fingerprint)) is Recognition.CHANGED
    assert recognize(kitchen, DeviceFacts(engine_id="A:B")) is Recognition.UNVERIFIED


def test_another_announced_port_does_not_make_a_known_device_new() -> None:
    kitchen = Device("kitchen.local", ("10.0.0.1",))
    check_key(kitchen, OURS, str)
    elsewhere = replace(kitchen, ssh_port=2222)
    assert with_known_port(elsewhere).ssh_port == kitchen.ssh_port
    assert recognize(elsewhere, DeviceFacts(host_key=THEIRS.fingerprint)) is Recognition.CHANGED
    unknown = Device("lamp.local", ("10.0.0.1",), ssh_port=2222)
    assert with_known_port(unknown) is unknown


def test_a_scan_tells_of_a_device_that_is_not_the_known_one() -> None:
    check_key(Device("resin.local", ("10.0.0.9",)), OURS, str)
    cache_contact("resin.local", "10.0.0.9")
    ours = discovered(1, "resin.local", DeviceFacts(host_key=OURS.fingerprint))
    theirs = discovered(2, "resin.local", DeviceFacts(host_key=THEIRS.fingerprint))
    mute = discovered(3, "resin.local", DeviceFacts(engine_id="A:B", engine_version="1.10"))
    assert scanned(ours) == []
    assert scanned(theirs) == ["host-key-changed"]
    assert scanned(mute) == ["host-key-unverified"]
    # An honest board of the same name is no impostor.
    assert scanned(ours, theirs) == ["same-name"]
    [notice] = scan_notices(inventory_of((DeviceChange.COMPLETED, theirs)), 4.0)
    for part in (
        OURS.fingerprint,
        THEIRS.fingerprint,
        "10.0.0.2",
        "10.0.0.9",
        "`resin ssh resin --forget-key`",
    ):
        assert part in notice.message
