"""Whether the engine of a device may be used by plain TCP, which neither encrypts nor proves who answers.

A device without a stored host key may be, as there is nothing to compare. One with a stored or required key
has to have proven by SSH that the address is its own, in this run or lately. If its SSH server does not
respond, the user may agree: by typing tcp://HOST for this run, or by answering the question, which is
remembered.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import replace

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.cache import cache_plain_tcp, cached_device
from resin_toolkit.device.ip_addresses import url_host
from resin_toolkit.device.record import Device
from resin_toolkit.errors import HostKeyUnverified, LoginRefused, NotSupported, Unreachable
from resin_toolkit.ssh.host_keys import expected_fingerprint, forget_command
from resin_toolkit.ssh.key_proofs import is_proven, was_proven

_WITHIN = 1.5
"""Seconds for the connection to an SSH server on the local network."""

_REASONS = {
    "refused": "nothing listens at its SSH port",
    "not-ssh": "its SSH port belongs to another service",
    "algorithms": "its SSH server supports no common algorithms",
}
"""By the `cause` of Unreachable."""

Agree = Callable[[str], bool]
"""Asks a person a question that is answered with yes or no."""

_agreed: set[tuple[str, str]] = set()
"""The hosts and addresses agreed to in this run, in case that cannot be stored."""


def is_tcp_permitted(device: Device, address: str) -> bool:
    """Whether plain TCP may be used at `address`; if not, SSH has to be used, which proves the key itself.

    A device whose key is known is asked over SSH whether the address is its own. Nobody is prompted for that.
    Raises HostKeyUnverified if that is impossible and the user has not agreed yet; HostKeyChanged,
    HostKeyInvalid, StateDamaged.
    """
    expected = expected_fingerprint(device)
    if not expected or is_proven(device, address, expected):
        return True
    from resin_toolkit.ssh.connection import connect
    from resin_toolkit.ssh.key_proofs import prove_address

    try:
        with connect(replace(device, addresses=(address,)), within=_WITHIN, pin=False) as shell:
            return prove_address(shell) or is_agreed(device, address)
    except LoginRefused as error:
        # It is the device that refuses, but it may have been reached through somebody else.
        if was_proven(device, address, expected) or is_agreed(device, address):
            return True
        raise unverified(device, address, "it does not let you log in without a prompt") from error
    except (NotSupported, Unreachable) as error:
        if is_agreed(device, address):
            return True
        raise unverified(device, address, _REASONS.get(str(error.facts.get("cause")), "")) from error


def agree_to_tcp(device: Device, unverified: HostKeyUnverified, ask: Agree | None) -> None:
    """Ask whether to use the engine anyway, and remember that. Raises `unverified` unless the user agrees."""
    address = str(unverified.facts["address"])
    question = f"{unverified.message} Use its unencrypted engine anyway?"
    if device.host_key or ask is None or not ask(question):
        raise unverified
    _agreed.add((device.host, address))
    cache_plain_tcp(device.host, address)


def is_agreed(device: Device, address: str) -> bool:
    """Whether the user agreed to an engine at `address` that cannot be verified. Raises StateDamaged."""
    if device.host_key:
        return False
    if device.access_method is AccessMethod.TCP or ipaddress.ip_address(address).is_loopback:
        return True
    known = cached_device(device.host)
    return (device.host, address) in _agreed or (known is not None and address in known.plain_tcp)


def unverified(device: Device, address: str, reason: str = "") -> HostKeyUnverified:
    """The error for a device at `address`, with the question that it answers as its message."""
    hint = (
        f"Check its SSH server, or pass tcp://{url_host(device.host)} to use its unencrypted engine anyway. "
        f"If it was flashed or reset, run {forget_command(device)}."
    )
    return HostKeyUnverified(
        f"The host key of {device.host} cannot be verified at {address}: {reason or 'SSH does not respond'}.",
        hint="The required key can only be proven by SSH: check its SSH server." if device.host_key else hint,
        address=address,
        cause="unverified",
    )
