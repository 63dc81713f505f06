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
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from resin_toolkit.device.address import Address
from resin_toolkit.device.cache import CachedDevice, cached_device, cached_hosts
from resin_toolkit.device.ip_addresses import is_ip
from resin_toolkit.device.record import ENGINE_PORTS, SSH_PORT, Device
from resin_toolkit.errors import DeviceAmbiguous, DeviceNotFound
from resin_toolkit.ssh.config import find_host_config, host_config
from resin_toolkit.ssh.host_keys import expected_fingerprint, pinned_key

_LOCAL = ".local"
_MDNS_ALONE = 0.2
"""Seconds to wait for mDNS before the cached address is tried."""
_MDNS_FIRST = 0.8
"""Seconds to query a bare name as NAME.local before an answer of DNS is accepted."""
_PROOF_TIMEOUT = 3.0
"""Seconds to wait for a key exchange that is still running: a small board is slow."""


def resolve_device(
    address: Address, *, ssh_port: int | None = None, host_key: str = "", within: float = 2.3
) -> Device:
    """Resolve `address` to a device with IP addresses.

    `ssh_port`, from an option, takes precedence over the address's; `host_key` is the fingerprint that it has
    to prove, if any. Connects only to find the device that is remembered by this name, if another one answers
    to it, or none. Raises DeviceNotFound after at most `within` seconds, DeviceAmbiguous if several devices
    have the name, HostKeyChanged if only others than the remembered one answer, StateDamaged and
    ConfigInvalid. A host that ~/.ssh/config reaches through a jump host gets no addresses.
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
        host_key=host_key,
    )
    deadline = time.monotonic() + within
    if alias is None:

        def as_host(host: str) -> Device:
            known = _known_host(host, address.host, typed)
            return replace(unresolved, host=known, ssh_port=typed or _configured_port(known))

        return _look_up(address.host, as_host, deadline)
    if alias.jumps:
        # Only the jump host can resolve its name.
        return unresolved
    return _look_up(alias.host.lower(), lambda _host: unresolved, deadline)


def stored_names(address: Address, ssh_port: int | None = None) -> list[Device]:
    """The devices, without addresses, that something may be remembered of by this DEVICE argument."""
    bare = not address.is_ip and "." not in address.host
    hosts = (address.host, address.host + _LOCAL) if bare else (address.host,)
    return [
        Device(host, (), ssh_port=ssh_port or address.ssh_port or _configured_port(host)) for host in hosts
    ]


def _known_host(host: str, typed: str, port: int | None) -> str:
    """The name that the device at `host` is remembered by.

    `kitchen` is looked up by mDNS and in DNS. Whoever answers in the one for a device that is known by the
    other must not count as new.
    """
    other = typed + _LOCAL if host == typed else typed
    if "." in typed or is_ip(typed) or other == host or _is_pinned(host, port):
        return host
    return other if _is_pinned(other, port) else host


def _is_pinned(host: str, port: int | None) -> bool:
    return pinned_key(Device(host, (), ssh_port=port or _configured_port(host))) is not None


def _configured_port(host: str) -> int:
    """The SSH port of a host in ~/.ssh/config, else the default."""
    return host_config(host).port or SSH_PORT


def _look_up(name: str, as_host: Callable[[str], Device], deadline: float) -> Device:
    """Look up `name`. `as_host` returns the device without addresses for the full name that is found."""

    def found_at(host: str, addresses: tuple[str, ...]) -> Device:
        return replace(as_host(host), addresses=addresses)

    if is_ip(name):
        return found_at(name, (name,))
    if name.endswith(_LOCAL):
        found = _query_mdns(name, as_host(name), deadline, deadline)
        if not found:
            raise _not_found(name, [_mdns_reason(name)])
        return found_at(name, found)
    if found := _local_addresses(name):
        return found_at(name, found)
    system = _SystemLookup(name)
    tried = []
    if "." not in name:
        local = name + _LOCAL
        until = min(deadline, time.monotonic() + _MDNS_FIRST)
        if found := _query_mdns(local, as_host(local), until, deadline):
            return found_at(local, found)
        if not system.addresses(until) and (found := _query_mdns(local, as_host(local), deadline, deadline)):
            return found_at(local, found)
        tried.append(_mdns_reason(local))
    if found := system.addresses(deadline):
        return found_at(name, found)
    raise _not_found(name, [*tried, system.reason])


def _query_mdns(name: str, device: Device, until: float, deadline: float) -> tuple[str, ...]:
    """Query mDNS for the addresses of `device`, until `until`; until `deadline` if only others answer.

    Raises DeviceAmbiguous, HostKeyChanged, StateDamaged.
    """
    from resin_toolkit.discovery.name_lookup import resolve

    known = cached_device(device.host)
    if expected_fingerprint(device):
        return _query_known(name, device, known.addresses if known else (), until, deadline)
    if known is None or not known.addresses or not known.engine_id:
        return _choose_device(name, device, resolve(name, within=until - time.monotonic()), None)
    if found := resolve(name, within=min(_MDNS_ALONE, until - time.monotonic())):
        return _choose_device(name, device, found, known)
    from resin_toolkit.reach.identity import AddressCheck

    check = AddressCheck(device, known)
    found = resolve(name, within=until - time.monotonic(), stop=lambda: check.succeeded)
    return _choose_device(name, device, found, known) or (known.addresses if check.succeeded else ())


def _query_known(
    name: str, device: Device, last: tuple[str, ...], until: float, deadline: float
) -> tuple[str, ...]:
    """Query mDNS for a device whose host key is known.

    An answer with its `last` address is taken at once: the connection verifies the key. Others have to prove
    the key; meanwhile further answers are awaited. Without an answer the last address is tried.
    """
    from resin_toolkit.discovery.name_lookup import resolve
    from resin_toolkit.reach.identity import KeySearch

    search = KeySearch(device)
    alone_until = time.monotonic() + _MDNS_ALONE

    def is_found(answers: Sequence[tuple[str, ...]]) -> bool:
        if _at_last(answers):
            return True
        search.add([address for addresses in answers for address in addresses])
        search.add(last)
        return bool(search.proven)

    def is_at_last() -> bool:
        if time.monotonic() >= alone_until:
            search.add(last)
        return bool(search.proven)

    def _at_last(answers: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """The addresses of an answer with the last one, which comes first; none if all need a proof."""
        if device.host_key:
            return ()
        found = next((addresses for addresses in answers if set(addresses) & set(last)), ())
        return tuple(sorted(found, key=lambda address: address not in last))

    now = time.monotonic()
    with closing(search):
        answers = resolve(name, within=until - now, stop=is_at_last, enough=is_found, longer=deadline - now)
        found = _at_last(answers)
        if answers and not found:
            search.wait(_PROOF_TIMEOUT)
    if found:
        return found
    if search.proven:
        return tuple(search.proven)
    if search.conflict:
        raise search.conflict
    return tuple(address for addresses in answers for address in addresses)


def _choose_device(
    name: str, unresolved: Device, answers: Sequence[tuple[str, ...]], known: CachedDevice | None
) -> tuple[str, ...]:
    """The addresses of the device that answered to `name`; of several, those of the remembered one."""
    if len(answers) < 2:
        return answers[0] if answers else ()
    from resin_toolkit.reach.identity import distinct_devices

    found = distinct_devices([replace(unresolved, host=name, addresses=addresses) for addresses in answers])
    same = [device for device, identity in found if identity.matches(unresolved, known)]
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
    """Devices with a similar name that were reached or seen."""
    from difflib import get_close_matches

    from resin_toolkit.device.seen_devices import seen_hosts

    short = {host.removesuffix(_LOCAL): host for host in (*seen_hosts(), *cached_hosts())}
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
