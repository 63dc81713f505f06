"""Proofs that an address is the one of a known device.

A server that proves the host key may only relay the connection to the device. So the device itself is asked,
over SSH, whether it has that address. A proof allows connections by plain TCP to the address for a while,
which are not protected themselves. It is kept for this run, and in the state directory for the next ones.
"""

from __future__ import annotations

import ipaddress
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from resin_toolkit.device.cache import (
    cache_proof,
    cached_device,
    drop_proof,
    forget_cached_device,
    ssh_endpoint,
)
from resin_toolkit.device.record import Device
from resin_toolkit.ssh.host_keys import HostKey, forget_key

if TYPE_CHECKING:
    from resin_toolkit.ssh.session import Shell

VALID_FOR = 15 * 60.0
"""Seconds for which a proof counts."""
_ADDRESSES = "cat /proc/net/fib_trie /proc/net/if_inet6"
"""Prints the addresses of a device (proc(5)), whatever programs it has."""
_RUN_TIMEOUT = 5.0
_REWRITE_AFTER = 5 * 60.0
"""Seconds after which a new proof is stored: storing each would slow down every command."""

_proven: dict[tuple[str, str, int, str], float] = {}
"""The proofs of this run: host, address, port and fingerprint, and the time of time.monotonic."""


def prove_address(shell: Shell) -> bool:
    """Ask a device over SSH whether it has the address that it was reached at; record the proof if it does.

    Through a jump host there is no such address. Raises Unreachable, NotSupported, StateDamaged.
    """
    if not shell.address:
        return False
    output = shell.run(_ADDRESSES, within=_RUN_TIMEOUT).out.decode(errors="replace")
    if ipaddress.ip_address(shell.address.partition("%")[0]) not in own_addresses(output):
        return False
    record_proof(shell.device, shell.address, shell.host_key.fingerprint)
    return True


def own_addresses(output: str) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses in /proc/net/fib_trie and /proc/net/if_inet6 of a device."""
    found: set[ipaddress.IPv4Address | ipaddress.IPv6Address] = set()
    leaf = ""
    for line in output.splitlines():
        words = line.split()
        if words[:1] == ["|--"]:
            leaf = words[-1]
        elif words[:3] == ["/32", "host", "LOCAL"]:
            with suppress(ValueError):
                found.add(ipaddress.IPv4Address(leaf))
        elif len(words) == 6 and re.fullmatch("[0-9a-f]{32}", words[0]):
            found.add(ipaddress.IPv6Address(int(words[0], 16)))
    return found


def was_proven(device: Device, address: str, key: str) -> bool:
    """Whether there ever was a proof for `address` and the key. Raises StateDamaged."""
    return _stored_age(device, address, key) is not None


def record_proof(device: Device, address: str, key: str) -> None:
    """Record that the device with the fingerprint `key` has `address`. Raises StateDamaged."""
    _proven[device.host, address, device.ssh_port, key] = time.monotonic()
    stored = _stored_age(device, address, key)
    if stored is None or stored > _REWRITE_AFTER:
        # A folder that cannot be written costs the next run another proof.
        cache_proof(device.host, address, device.ssh_port, key)


def is_proven(device: Device, address: str, key: str) -> bool:
    """Whether it was proven lately that the device with the fingerprint `key` has `address`.

    Only in this run, if the device requires a key. Raises StateDamaged.
    """
    at = _proven.get((device.host, address, device.ssh_port, key))
    if at is not None and time.monotonic() - at <= VALID_FOR:
        return True
    age = None if device.host_key else _stored_age(device, address, key)
    return age is not None and age <= VALID_FOR


def withdraw_proof(device: Device, address: str) -> None:
    """Forget the proofs at `address`, where another key than the stored one was presented since.

    Raises StateDamaged.
    """
    if device.host_key:
        return
    for proof in [proof for proof in _proven if proof[:3] == (device.host, address, device.ssh_port)]:
        del _proven[proof]
    drop_proof(device.host, address, device.ssh_port)


def forget_device(device: Device) -> HostKey | None:
    """Forget everything that is remembered of `device`, and return its stored key, if any.

    Raises OSError, StateDamaged.
    """
    for proof in [proof for proof in _proven if proof[0] == device.host]:
        del _proven[proof]
    forget_cached_device(device.host)
    return forget_key(device)


def _stored_age(device: Device, address: str, key: str) -> float | None:
    """Seconds since the stored proof; None without one, or if it is of the future: the clock was set back."""
    known = cached_device(device.host)
    proof = known.proofs.get(ssh_endpoint(address, device.ssh_port)) if known else None
    if proof is None or proof.key != key:
        return None
    age = time.time() - proof.at
    return age if age >= 0 else None
