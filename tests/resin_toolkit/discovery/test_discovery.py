"""mDNS messages, and the devices found in them."""

from __future__ import annotations

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zeroconf import DNSAddress, DNSIncoming, DNSOutgoing, DNSPointer, DNSRecord, DNSService

from resin_toolkit.device.facts import DeviceFacts
from resin_toolkit.device.record import Device
from resin_toolkit.discovery.discovered_device import discovered_device, printable
from resin_toolkit.discovery.interfaces import LocalAddress, LocalNetworks, local_addresses, local_networks
from resin_toolkit.discovery.messages import SUBTYPES, RecordType, query, question, read_answers
from resin_toolkit.discovery.probes import Probes
from resin_toolkit.discovery.responders import Responders, group_by_device
from resin_toolkit.discovery.schedule import QuerySchedule
from resin_toolkit.discovery.sockets import Datagram
from resin_toolkit.terminal.live_text import truncate

ETH = LocalAddress("eth0", 2, "10.0.0.1", ("10.0.0.0/24",))
WIFI = LocalAddress("wlan0", 3, "10.1.0.1", ("10.1.0.0/24",))
RESPONSE = 0x8400
# zeroconf before 0.149 accepts no subclass of int.
PTR, SRV = int(RecordType.PTR), int(RecordType.SRV)


def answer(*records: DNSRecord) -> bytes:
    message = DNSOutgoing(RESPONSE)
    for record in records:
        message.add_answer_at_time(record, 0)
    [data] = message.packets()
    return data


def announced(name: str, *addresses: str, ttl: int = 120, host: str = "") -> bytes:
    instance, where = f"{name}._ssh._tcp.local.", f"{host or name}.local."
    return answer(
        DNSPointer(SUBTYPES[0], PTR, 1, ttl, instance),
        DNSService(instance, SRV, 1, ttl, 0, 0, 22222, where),
        *(address_of(where, address, ttl) for address in addresses),
    )


def address_of(host: str, address: str, ttl: int = 120) -> DNSAddress:
    family, kind = (socket.AF_INET6, RecordType.AAAA) if ":" in address else (socket.AF_INET, RecordType.A)
    return DNSAddress(host, int(kind), 1, ttl, socket.inet_pton(family, address))


LOCAL = LocalNetworks(
    own=frozenset({"10.0.0.1", "10.0.0.255", "fe80::1234", "192.168.7.1"}),
    networks={"eth0": ("10.0.0.0/24", "fe80::/64", "fd00:1::/64"), "wlan0": ("10.1.0.0/24",)},
)


def announce(*messages: tuple[LocalAddress, str, bytes]) -> Responders:
    responders = Responders()
    for origin, source, data in messages:
        responders.add(Datagram(origin, source, data), 0.0, LOCAL)
    return responders


def addresses_by_device(responders: Responders) -> list[set[str]]:
    groups = group_by_device(responders.sightings())
    return [{address for sighting in group for address in sighting.addresses} for group in groups]


def test_a_query_is_readable_by_another_parser() -> None:
    message = DNSIncoming(
        query(question(SUBTYPES[0], RecordType.PTR), question("kitchen.local.", RecordType.AAAA))
    )
    assert message.valid
    assert message.is_query()
    assert [(q.name, q.type) for q in message.questions] == [(SUBTYPES[0], 12), ("kitchen.local.", 28)]


def test_an_instance_with_dots_is_one_label() -> None:
    data = query(question("No. 7 (lab)._ssh._tcp.local.", RecordType.SRV))
    assert data[12:].startswith(b"\x0bNo. 7 (lab)\x04_ssh\x04_tcp\x05local\x00")


@pytest.mark.parametrize("name", ["", "a..local.", f"{'x' * 64}.local."])
def test_a_name_that_no_message_can_hold(name: str) -> None:
    with pytest.raises(ValueError):
        query(question(name, RecordType.A))


@given(st.binary(max_size=300))
def test_junk_has_no_answers(data: bytes) -> None:
    assert isinstance(read_answers(data), list)


def test_queries_of_others_are_not_answers() -> None:
    known = bytearray(announced("kitchen", "10.0.0.7"))
    assert read_answers(bytes(known))
    known[2] = 0  # the flag that makes an answer of it (RFC 1035 section 4.1.1)
    assert read_answers(bytes(known)) == []


def test_a_device_is_known_by_one_message() -> None:
    [sighting] = announce((ETH, "10.0.0.7", announced("kitchen", "10.0.0.7", "fe80::7"))).sightings()
    assert (sighting.instance, sighting.host, sighting.port) == ("kitchen", "kitchen.local", 22222)
    assert sighting.addresses == ("10.0.0.7", "fe80::7%eth0")
    found = discovered_device(1, [sighting], DeviceFacts(), ssh_port=None)
    assert found.device.addresses == ("10.0.0.7", "fe80::7%eth0")


def test_an_ssh_server_that_is_not_a_device_is_ignored() -> None:
    plain = DNSPointer("_ssh._tcp.local.", PTR, 1, 120, "server._ssh._tcp.local.")
    service = DNSService("server._ssh._tcp.local.", SRV, 1, 120, 0, 0, 22, "server.local.")
    data = answer(plain, service, address_of("server.local.", "10.0.0.8"))
    assert len(read_answers(data)) == 3
    assert announce((ETH, "10.0.0.8", data)).sightings() == []


def test_records_that_an_announcement_leaves_out_are_queried() -> None:
    instance = "kitchen._ssh._tcp.local."
    responders = announce((ETH, "10.0.0.7", answer(DNSPointer(SUBTYPES[1], PTR, 1, 120, instance))))
    assert list(responders.missing_records()) == [("eth0", question(instance, RecordType.SRV))]
    service = DNSService(instance, SRV, 1, 120, 0, 0, 22, "kitchen.local.")
    responders.add(Datagram(ETH, "10.0.0.7", answer(service)), 0.0, LOCAL)
    assert ("eth0", question("kitchen.local.", RecordType.A)) in list(responders.missing_records())
    responders.add(Datagram(ETH, "10.0.0.7", answer(address_of("kitchen.local.", "10.0.0.7"))), 0.0, LOCAL)
    assert list(responders.missing_records()) == []
    assert len(responders.sightings()) == 1


def test_ipv4_and_ipv6_of_one_device_are_one() -> None:
    responders = announce(
        (ETH, "10.0.0.7", announced("kitchen", "10.0.0.7", "fe80::7")),
        (ETH, "fe80::7", announced("kitchen", "fe80::7")),
    )
    assert addresses_by_device(responders) == [{"10.0.0.7", "fe80::7%eth0"}]


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.9.10", "0.0.0.0", "255.255.255.255", "224.0.0.1", "239.1.2.3", "240.0.0.1"),
        *("::1", "::", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.9"),
        *("10.0.0.1", "10.0.0.255", "fe80::1234", "192.168.7.1"),
    ],
)
def test_an_address_that_is_none_of_another_machine_is_ignored(address: str) -> None:
    assert announce((ETH, "10.0.0.9", announced("kitchen", address))).sightings() == []
    [sighting] = announce((ETH, "10.0.0.9", announced("kitchen", address, "10.0.0.9"))).sightings()
    assert sighting.addresses == ("10.0.0.9",)


def test_an_address_of_another_network_is_tried_last() -> None:
    for addresses in (("8.8.8.8", "10.0.0.9", "fd00:1::9"), ("fd00:1::9", "10.0.0.9", "8.8.8.8")):
        [sighting] = announce((ETH, "10.0.0.9", announced("kitchen", *addresses))).sightings()
        found = discovered_device(1, [sighting], DeviceFacts(), ssh_port=None)
        assert found.device.addresses == ("10.0.0.9", "fd00:1::9", "8.8.8.8")


def test_the_local_networks_are_those_of_this_machine() -> None:
    local = local_networks()
    assert "127.0.0.1" in local.own
    assert local.is_on_link("lo", "127.0.0.1")
    assert not local.is_on_link("lo", "8.8.8.8")
    assert not local.may_be_device("127.0.0.1")
    assert local.may_be_device("8.8.8.8")


def test_one_name_at_two_addresses_is_two_devices() -> None:
    responders = announce(
        (ETH, "10.0.0.7", announced("resin", "10.0.0.7")), (ETH, "10.0.0.8", announced("resin", "10.0.0.8"))
    )
    assert addresses_by_device(responders) == [{"10.0.0.7"}, {"10.0.0.8"}]


def test_one_name_and_address_on_two_networks_is_two_devices() -> None:
    responders = announce(
        (ETH, "10.42.0.1", announced("resin", "10.42.0.1", "fe80::1")),
        (WIFI, "10.42.0.1", announced("resin", "10.42.0.1", "fe80::2")),
    )
    assert len(addresses_by_device(responders)) == 2


def test_one_device_seen_from_two_interfaces_is_one() -> None:
    responders = announce(
        (ETH, "10.0.0.7", announced("resin", "10.0.0.7", "fe80::7")),
        (WIFI, "10.0.0.7", announced("resin", "10.0.0.7", "fe80::7")),
    )
    assert addresses_by_device(responders) == [{"10.0.0.7", "fe80::7%eth0", "fe80::7%wlan0"}]


def test_a_goodbye_counts_after_a_second_unless_it_is_cancelled() -> None:
    for is_cancelled in (False, True):
        responders = announce((ETH, "10.0.0.7", announced("kitchen", "10.0.0.7")))
        responders.add(Datagram(ETH, "10.0.0.7", announced("kitchen", "10.0.0.7", ttl=0)), 5.0, LOCAL)
        if is_cancelled:
            responders.add(Datagram(ETH, "10.0.0.7", announced("kitchen", "10.0.0.7")), 5.5, LOCAL)
        responders.expire(6.5)
        assert bool(responders.sightings()) is is_cancelled


def test_who_is_silent_or_behind_a_lost_interface_is_gone() -> None:
    responders = announce(
        (ETH, "10.0.0.7", announced("a", "10.0.0.7")), (WIFI, "10.1.0.7", announced("b", "10.1.0.7"))
    )
    responders.drop_interfaces(["wlan0"])
    assert [sighting.instance for sighting in responders.sightings()] == ["a"]
    responders.drop_silent(1.0)
    assert responders.sightings() == []


def test_a_crowd_is_bounded() -> None:
    crowd = [(ETH, f"10.0.{n // 250}.{n % 250}", announced(f"d{n}", "10.0.0.7")) for n in range(600)]
    assert len(announce(*crowd).sightings()) == 500


def test_names_are_printable() -> None:
    assert printable("\x1b[2Jno\nte\u202e Küche 厨房") == "\ufffd[2Jno\ufffdte\ufffd Küche 厨房"


@pytest.mark.parametrize(
    ("line", "columns", "shown"),
    [("kitchen", 4, "kitc"), ("厨房x", 4, "厨房"), ("厨房x", 3, "厨"), ("e\u0301x", 1, "e\u0301")],
)
def test_a_line_is_cut_to_the_columns_that_it_takes(line: str, columns: int, shown: str) -> None:
    assert truncate(line, columns) == shown


def test_loopback_is_asked_last() -> None:
    found = local_addresses()
    assert found
    assert found[-1].is_loopback
    assert ETH.reaches("10.0.0.9")
    assert not ETH.reaches("10.9.0.9")


def test_a_search_ends_after_a_second_of_silence_or_at_its_deadline() -> None:
    schedule = QuerySchedule(100.0, 4.0, watch=False)
    assert not schedule.is_over(101.5, incomplete=False)
    schedule.record_change(100.5)
    assert not schedule.is_over(101.4, incomplete=False)
    assert schedule.is_over(101.5, incomplete=False)
    assert not schedule.is_over(103.9, incomplete=True)
    assert schedule.is_over(104.0, incomplete=True)
    assert not QuerySchedule(100.0, 4.0, watch=True).is_over(200.0, incomplete=False)


def test_a_watch_queries_again_and_gives_up_on_the_silent_after_each_round() -> None:
    schedule = QuerySchedule(100.0, 4.0, watch=True)
    assert [schedule.is_query_due(now) for now in (100.0, 100.1, 100.3, 109.0, 110.0)] == [
        True,
        False,
        True,
        True,
        True,
    ]
    assert (schedule.round_started, schedule.has_round_ended(113.9)) == (110.0, False)
    assert schedule.has_round_ended(114.0)
    assert not schedule.has_round_ended(115.0)


def test_announcements_without_end_take_little_memory() -> None:
    """From many addresses of one link, and from one that announces ever new names, hosts and addresses."""
    sources = [f"10.0.{number // 250}.{number % 250}" for number in range(1000)]
    flood = [(ETH, source, announced(f"board{n}", source)) for n, source in enumerate(sources)]
    flood += [(ETH, "10.0.0.7", announced(f"more{n}", "10.0.0.7")) for n in range(1000)]
    responders = announce(*flood)
    hosts = [address_of(f"host{n}.local.", f"10.1.{n // 250}.{n % 250}") for n in range(1000)]
    hosts += [address_of("board7.local.", f"10.2.{n // 250}.{n % 250}") for n in range(1000)]
    for start in range(0, len(hosts), 20):
        responders.add(Datagram(ETH, "10.0.0.7", answer(*hosts[start : start + 20])), 1.0, LOCAL)
    assert len(responders.sightings()) <= 500
    senders = list(responders._senders.values())
    assert max(len(sender.addresses) for sender in senders) <= 64
    assert max(len(each) for sender in senders for each in sender.addresses.values()) <= 32


def test_probes_of_many_devices_share_a_few_threads() -> None:
    threads: set[int] = set()
    most: list[int] = []
    release = threading.Event()

    def probe(device: Device, on_facts: object) -> DeviceFacts:  # noqa: ARG001
        threads.add(threading.get_ident())
        most.append(threading.active_count())
        release.wait(10)
        return DeviceFacts()

    before = threading.active_count()
    done = threading.Semaphore(0)
    probes = Probes(probe, done.release)
    for _ in range(3):
        for number in range(1000):
            probes.start(number, Device(f"board{number}.local", ("10.0.0.1",)))
    assert threading.active_count() - before <= 8
    running = probes.running
    release.set()
    for _ in range(running):
        assert done.acquire(timeout=10)
    assert len(list(probes.results())) == running
    assert probes.running == 0
    assert max(most) - before <= 8
