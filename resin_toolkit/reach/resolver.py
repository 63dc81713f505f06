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

from resin_toolkit.device.address import Address, is_ip
from resin_toolkit.device.cache import CachedDevice, cached_device, cached_hosts
from resin_toolkit.device.record import ENGINE_PORTS, SSH_PORT, Device
from resin_toolkit.errors import DeviceAmbiguous, DeviceNotFound
from resin_toolkit.ssh.config import find_host_config, host_config

_LOCAL = ".local"
_LIVE = 0.2
"""Seconds that the network has to answer before it is looked where the device was."""
_MDNS_FIRST = 0.8
"""Seconds for which a bare word is asked for as NAME.local before an answer of DNS counts."""


def resolve_device(address: Address, *, ssh_port: int | None = None, within: float = 2.3) -> Device:
    """Resolve `address` to a device with IP addresses, connecting to it only to verify a cached address.

    `ssh_port`, from an option, takes precedence over the address's. Raises DeviceNotFound after at most
    `within` seconds, DeviceAmbiguous if several devices have the name, and ConfigInvalid. A host that
    ~/.ssh/config reaches through a jump host gets no addresses.
    """
    alias = None if address.is_ip or address.host.endswith(_LOCAL) else find_host_config(address.host)
    typed = ssh_port or address.ssh_port
    asked = Device(
        address.host,
        (),
        ssh_port=typed or _configured_port(address.host),
        engine_ports=(address.engine_port,) if address.engine_port else ENGINE_PORTS,
        user=address.user,
        access_method=address.access_method,
    )
    deadline = time.monotonic() + within
    if alias is None:
        host, addresses = _host_and_addresses(asked, deadline)
        return replace(asked, host=host, addresses=addresses, ssh_port=typed or _configured_port(host))
    if alias.jumps:
        # Its name means something only where the way to it ends.
        return asked
    _, addresses = _host_and_addresses(replace(asked, host=alias.host.lower()), deadline)
    return replace(asked, addresses=addresses)


def _configured_port(host: str) -> int:
    """The port that ~/.ssh/config has for a host that it names."""
    return host_config(host).port or SSH_PORT


def _host_and_addresses(asked: Device, deadline: float) -> tuple[str, tuple[str, ...]]:
    name = asked.host
    if is_ip(name):
        return name, (name,)
    if name.endswith(_LOCAL):
        found = _by_mdns(name, asked, deadline)
        if not found:
            raise _not_found(name, [_mdns_said(name)])
        return name, found
    if found := _of_this_machine(name):
        return name, found
    system = _AskedSystem(name)
    tried = []
    if "." not in name:
        local = name + _LOCAL
        until = min(deadline, time.monotonic() + _MDNS_FIRST)
        if found := _by_mdns(local, asked, until):
            return local, found
        if not system.addresses(until) and (found := _by_mdns(local, asked, deadline)):
            return local, found
        tried.append(_mdns_said(local))
    if found := system.addresses(deadline):
        return name, found
    raise _not_found(name, [*tried, system.said])


def _by_mdns(name: str, asked: Device, deadline: float) -> tuple[str, ...]:
    """What the network says; where it says nothing at once, where the device was, if it is still there.

    Raises DeviceAmbiguous.
    """
    from resin_toolkit.discovery.name_lookup import resolve

    known = cached_device(name)
    if known is None or not known.is_recognizable:
        return _one_of(name, asked, resolve(name, within=deadline - time.monotonic()), None)
    if found := resolve(name, within=min(_LIVE, deadline - time.monotonic())):
        return _one_of(name, asked, found, known)
    from resin_toolkit.reach.identity import IdentityCheck

    look = IdentityCheck(known, asked)
    found = resolve(name, within=deadline - time.monotonic(), stop=lambda: look.succeeded)
    return _one_of(name, asked, found, known) or (known.addresses if look.succeeded else ())


def _one_of(
    name: str, asked: Device, answers: Sequence[tuple[str, ...]], known: CachedDevice | None
) -> tuple[str, ...]:
    """The addresses of the one device that answers to `name`, of several the one that is known by it."""
    if len(answers) < 2:
        return answers[0] if answers else ()
    from resin_toolkit.reach.identity import distinct_devices

    found = distinct_devices([replace(asked, host=name, addresses=addresses) for addresses in answers])
    same = [device for device, identity in found if known is not None and identity.matches(known)]
    if len(same) == 1 or len(found) == 1:
        return (same or [device for device, _ in found])[0].addresses
    places = " and ".join(device.addresses[0] for device, _ in found)
    raise DeviceAmbiguous(
        f"{len(found)} devices answer to {name}: {places}.",
        hint="Use the address of one of them; `resin scan` shows what they are.",
    )


def _mdns_said(name: str) -> str:
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
    """Devices that were seen before and are called nearly so."""
    from difflib import get_close_matches

    short = {host.removesuffix(_LOCAL): host for host in cached_hosts()}
    wanted = name.removesuffix(_LOCAL)
    return [short[found] for found in get_close_matches(wanted, short, n=3) if found != wanted]


class _AskedSystem:
    """A name that the system's resolver was asked for; the process can end without waiting for its answer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.said = f"DNS did not answer for {name} in time"
        self._found: tuple[str, ...] | None = None
        self._answer: queue.SimpleQueue[tuple[tuple[str, ...], str]] = queue.SimpleQueue()
        threading.Thread(target=self._ask, name=f"resolve {name}", daemon=True).start()

    def addresses(self, deadline: float) -> tuple[str, ...]:
        """What was found by `deadline` (of time.monotonic); empty is nothing, or nothing yet."""
        if self._found is None:
            try:
                left = max(0.0, deadline - time.monotonic())
                self._found, self.said = self._answer.get(timeout=left)
            except queue.Empty:
                return ()
        return self._found

    def _ask(self) -> None:
        try:
            answers = socket.getaddrinfo(self.name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "no name of DNS"
            self._answer.put(((), f"DNS does not know {self.name} ({reason.lower()})"))
            return
        self._answer.put((tuple(dict.fromkeys(_numeric(answer[4]) for answer in answers)), ""))


def _numeric(place: tuple[str | int, ...] | tuple[int, bytes]) -> str:
    """The IP address of one of getaddrinfo's, with its zone."""
    return socket.getnameinfo(place, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]  # type: ignore[arg-type]


def _of_this_machine(name: str) -> tuple[str, ...]:
    """The addresses that this machine itself gives to `name`: RFC 6761 section 6.3, and its hosts file."""
    if name == "localhost" or name.endswith(".localhost"):
        return ("127.0.0.1", "::1")
    found = []
    for line in _hosts_file():
        address, *names = line.partition("#")[0].split() or [""]
        if name in (each.lower().rstrip(".") for each in names):
            found.append(address)
    return tuple(dict.fromkeys(address for address in found if Address(address).is_ip))


def _hosts_file() -> list[str]:
    """The lines of hosts(5); none where there is no such file."""
    windows = Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32/drivers/etc/hosts"
    path = windows if os.name == "nt" else Path("/etc/hosts")
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
