"""Resolving a parsed DEVICE argument to a device with IP addresses.

A bare name is looked up, in this order, as an alias of ~/.ssh/config, in this machine's hosts file, as
NAME.local by multicast DNS, and in DNS. `.local` names are always queried by our own multicast DNS client, so
that they resolve on every operating system, whatever its resolver does with such names.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from resin_toolkit.device.address import Address
from resin_toolkit.device.cache import CachedDevice, cached_device, cached_hosts
from resin_toolkit.device.ip_addresses import is_ip
from resin_toolkit.device.record import ENGINE_PORTS, SSH_PORT, Device
from resin_toolkit.errors import DeviceAmbiguous, DeviceNotFound
from resin_toolkit.ssh.config import find_host_config, host_config

_LOCAL = ".local"
_MDNS_ALONE = 0.2
"""Seconds to wait for mDNS before the cached address is tried."""
_MDNS_FIRST = 0.8
"""Seconds to query a bare name as NAME.local before an answer of DNS is accepted."""


def resolve_device(address: Address, *, ssh_port: int | None = None, within: float = 2.3) -> Device:
    """Resolve `address` to a device with IP addresses, connecting to it only to verify a cached address.

    `ssh_port`, from an option, takes precedence over the address's. Raises DeviceNotFound after at most
    `within` seconds, DeviceAmbiguous if several devices have the name, and ConfigInvalid. A host that
    ~/.ssh/config reaches through a jump host gets no addresses.
    """
    alias = None if address.is_ip or address.host.endswith(_LOCAL) else find_host_config(address.host)
    typed = ssh_port or address.ssh_port
    unresolved = Device(
        address.host,
        (),
        ssh_port=typed or _configured_port(address.host),
        engine_ports=(address.engine_port,) if address.engine_port else ENGINE_PORTS,
        user=address.user,
        access_method=address.access_method,
    )
    deadline = time.monotonic() + within
    if alias is None:
        host, addresses = _host_and_addresses(unresolved, deadline)
        return replace(unresolved, host=host, addresses=addresses, ssh_port=typed or _configured_port(host))
    if alias.jumps:
        # Only the jump host can resolve its name.
        return unresolved
    _, addresses = _host_and_addresses(replace(unresolved, host=alias.host.lower()), deadline)
    return replace(unresolved, addresses=addresses)


def _configured_port(host: str) -> int:
    """The SSH port of a host in ~/.ssh/config, else the default."""
    return host_config(host).port or SSH_PORT


def _host_and_addresses(unresolved: Device, deadline: float) -> tuple[str, tuple[str, ...]]:
    name = unresolved.host
    if is_ip(name):
        return name, (name,)
    if name.endswith(_LOCAL):
        found = _query_mdns(name, unresolved, deadline)
        if not found:
            raise _not_found(name, [_mdns_reason(name)])
        return name, found
    if found := _local_addresses(name):
        return name, found
    system = _SystemLookup(name)
    tried = []
    if "." not in name:
        local = name + _LOCAL
        until = min(deadline, time.monotonic() + _MDNS_FIRST)
        if found := _query_mdns(local, unresolved, until):
            return local, found
        if not system.addresses(until) and (found := _query_mdns(local, unresolved, deadline)):
            return local, found
        tried.append(_mdns_reason(local))
    if found := system.addresses(deadline):
        return name, found
    raise _not_found(name, [*tried, system.reason])


def _query_mdns(name: str, unresolved: Device, deadline: float) -> tuple[str, ...]:
    """Query mDNS; without an answer at once, also check whether the device is at its cached addresses.

    Raises DeviceAmbiguous.
    """
    from resin_toolkit.discovery.name_lookup import resolve

    known = cached_device(name)
    if known is None or not known.is_recognizable:
        return _choose_device(name, unresolved, resolve(name, within=deadline - time.monotonic()), None)
    if found := resolve(name, within=min(_MDNS_ALONE, deadline - time.monotonic())):
        return _choose_device(name, unresolved, found, known)
    from resin_toolkit.reach.identity import IdentityCheck

    check = IdentityCheck(known, unresolved)
    found = resolve(name, within=deadline - time.monotonic(), stop=lambda: check.succeeded)
    return _choose_device(name, unresolved, found, known) or (known.addresses if check.succeeded else ())


def _choose_device(
    name: str, unresolved: Device, answers: Sequence[tuple[str, ...]], known: CachedDevice | None
) -> tuple[str, ...]:
    """The addresses of the device that answered to `name`; of several, those of the cached one."""
    if len(answers) < 2:
        return answers[0] if answers else ()
    from resin_toolkit.reach.identity import distinct_devices

    found = distinct_devices([replace(unresolved, host=name, addresses=addresses) for addresses in answers])
    same = [device for device, identity in found if known is not None and identity.matches(known)]
    if len(same) == 1 or len(found) == 1:
        return (same or [device for device, _ in found])[0].addresses
    places = " and ".join(device.addresses[0] for device, _ in found)
    raise DeviceAmbiguous(
        f"{len(found)} devices answer to {name}: {places}.",
        hint="Use the address of one of them; `resin scan` shows what they are.",
    )


def _mdns_reason(name: str) -> str:
    return f"no device on the local network answers to {name}"


def _not_found(name: str, tried: Sequence[str]) -> DeviceNotFound:
    near = _near(name)
    guess = f"Did you mean {near[0]}? " if near else ""
    return DeviceNotFound(
        f"{name} was not found: {', and '.join(tried)}.",
        hint=f"{guess}Run `resin scan` to list devices on the network, or use the device's IP address.",
        tried=tuple(tried),
        near=tuple(near),
    )


def _near(name: str) -> list[str]:
    """Cached devices with a similar name."""
    from difflib import get_close_matches

    short = {host.removesuffix(_LOCAL): host for host in cached_hosts()}
    wanted = name.removesuffix(_LOCAL)
    return [short[found] for found in get_close_matches(wanted, short, n=3) if found != wanted]


class _SystemLookup:
    """A lookup by the system's resolver, in a daemon thread: the process can end before its answer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reason = f"DNS did not answer for {name} in time"
        self._found: tuple[str, ...] | None = None
        self._answer: queue.SimpleQueue[tuple[tuple[str, ...], str]] = queue.SimpleQueue()
        threading.Thread(target=self._look_up, name=f"resolve {name}", daemon=True).start()

    def addresses(self, deadline: float) -> tuple[str, ...]:
        """The addresses found by `deadline` (of time.monotonic); empty if there are none yet."""
        if self._found is None:
            try:
                left = max(0.0, deadline - time.monotonic())
                self._found, self.reason = self._answer.get(timeout=left)
            except queue.Empty:
                return ()
        return self._found

    def _look_up(self) -> None:
        try:
            answers = socket.getaddrinfo(self.name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "not a DNS name"
            self._answer.put(((), f"DNS does not know {self.name} ({reason.lower()})"))
            return
        self._answer.put((tuple(dict.fromkeys(_numeric(answer[4]) for answer in answers)), ""))


def _numeric(sockaddr: tuple[str | int, ...] | tuple[int, bytes]) -> str:
    """The IP address of a result of getaddrinfo, with its zone."""
    return socket.getnameinfo(sockaddr, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]  # type: ignore[arg-type]


def _local_addresses(name: str) -> tuple[str, ...]:
    """The addresses of `name` that need no network: localhost (RFC 6761 section 6.3) and the hosts file."""
    if name == "localhost" or name.endswith(".localhost"):
        return ("127.0.0.1", "::1")
    found = []
    for line in _hosts_file():
        address, *names = line.partition("#")[0].split() or [""]
        if name in (each.lower().rstrip(".") for each in names):
            found.append(address)
    return tuple(dict.fromkeys(address for address in found if Address(address).is_ip))


def _hosts_file() -> list[str]:
    """The lines of hosts(5); empty if there is no such file."""
    windows = Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32/drivers/etc/hosts"
    path = windows if os.name == "nt" else Path("/etc/hosts")
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
