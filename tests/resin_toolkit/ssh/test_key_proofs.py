"""The addresses of a device, and how long a proof of one counts."""

from __future__ import annotations

import ipaddress
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from resin_toolkit.device.cache import cached_device
from resin_toolkit.device.record import Device
from resin_toolkit.ssh import key_proofs
from resin_toolkit.ssh.key_proofs import (
    VALID_FOR,
    forget_device,
    is_proven,
    own_addresses,
    record_proof,
    was_proven,
    withdraw_proof,
)

KITCHEN = Device("kitchen.local", ("10.0.0.5",))
KEY, OTHER = "SHA256:" + "a" * 43, "SHA256:" + "b" * 43
TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.0.0/24 2 0 2
        |-- 10.0.0.0
           /24 link UNICAST
        |-- 10.0.0.5
           /32 host LOCAL
        |-- 10.0.0.66
           /32 link UNICAST
        |-- 10.0.0.255
           /32 link BROADCAST
fe800000000000000000000000000005 02 40 20 80     eth0
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(key_proofs, "_proven", {})
    return tmp_path / "resin"


def a_later_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_proofs, "_proven", {})


def test_only_its_own_addresses_are_those_of_a_device() -> None:
    assert own_addresses(TRIE) == {ipaddress.ip_address("10.0.0.5"), ipaddress.ip_address("fe80::5")}
    here = "".join(Path(f"/proc/net/{name}").read_text() for name in ("fib_trie", "if_inet6"))
    assert ipaddress.ip_address("127.0.0.1") in own_addresses(here)


@pytest.mark.parametrize("output", ["", "\0\xff", "|--", "/32 host LOCAL", "|-- evil\n/32 host LOCAL\n" * 9])
def test_other_output_has_no_addresses(output: str) -> None:
    assert own_addresses(output) == set()


def test_a_proof_counts_for_its_address_port_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    record_proof(KITCHEN, "10.0.0.5", KEY)
    for _ in range(2):
        assert is_proven(KITCHEN, "10.0.0.5", KEY)
        assert not is_proven(KITCHEN, "10.0.0.6", KEY)
        assert not is_proven(KITCHEN, "10.0.0.5", OTHER)
        assert not is_proven(replace(KITCHEN, ssh_port=22), "10.0.0.5", KEY)
        assert not is_proven(replace(KITCHEN, host="lamp.local"), "10.0.0.5", KEY)
        a_later_run(monkeypatch)
    # A required key is proven in each run.
    assert not is_proven(replace(KITCHEN, host_key=KEY), "10.0.0.5", KEY)


@pytest.mark.parametrize("age", [VALID_FOR + 1, -60.0])
def test_an_old_proof_and_one_of_the_future_do_not_count(
    folder: Path, monkeypatch: pytest.MonkeyPatch, age: float
) -> None:
    record_proof(KITCHEN, "10.0.0.5", KEY)
    a_later_run(monkeypatch)
    state = json.loads((folder / "devices.json").read_text())
    state[KITCHEN.host]["proofs"]["10.0.0.5:22222"]["at"] = time.time() - age
    (folder / "devices.json").write_text(json.dumps(state))
    assert not is_proven(KITCHEN, "10.0.0.5", KEY)
    assert was_proven(KITCHEN, "10.0.0.5", KEY) is (age > 0)
    record_proof(KITCHEN, "10.0.0.5", KEY)
    a_later_run(monkeypatch)
    assert is_proven(KITCHEN, "10.0.0.5", KEY)


def test_a_proof_is_withdrawn_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    for forget in (lambda: withdraw_proof(KITCHEN, "10.0.0.5"), lambda: forget_device(KITCHEN)):
        record_proof(KITCHEN, "10.0.0.5", KEY)
        forget()
        assert not is_proven(KITCHEN, "10.0.0.5", KEY)
        a_later_run(monkeypatch)
        assert not is_proven(KITCHEN, "10.0.0.5", KEY)
    assert cached_device(KITCHEN.host) is None
