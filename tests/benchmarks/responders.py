"""mDNS responders in network namespaces of their own, all served by one thread of this process.

They answer as RFC 6762 asks: directly and with a TTL of 10 s to a port other than 5353 (section 6.7), to
everybody after 20 to 120 ms otherwise (section 6).
"""

from __future__ import annotations

import contextlib
import heapq
import random
import secrets
import selectors
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from device.desk import Desk, held, is_elsewhere, wait_for
from zeroconf import DNSAddress, DNSIncoming, DNSOutgoing, DNSPointer, DNSRecord, DNSService, DNSText

SERVICE = "_ssh._tcp.local."
SUBTYPE = f"_resin-device._sub.{SERVICE}"
_PORT, _GROUP = 5353, "224.0.0.251"
_RESPONSE, _UNIQUE, _IN = 0x8400, 0x8001, 0x0001


@dataclass
class Responder:
    """A device that only announces itself; `delay` is how many seconds it takes to answer."""

    name: str
    address: str
    delay: float = 0.0
    is_complete: bool = True
    """Whether its first answer has the service and address records too."""


@contextlib.contextmanager
def responders(table: Desk, devices: Sequence[Responder]) -> Iterator[None]:
    """Run `devices` on the network of `table`, each behind a veth pair."""
    with contextlib.ExitStack() as stack:
        serving = [(device, _plug_in(stack, table, device)) for device in devices]
        stop = threading.Event()
        thread = threading.Thread(target=_serve, args=(serving, stop))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _plug_in(stack: contextlib.ExitStack, table: Desk, device: Responder) -> socket.socket:
    holder = stack.enter_context(held(["unshare", "--net", "--", "cat"]))
    namespace = Path(f"/proc/{holder.pid}/ns/net")
    wait_for(lambda: is_elsewhere(namespace), "a network namespace")
    inside = Desk(namespace, table.home)
    port = f"mdns{secrets.token_hex(4)}"
    table.run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
    table.run("ip", "link", "set", port, "addrgenmode", "none")
    table.run("ip", "link", "set", port, "master", table.interface, "up")
    inside.run("sh", "-c", "ip link set lo up; ip link set eth0 addrgenmode none; ip link set eth0 up")
    inside.run("ip", "address", "add", f"{device.address}/24", "dev", "eth0")
    with inside.entered():
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stack.callback(listener.close)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", _PORT))
    address = socket.inet_aton(device.address)
    listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(_GROUP) + address)
    listener.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, address)
    listener.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    return listener


def _serve(serving: Sequence[tuple[Responder, socket.socket]], stop: threading.Event) -> None:
    selector = selectors.DefaultSelector()
    for device, listener in serving:
        selector.register(listener, selectors.EVENT_READ, device)
    due: list[tuple[float, int, socket.socket, bytes, tuple[str, int]]] = []
    count = 0
    while not stop.is_set():
        wait = max(0.0, due[0][0] - time.monotonic()) if due else 0.05
        for key, _ in selector.select(min(wait, 0.05)):
            listener = key.fileobj
            assert isinstance(listener, socket.socket)
            data, (source, port) = listener.recvfrom(9000)
            answer = _answer(key.data, data, legacy=port != _PORT)
            if answer:
                delay = 0.0 if port != _PORT else random.uniform(0.02, 0.12)
                target = (source, port) if port != _PORT else (_GROUP, _PORT)
                count += 1
                heapq.heappush(
                    due, (time.monotonic() + key.data.delay + delay, count, listener, answer, target)
                )
        while due and due[0][0] <= time.monotonic():
            _, _, listener, answer, target = heapq.heappop(due)
            with contextlib.suppress(OSError):
                listener.sendto(answer, target)
    selector.close()


def _answer(device: Responder, data: bytes, *, legacy: bool) -> bytes | None:
    message = DNSIncoming(data)
    if not message.valid or not message.is_query():
        return None
    instance, host = f"{device.name}.{SERVICE}", f"{device.name}.local."
    ttl, unique = (10, _IN) if legacy else (120, _UNIQUE)
    pointer = DNSPointer(SUBTYPE, 12, _IN, ttl, instance)
    service = DNSService(instance, 33, unique, ttl, 0, 0, 22222, host)
    address = DNSAddress(host, 1, unique, ttl, socket.inet_aton(device.address))
    text = DNSText(instance, 16, unique, ttl, b"\0")
    asked = {(question.name.lower(), question.type) for question in message.questions}
    known = any(answer == pointer for answer in message.answers())
    of_service = (instance.lower(), 33) in asked or (instance.lower(), 16) in asked
    of_all = (SUBTYPE, 12) in asked and not known
    records: list[DNSRecord] = [pointer] if of_all else []
    if (of_all and device.is_complete) or of_service:
        records += [service, text, address]
    elif (host.lower(), 1) in asked:
        records.append(address)
    if not records:
        return None
    out = DNSOutgoing(_RESPONSE)
    for record in records:
        out.add_answer_at_time(record, 0)
    [packet] = out.packets()
    return struct.pack(">H", message.id) + packet[2:]
