"""Where the host key of a device was proven lately.

A proof allows connections by plain TCP to the same address for a while, which are not protected themselves.
It is kept for this run, and in the state directory for the next ones.
"""

from __future__ import annotations

import time

from resin_toolkit.device.cache import (
    cache_proof,
    cached_device,
    drop_proof,
    forget_cached_device,
    ssh_endpoint,
)
from resin_toolkit.device.record import Device
from resin_toolkit.ssh.host_keys import HostKey, forget_key

VALID_FOR = 15 * 60.0
"""Seconds for which a proof counts."""
_REWRITE_AFTER = 5 * 60.0
"""Seconds after which a new proof is stored: storing each would slow down every command."""

_proven: dict[tuple[str, str, int, str], float] = {}
"""The proofs of this run: host, address, port and fingerprint, and the time of time.monotonic."""


def record_proof(device: Device, address: str, key: str) -> None:
    """Record that the key with the fingerprint `key` was proven at `address` now. Raises StateDamaged."""
    _proven[device.host, address, device.ssh_port, key] = time.monotonic()
    stored = _stored_age(device, address, key)
    if stored is None or stored > _REWRITE_AFTER:
        # A folder that cannot be written costs the next run another proof.
        cache_proof(device.host, address, device.ssh_port, key)


def is_proven(device: Device, address: str, key: str) -> bool:
    """Whether the key with the fingerprint `key` was proven at `address` lately.

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
