"""Resolving a DEVICE argument to addresses, and the cache of devices."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from resin_toolkit.device.address import parse_address
from resin_toolkit.device.cache import (
    CachedDevice,
    cache_contact,
    cache_plain_tcp,
    cache_proof,
    cached_device,
    cached_hosts,
    forget_cached_device,
)
from resin_toolkit.device.record import Device
from resin_toolkit.device.seen_devices import remember_seen, seen_hosts
from resin_toolkit.errors import DeviceNotFound, StateDamaged
from resin_toolkit.reach import resolver
from resin_toolkit.reach.resolver import resolve_device
from resin_toolkit.ssh.host_keys import HostKey, check_key
from resin_toolkit.state import update_state


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "state" / "resin"


def test_an_address_is_itself() -> None:
    device = resolve_device(parse_address("ssh://me@[fe80::1%eth0]:22"))
    assert (device.host, device.addresses, device.user, device.ssh_port) == (
        "fe80::1%eth0",
        ("fe80::1%eth0",),
        "me",
        22,
    )
    assert resolve_device(parse_address("10.0.0.7:2375")).engine_ports == (2375,)
    assert resolve_device(parse_address("ssh://10.0.0.7:22"), ssh_port=23).ssh_port == 23


def test_localhost_is_this_machine() -> None:
    assert resolve_device(parse_address("localhost")).addresses == ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    "word", ["no-such-device-here", "no-such-device-here.local", "no.such.device.invalid"]
)
def test_an_unknown_name_is_an_error_that_says_what_was_tried(word: str) -> None:
    remember_seen([Device("no-such-device-hero.local", ("10.0.0.7",))])
    with pytest.raises(DeviceNotFound) as caught:
        resolve_device(parse_address(word), within=1.0)
    assert word in caught.value.message
    if "." not in word:
        assert f"{word}.local" in caught.value.message
        assert "Did you mean no-such-device-hero" in caught.value.hint


def test_who_answers_by_another_way_does_not_make_a_known_device_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS of a strange network has an address for a name that is known by mDNS, and the other way round."""
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.66", 0))]
    monkeypatch.setattr(resolver.socket, "getaddrinfo", lambda *_args, **_options: answer)
    key = HostKey.of("ssh-ed25519", b"ours")
    name = "no-such-device-here"
    for known, typed in ((f"{name}.local", name), (f"{name}-2", f"{name}-2")):
        assert resolve_device(parse_address(typed), within=1.0).host == typed
        check_key(Device(known, ()), key, str)
        found = resolve_device(parse_address(typed), within=1.0)
        assert (found.host, found.addresses) == (known, ("10.0.0.66",))
    assert resolver._known_host(f"{name}-2.local", f"{name}-2", None) == f"{name}-2"
    check_key(Device(f"{name}-2.local", ()), key, str)
    assert resolver._known_host(f"{name}-2.local", f"{name}-2", None) == f"{name}-2.local"


def test_a_resolver_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*_args: object, **_options: object) -> list[object]:
        release.wait(60)
        return []

    monkeypatch.setattr(resolver.socket, "getaddrinfo", hang)
    try:
        with pytest.raises(DeviceNotFound, match=r"DNS did not answer for no\.such\.device\.invalid in time"):
            resolve_device(parse_address("no.such.device.invalid"), within=0.2)
        assert not release.is_set()
    finally:
        release.set()


def known_kitchen() -> CachedDevice:
    known = cached_device("kitchen.local")
    assert known is not None
    return known


def test_a_device_that_was_reached_is_read_back() -> None:
    assert cached_device("kitchen.local") is None
    assert cache_contact("kitchen.local", "10.0.0.7", "A:B") == []
    assert (known_kitchen().addresses, known_kitchen().engine_id) == (("10.0.0.7",), "A:B")
    cache_contact("kitchen.local", "10.0.0.8")
    assert (known_kitchen().addresses, known_kitchen().engine_id) == (("10.0.0.8",), "A:B")
    cache_contact("kitchen.local", "", "C:D")
    assert (known_kitchen().addresses, known_kitchen().engine_id) == (("10.0.0.8",), "C:D")
    cache_proof("kitchen.local", "fe80::1%eth0", 22222, "SHA256:x")
    cache_plain_tcp("kitchen.local", "10.0.0.9")
    assert known_kitchen().proofs["[fe80::1%eth0]:22222"].key == "SHA256:x"
    assert known_kitchen().plain_tcp == ("10.0.0.9",)
    forget_cached_device("kitchen.local")
    assert cached_device("kitchen.local") is None


def test_nothing_is_written_when_nothing_is_new(folder: Path) -> None:
    cache_contact("kitchen.local", "10.0.0.7", "A:B")
    before = (folder / "devices.json").stat().st_mtime_ns
    cache_contact("kitchen.local", "10.0.0.7", "A:B")
    cache_contact("kitchen.local", "10.0.0.7")
    assert (folder / "devices.json").stat().st_mtime_ns == before


def test_what_a_scan_saw_is_no_identity() -> None:
    remember_seen([Device("kitchen.local", ("10.0.0.66",))])
    assert seen_hosts() == ["kitchen.local"]
    assert cached_device("kitchen.local") is None
    # Entries of earlier versions came from scans, too.
    with update_state("devices.json") as state:
        state["lamp.local"] = {"addresses": ["10.0.0.66"], "engine_id": "A:B", "host_key": "SHA256:x"}
    assert cached_device("lamp.local") is None
    assert cached_hosts() == ["lamp.local"]


@pytest.mark.parametrize(
    "entry",
    [
        1,
        {"contacted": True},
        {"contacted": True, "addresses": "x", "engine_id": None},
        {"contacted": True, "addresses": [1, "evil;rm"], "engine_id": None},
        {"contacted": True, "addresses": [], "engine_id": 7},
        {"contacted": True, "addresses": [], "engine_id": None, "proofs": {"10.0.0.7:22222": 1}},
        {"contacted": True, "addresses": [], "engine_id": None, "plain_tcp": {"10.0.0.7": 1}},
    ],
)
def test_a_damaged_entry_is_an_error_that_one_command_mends(entry: object) -> None:
    with update_state("devices.json") as state:
        state.update({"kitchen.local": entry})
    with pytest.raises(StateDamaged, match=r"its entry kitchen\.local") as caught:
        cached_device("kitchen.local")
    assert "`resin ssh kitchen --forget-key`" in caught.value.hint
    with pytest.raises(StateDamaged):
        cache_contact("kitchen.local", "10.0.0.7")
    assert cached_hosts() == ["kitchen.local"]
    forget_cached_device("kitchen.local")
    assert cached_device("kitchen.local") is None


@pytest.mark.parametrize("content", [b"", b'{"kitchen.local": {', b"[]", b"\xff"])
def test_a_damaged_file_is_an_error(folder: Path, content: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / "devices.json").write_bytes(content)
    with pytest.raises(StateDamaged):
        cached_device("kitchen.local")
    with pytest.raises(StateDamaged):
        resolve_device(parse_address("kitchen.local"), within=0.2)


def test_a_state_folder_that_cannot_be_written_is_a_notice(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("no folder")
    for notices in (
        cache_contact("kitchen.local", "10.0.0.7"),
        cache_proof("kitchen.local", "10.0.0.7", 22222, "SHA256:x"),
        remember_seen([Device("kitchen.local", ("10.0.0.7",))]),
    ):
        assert [notice.code for notice in notices] == ["not-remembered"]


def test_an_alias_of_the_ssh_configuration(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text(
        "Host board\n HostName 10.0.0.7\n User me\n Port 22\nHost far\n HostName inner\n ProxyJump gate\n"
    )
    device = resolve_device(parse_address("board"))
    # The user is left to the connection, which reads the same file.
    assert (device.host, device.addresses, device.user, device.ssh_port) == ("board", ("10.0.0.7",), None, 22)
    typed = resolve_device(parse_address("ssh://root@board:22222"))
    assert (typed.user, typed.ssh_port) == ("root", 22222)
    assert resolve_device(parse_address("far")).addresses == ()
