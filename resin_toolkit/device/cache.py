"""What is remembered of the devices that commands were directed at, so that the next command recognizes them.

The state file holds for each host where it was last reached, the ID of its engine, the addresses at which its
SSH host key was proven lately, those whose engine may be used without that, and when it was last reached. It
protects the user: only a command that is directed at a device, and has checked it, changes its entry.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from resin_toolkit.device.ip_addresses import is_ip, url_host
from resin_toolkit.errors import Notice, os_reason
from resin_toolkit.state import add_entry, entry_time, read_state, state_damaged, state_folder, update_state

_FILE = "devices.json"
_MAX_DEVICES = 200
_MAX_ADDRESSES = 8
"""Of one device, of each kind."""
_CONTACTED = "contacted"
"""The key that marks an entry of a device that was reached; entries without it are ignored."""
_REFRESH = timedelta(hours=1)
"""An entry is not rewritten for its time alone before this."""


@dataclass(frozen=True)
class KeyProof:
    """A host key, by its fingerprint, and when it was proven, in seconds since 1970."""

    key: str
    at: float


@dataclass(frozen=True)
class CachedDevice:
    """A device as it was when a command last reached it."""

    host: str
    addresses: tuple[str, ...]
    engine_id: str | None
    at: str
    """When it was last reached, RFC 3339 in UTC."""
    proofs: Mapping[str, KeyProof] = field(default_factory=dict)
    """By the endpoint of the SSH server: `10.0.0.5:22222`."""
    plain_tcp: tuple[str, ...] = ()
    """The addresses at which the user agreed to an engine whose device cannot be verified."""


def cached_device(host: str) -> CachedDevice | None:
    """The entry of `host`, a full name as in `Device.host`. Raises StateDamaged."""
    return _read(host, read_state(_FILE, protects=True).get(host))


def cached_hosts() -> list[str]:
    """The full names of all devices with an entry, the most recently reached first. Raises StateDamaged."""
    state = read_state(_FILE, protects=True)
    return sorted(state, key=lambda host: entry_time(state[host]), reverse=True)


def cache_contact(host: str, address: str, engine_id: str = "") -> list[Notice]:
    """Remember that `host` was reached at `address` and checked; an unknown engine ID keeps the stored one.

    `address` is empty if it was reached through a jump host. A folder that cannot be written is not an error:
    a notice is returned. Raises StateDamaged.
    """
    before = cached_device(host)
    addresses = (address,) if address else before.addresses if before else ()
    known = engine_id or (before.engine_id if before else None)
    if before and (before.addresses, before.engine_id) == (addresses, known) and _is_recent(before.at):
        return []

    def change(entry: dict[str, Any]) -> None:
        entry.update(addresses=list(addresses), engine_id=known)

    return _change(host, change)


def cache_proof(host: str, address: str, port: int, key: str) -> list[Notice]:
    """Remember that the host key with the fingerprint `key` was proven at `address` now.

    Raises StateDamaged.
    """

    def change(entry: dict[str, Any]) -> None:
        proofs = {where: proof for where, proof in entry.get("proofs", {}).items() if where != endpoint}
        proofs[endpoint] = {"key": key, "at": int(time.time())}
        newest = sorted(proofs, key=lambda where: -proofs[where]["at"])[:_MAX_ADDRESSES]
        entry["proofs"] = {where: proofs[where] for where in newest}

    endpoint = ssh_endpoint(address, port)
    return _change(host, change)


def drop_proof(host: str, address: str, port: int) -> None:
    """Forget that a host key was proven at `address`. Raises StateDamaged."""
    known, endpoint = cached_device(host), ssh_endpoint(address, port)

    def change(entry: dict[str, Any]) -> None:
        entry["proofs"].pop(endpoint, None)

    if known and endpoint in known.proofs:
        # A folder that cannot be written holds a proof that only lasts for minutes.
        _change(host, change)


def cache_plain_tcp(host: str, address: str) -> list[Notice]:
    """Remember that the user agreed to the unverified engine of `host` at `address`. Raises StateDamaged."""

    def change(entry: dict[str, Any]) -> None:
        agreed = [other for other in entry.get("plain_tcp", []) if other != address]
        entry["plain_tcp"] = [address, *agreed][:_MAX_ADDRESSES]

    return _change(host, change)


def forget_cached_device(host: str) -> None:
    """Remove the entry of `host`. Raises OSError, StateDamaged."""
    if host in read_state(_FILE, protects=True):
        with update_state(_FILE, protects=True) as state:
            state.pop(host, None)


def not_remembered(error: OSError) -> Notice:
    """The notice that devices cannot be stored."""
    return Notice("not-remembered", f"Devices are not remembered: {state_folder()}: {os_reason(error)}.")


def ssh_endpoint(address: str, port: int) -> str:
    """The key of a proof."""
    return f"{url_host(address)}:{port}"


def _change(host: str, change: Callable[[dict[str, Any]], None]) -> list[Notice]:
    try:
        with update_state(_FILE, protects=True) as state:
            known = _read(host, state.get(host))
            entry = dict(state[host]) if known else {}
            change(entry)
            add_entry(
                state,
                host,
                {"addresses": [], "engine_id": None, **entry, _CONTACTED: True},
                limit=_MAX_DEVICES,
            )
    except OSError as error:
        return [not_remembered(error)]
    return []


def _is_recent(at: str) -> bool:
    with suppress(ValueError, TypeError):
        return timedelta() <= datetime.now(UTC) - datetime.fromisoformat(at) < _REFRESH
    return False


def _read(host: str, entry: Any) -> CachedDevice | None:
    """An entry of the file; None if there is none, or one of a device that was only seen."""
    if entry is None or (isinstance(entry, dict) and _CONTACTED not in entry):
        return None
    try:
        return CachedDevice(
            host,
            _addresses(entry["addresses"]),
            _text(entry["engine_id"]) if entry["engine_id"] is not None else None,
            entry_time(entry),
            {
                _text(where): KeyProof(_text(proof["key"]), float(proof["at"]))
                for where, proof in entry.get("proofs", {}).items()
            },
            _addresses(entry.get("plain_tcp", [])),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise state_damaged(
            state_folder() / _FILE,
            f"its entry {host} is not a device",
            f"Run `resin ssh {host.removesuffix('.local')} --forget-key` to accept what answers now.",
        ) from error


def _addresses(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and is_ip(each) for each in value):
        raise ValueError("not a list of IP addresses")
    return tuple(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a string")
    return value
