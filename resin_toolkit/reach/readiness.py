"""Checking whether a device responds, and waiting until it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from resin_toolkit.device.address import Address
from resin_toolkit.device.facts import DeviceFacts
from resin_toolkit.device.record import Device
from resin_toolkit.errors import DeviceNotFound, HostKeyUnverified, ResinError, Unreachable
from resin_toolkit.tcp import PATIENCE, connect_any, endpoints

_RETRY_INTERVAL = 1.0
_ATTEMPT_TIMEOUT = 2.5
_PROOF_TIMEOUT = 3.0
"""Seconds for a known device to prove its host key: a small board is slow."""
_MIN_TIMEOUT = 0.1
"""Seconds for each step of the last attempt, however late it is."""


@dataclass(frozen=True)
class ReadyDevice:
    """A device that responds, and how many seconds it took."""

    device: Device
    facts: DeviceFacts
    seconds: float


def wait_until_ready(
    address: Address,
    *,
    within: float,
    ssh_port: int | None = None,
    host_key: str = "",
    on_failure: Callable[[float, ResinError], None] = lambda _seconds, _error: None,
) -> ReadyDevice:
    """Wait until the SSH server or the engine of a device responds, for at most `within` seconds.

    `on_failure` is called after each failed attempt that is repeated, with the seconds so far and the error.
    Raises Unreachable, with the last error as its cause; HostKeyUnverified if the engine responds, but not
    the SSH server that has to prove the known host key; HostKeyChanged at once.
    """
    started = time.monotonic()
    while True:
        try:
            device, facts = _attempt(address, ssh_port, host_key, started + within)
        except (DeviceNotFound, HostKeyUnverified, Unreachable) as error:
            cause: ResinError = error
        else:
            return ReadyDevice(device, facts, time.monotonic() - started)
        now = time.monotonic()
        if now + _RETRY_INTERVAL >= started + within:
            if isinstance(cause, HostKeyUnverified):
                raise cause
            raise Unreachable(
                f"{address.host} did not respond within {within:g} s: {cause.message}",
                hint=cause.hint,
                cause=str(cause.facts.get("cause", "not-found")),
            ) from cause
        on_failure(now - started, cause)
        time.sleep(_RETRY_INTERVAL)


def check_reachable(device: Device, *, within: float = PATIENCE) -> None:
    """Check that the SSH port or an engine port of a device accepts a connection. Raises Unreachable."""
    ports = (*device.engine_ports, device.ssh_port)
    connection, _ = connect_any(device.host, endpoints(device.addresses, ports), within=within)
    connection.close()


def _attempt(
    address: Address, ssh_port: int | None, host_key: str, deadline: float
) -> tuple[Device, DeviceFacts]:
    """Connect, verify the device and read the facts. Raises DeviceNotFound or Unreachable, at the deadline at
    the latest, HostKeyUnverified, HostKeyChanged.
    """
    from resin_toolkit.reach.device_info import probe
    from resin_toolkit.reach.identity import verify_device
    from resin_toolkit.reach.resolver import resolve_device

    within = max(_MIN_TIMEOUT, min(_ATTEMPT_TIMEOUT, deadline - time.monotonic()))
    device = resolve_device(address, ssh_port=ssh_port, host_key=host_key, within=within)
    check_reachable(device, within=within)
    device = verify_device(device, within=_PROOF_TIMEOUT)
    facts = probe(device, deadline=max(deadline, time.monotonic() + _MIN_TIMEOUT))
    if not facts.answers:
        raise Unreachable(
            f"{device.host} accepts connections, but neither SSH nor the engine responds.",
            hint="It may still be booting.",
            cause="no-answer",
        )
    return device, facts
