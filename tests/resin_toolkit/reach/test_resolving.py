"""Resolving a DEVICE argument to addresses, and the cache of devices."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from resin_toolkit.device.address import parse_address
from resin_toolkit.device.cache import cache_device, cached_device, cached_hosts
from resin_toolkit.errors import DeviceNotFound
from resin_toolkit.reach import resolver
from resin_toolkit.reach.resolver import resolve_device
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
    cache_device("no-such-device-hero.local", ["10.0.0.7"])
    with pytest.raises(DeviceNotFound) as caught:
        resolve_device(parse_address(word), within=1.0)
    assert word in caught.value.message
    if "." not in word:
        assert f"{word}.local" in caught.value.message
        assert "Did you mean no-such-device-hero" in caught.value.hint


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


def test_a_cached_device_is_read_back() -> None:
    assert cached_device("kitchen.local") is None
    assert cache_device("kitchen.local", ["10.0.0.7"], engine_id="A:B", host_key="SHA256:x") == []
    assert cache_device("kitchen.local", ["10.0.0.8"]) == []
    known = cached_device("kitchen.local")
    assert known is not None
    assert (known.addresses, known.engine_id, known.host_key) == (("10.0.0.8",), "A:B", "SHA256:x")
    cache_device("kitchen.local", ["10.0.0.8"], engine_id="C:D")
    known = cached_device("kitchen.local")
    assert known is not None
    assert (known.engine_id, known.host_key) == ("C:D", None)


def test_an_edited_cache_file_is_read_as_far_as_it_is_valid() -> None:
    with update_state("devices.json") as state:
        state.update(
            {"a": 1, "b": {"addresses": "x", "at": 3}, "c": {"addresses": [1, "evil;rm", "10.0.0.7"]}}
        )
    assert cached_device("a") is None
    found = [cached_device(host) for host in ("b", "c")]
    assert [known.addresses for known in found if known] == [(), ("10.0.0.7",)]
    assert set(cached_hosts()) == {"b", "c"}


def test_a_state_folder_that_cannot_be_written_is_a_notice(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("no folder")
    [notice] = cache_device("kitchen.local", ["10.0.0.7"])
    assert notice.code == "not-remembered"


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
