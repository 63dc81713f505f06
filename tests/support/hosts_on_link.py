"""Hosts on one link, each in a network namespace of its own: devices that are honest, and others.

with link() as table, host(table) as kitchen, host(table) as stranger:
    with kitchen.serving(announces={"kitchen": ()}, engine=RecordingEngine("1")):
        table.resin("ps", "kitchen")
"""

from __future__ import annotations

import secrets
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from device.desk import Desk, desk, held, is_elsewhere, wait_for
from zeroconf import DNSAddress, DNSIncoming, DNSOutgoing, DNSPointer, DNSRecord, DNSService

from support.recording_engine import RecordingEngine
from support.recording_ssh import RecordingSsh

__all__ = ["Desk", "Host", "desk", "host"]

ENGINE_PORT, SSH_PORT = 2377, 22222
_MDNS_PORT, _GROUP = 5353, "224.0.0.251"
_SERVICE = "_ssh._tcp.local."
_SUBTYPE = f"_resin-device._sub.{_SERVICE}"
_ANSWER, _IN, _UNIQUE = 0x8400, 1, 0x8001
_POINTER, _SRV, _ADDRESS, _ADDRESS6 = 12, 33, 1, 28


class Host:
    """A machine on the link of a desk, at `address`; it runs nothing until `serving`."""

    def __init__(self, table: Desk, inside: Desk, address: str) -> None:
        self.table = table
        self.inside = inside
        self.address = address
        self.queries: list[str] = []
        """The names that it was asked for by multicast."""

    @contextmanager
    def serving(
        self,
        *,
        announces: Mapping[str, Sequence[str]] | Sequence[str] = (),
        engine: RecordingEngine | None = None,
        ssh: RecordingSsh | None = None,
        delay: float = 0.0,
        address: str | None = None,
    ) -> Iterator[None]:
        """Run an engine on its TCP port, an SSH server, and a responder that has names.

        `announces` holds, for each name, the addresses it answers with (empty: its own). `delay` is how many
        seconds it takes to answer to a query. `address` is where the engine and the SSH server listen, if
        not at its own.
        """
        place = address or self.address
        names = announces if isinstance(announces, Mapping) else dict.fromkeys(announces, ())
        with ExitStack() as stack:
            if engine is not None:
                stack.enter_context(self._listening(place, ENGINE_PORT, _over_tcp(engine)))
            if ssh is not None:
                stack.enter_context(self._listening(place, SSH_PORT, ssh.serve))
            if names:
                known = {f"{name}.local.": tuple(given) or (self.address,) for name, given in names.items()}
                stack.enter_context(self._answering(known, delay))
            yield

    def forwarder(self, address: str, port: int) -> Callable[[socket.socket], object]:
        """For `listening`: passes each connection on to another host of the link, and what comes back."""

        def serve(near: socket.socket) -> None:
            with self.inside.entered():
                far = socket.create_connection((address, port))
            with far:
                back = threading.Thread(target=_copy, args=(far, near), daemon=True)
                back.start()
                _copy(near, far)
                back.join()

        return serve

    @contextmanager
    def listening(self, port: int, serve: Callable[[socket.socket], object]) -> Iterator[None]:
        """A TCP server of any kind at its address; `serve` is called in a thread for each connection."""
        with self._listening(self.address, port, serve):
            yield

    @contextmanager
    def _listening(self, address: str, port: int, serve: Callable[[socket.socket], object]) -> Iterator[None]:
        with self.inside.entered():
            server = socket.create_server((address, port))
        open_now: set[socket.socket] = set()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=serve_one, args=server.accept()[:1], daemon=True).start()

        def serve_one(connection: socket.socket) -> None:
            open_now.add(connection)
            with connection, suppress(OSError):
                serve(connection)
            open_now.discard(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            server.close()
            for connection in tuple(open_now):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _answering(self, names: Mapping[str, Sequence[str]], delay: float) -> Iterator[None]:
        responder = self._responder()
        over = threading.Event()

        def answer() -> None:
            while not over.is_set():
                try:
                    data, (source, port) = responder.recvfrom(9000)
                except TimeoutError:
                    continue
                message = DNSIncoming(data)
                packet = self._packet(message, names)
                if packet is not None and not over.wait(delay):
                    target = (_GROUP, _MDNS_PORT) if port == _MDNS_PORT else (source, port)
                    with suppress(OSError):
                        responder.sendto(packet, target)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            responder.close()

    def _responder(self) -> socket.socket:
        """A socket of the multicast group, on this host."""
        with self.inside.entered():
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.settimeout(0.05)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("", _MDNS_PORT))
        address = socket.inet_aton(self.address)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(_GROUP) + address)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, address)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        return made

    def _packet(self, message: DNSIncoming, names: Mapping[str, Sequence[str]]) -> bytes | None:
        """What it answers to a query; None for nothing."""
        if not message.valid or not message.is_query():
            return None
        asked = [question.name.lower() for question in message.questions]
        self.queries += asked
        records: list[DNSRecord] = []
        for name, addresses in names.items():
            instance = f"{name.removesuffix('.local.')}.{_SERVICE}"
            if _SUBTYPE in asked or instance.lower() in asked:
                records.append(DNSPointer(_SUBTYPE, _POINTER, _IN, 120, instance))
                records.append(DNSService(instance, _SRV, _UNIQUE, 120, 0, 0, SSH_PORT, name))
            elif name.lower() not in asked:
                continue
            records += [_address_record(name, address) for address in addresses]
        if not records:
            return None
        out = DNSOutgoing(_ANSWER)
        for record in records:
            out.add_answer_at_time(record, 0)
        [packet] = out.packets()
        return struct.pack(">H", message.id) + packet[2:]


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _address_record(name: str, address: str) -> DNSAddress:
    family, kind = (socket.AF_INET6, _ADDRESS6) if ":" in address else (socket.AF_INET, _ADDRESS)
    return DNSAddress(name, kind, _UNIQUE, 120, socket.inet_pton(family, address))


def _over_tcp(engine: RecordingEngine) -> Callable[[socket.socket], object]:
    def serve(connection: socket.socket) -> None:
        with suppress(ValueError), connection.makefile("rb") as reader, connection.makefile("wb") as writer:
            engine.serve(reader, writer)

    return serve


@contextmanager
def host(table: Desk, address: str = "") -> Iterator[Host]:
    """A machine plugged into the bridge of a desk."""
    with held(["unshare", "--net", "--", "cat"]) as holder:
        namespace = Path(f"/proc/{holder.pid}/ns/net")
        wait_for(lambda: is_elsewhere(namespace), "a network namespace")
        inside = Desk(namespace, table.home)
        port, place = f"host{secrets.token_hex(4)}", address or table.next_address()
        table.run(
            *("sh", "-c"),
            f"ip link add {port} type veth peer name eth0 netns {holder.pid};"
            f"ip link set {port} addrgenmode none; ip link set {port} master {table.interface} up",
        )
        inside.run(
            *("sh", "-c"),
            "ip link set lo up; ip link set eth0 addrgenmode none; ip link set eth0 up;"
            f"ip address add {place}/24 dev eth0; ip route add default via {table.address}",
        )
        made = Host(table, inside, place)
        try:
            yield made
        finally:
            with suppress(RuntimeError):
                table.run("ip", "link", "delete", port)
