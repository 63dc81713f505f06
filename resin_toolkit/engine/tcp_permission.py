"""Whether the engine of a device may be used by plain TCP, which neither encrypts nor proves who answers.

A device without a stored host key may be, as there is nothing to compare. One with a stored or required key
has to have proven it by SSH at the same address, in this run or lately. If its SSH server does not respond,
the user may agree: by typing tcp://HOST for this run, or by answering the question, which is remembered.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import replace

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.cache import cache_plain_tcp, cached_device
from resin_toolkit.device.ip_addresses import url_host
from resin_toolkit.device.record import Device
from resin_toolkit.errors import HostKeyChanged, HostKeyUnverified, ResinError, Unreachable
from resin_toolkit.ssh.host_keys import expected_fingerprint
from resin_toolkit.ssh.key_proofs import is_proven

_WITHIN = 1.5
"""Seconds for the connection to an SSH server on the local network."""

Agree = Callable[[str], bool]
"""Asks a person a question that is answered with yes or no."""

_agreed: set[tuple[str, str]] = set()
"""The hosts and addresses agreed to in this run, in case that cannot be stored."""


def verify_address(device: Device, address: str) -> None:
    """Verify that plain TCP may be used at `address`.

    Raises HostKeyUnverified if SSH does not respond there and the user has not agreed yet, HostKeyChanged,
    HostKeyInvalid, StateDamaged.
    """
    expected = expected_fingerprint(device)
    if not expected or is_proven(device, address, expected):
        return
    from resin_toolkit.ssh.connection import prove_host_key

    try:
        prove_host_key(replace(device, addresses=(address,)), within=_WITHIN)
    except Unreachable as error:
        if device.host_key or not _is_agreed(device, address):
            raise _unverified(device, address, error) from error


def verified_addresses(device: Device) -> tuple[str, ...]:
    """The addresses of `device` at which plain TCP may be used.

    Raises as `verify_address`, if there are none.
    """
    verified: list[str] = []
    refusals: list[ResinError] = []
    for address in device.addresses:
        try:
            verify_address(device, address)
        except (HostKeyChanged, HostKeyUnverified) as error:
            refusals.append(error)
        else:
            verified.append(address)
    if refusals and not verified:
        raise next((error for error in refusals if isinstance(error, HostKeyChanged)), refusals[0])
    return tuple(verified)


def agree_to_tcp(device: Device, unverified: HostKeyUnverified, ask: Agree | None) -> None:
    """Ask whether to use the engine anyway, and remember that. Raises `unverified` unless the user agrees."""
    address = str(unverified.facts["address"])
    question = f"{unverified.message} Use its unencrypted engine anyway?"
    if device.host_key or ask is None or not ask(question):
        raise unverified
    _agreed.add((device.host, address))
    cache_plain_tcp(device.host, address)


def _is_agreed(device: Device, address: str) -> bool:
    if device.access_method is AccessMethod.TCP or ipaddress.ip_address(address).is_loopback:
        return True
    known = cached_device(device.host)
    return (device.host, address) in _agreed or (known is not None and address in known.plain_tcp)


def _unverified(device: Device, address: str, error: Unreachable) -> HostKeyUnverified:
    why = {
        "refused": "nothing listens at its SSH port",
        "not-ssh": "its SSH port belongs to another service",
        "algorithms": "its SSH server supports no common algorithms",
    }.get(str(error.facts.get("cause")), "SSH does not respond")
    hint = (
        f"Check its SSH server, or pass tcp://{url_host(device.host)} to use its unencrypted engine anyway."
    )
    return HostKeyUnverified(
        f"The host key of {device.host} cannot be verified at {address}: {why}.",
        hint="The required key can only be proven by SSH: check its SSH server." if device.host_key else hint,
        address=address,
        cause="unverified",
    )
