"""What is made of the messages of multicast DNS, and devices told apart by them."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zeroconf import DNSAddress, DNSIncoming, DNSOutgoing, DNSPointer, DNSRecord, DNSService

from resin_toolkit.device.facts import DeviceFacts
from resin_toolkit.discovery.discovered_device import discovered_device_of, fit_to_show
from resin_toolkit.discovery.interfaces import LocalAddress, local_addresses
from resin_toolkit.discovery.messages import SUBTYPES, Question, RecordType, questions, read
from resin_toolkit.discovery.responders import Responders, devices_of
from resin_toolkit.discovery.schedule import QuerySchedule
from resin_toolkit.discovery.sockets import Datagram
from resin_toolkit.terminal.live_text import truncate

ETH = LocalAddress("eth0", 2, "10.0.0.1", ("10.0.0.0/24",))
WIFI = LocalAddress("wlan0", 3, "10.1.0.1", ("10.1.0.0/24",))
RESPONSE = 0x8400


def answer(*records: DNSRecord) -> bytes:
    message = DNSOutgoing(RESPONSE)
    for record in records:
        message.add_answer_at_time(record, 0)
    [data] = message.packets()
    return data


def announced(name: str, *addresses: str, ttl: int = 120, host: str = "") -> bytes:
    instance, where = f"{name}._ssh._tcp.local.", f"{host or name}.local."
    return answer(
        DNSPointer(SUBTYPES[0], RecordType.PTR, 1, ttl, instance),
        DNSService(instance, RecordType.SRV, 1, ttl, 0, 0, 22222, where),
        *(address_of(where, address, ttl) for address in addresses),
    )


def address_of(host: str, address: str, ttl: int = 120) -> DNSAddress:
    family, kind = (socket.AF_INET6, RecordType.AAAA) if ":" in address else (socket.AF_INET, RecordType.A)
    return DNSAddress(host, kind, 1, ttl, socket.inet_pton(family, address))


def told(*messages: tuple[LocalAddress, str, bytes]) -> Responders:
    responders = Responders()
    for origin, source, data in messages:
        responders.learn(Datagram(origin, source, data), 0.0)
    return responders


def addresses_by_device(responders: Responders) -> list[set[str]]:
    groups = devices_of(responders.sightings())
    return [{address for sighting in group for address in sighting.addresses} for group in groups]


def test_a_question_is_read_by_another_program_as_it_was_meant() -> None:
    message = DNSIncoming(
        questions(Question(SUBTYPES[0], RecordType.PTR), Question("kitchen.local.", RecordType.AAAA))
    )
    assert message.valid
    assert message.is_query()
    assert [(q.name, q.type) for q in message.questions] == [(SUBTYPES[0], 12), ("kitchen.local.", 28)]


def test_an_instance_with_dots_is_one_label() -> None:
    data = questions(Question("No. 7 (lab)._ssh._tcp.local.", RecordType.SRV))
    assert data[12:].startswith(b"\x0bNo. 7 (lab)\x04_ssh\x04_tcp\x05local\x00")


@pytest.mark.parametrize("name", ["", "a..local.", f"{'x' * 64}.local."])
def test_a_name_that_no_message_holds(name: str) -> None:
    with pytest.raises(ValueError):
        questions(Question(name, RecordType.A))


@given(st.binary(max_size=300))
def test_junk_is_nothing(data: bytes) -> None:
    assert isinstance(read(data), list)


def test_questions_of_others_are_no_answers() -> None:
    known = bytearray(announced("kitchen", "10.0.0.7"))
    assert read(bytes(known))
    known[2] = 0  # the flag that makes an answer of it (RFC 1035 section 4.1.1)
    assert read(bytes(known)) == []


def test_a_device_is_known_by_one_message() -> None:
    [sighting] = told((ETH, "10.0.0.7", announced("kitchen", "10.0.0.7", "fe80::7"))).sightings()
    assert (sighting.instance, sighting.host, sighting.port) == ("kitchen", "kitchen.local", 22222)
    assert sighting.addresses == ("10.0.0.7", "fe80::7%eth0")
    found = discovered_device_of(1, [sighting], DeviceFacts(), ssh_port=None)
    assert found.device.addresses == ("10.0.0.7", "fe80::7%eth0")


def test_an_ssh_server_that_is_no_device_is_none() -> None:
    plain = DNSPointer("_ssh._tcp.local.", RecordType.PTR, 1, 120, "server._ssh._tcp.local.")
    service = DNSService("server._ssh._tcp.local.", RecordType.SRV, 1, 120, 0, 0, 22, "server.local.")
    data = answer(plain, service, address_of("server.local.", "10.0.0.8"))
    assert len(read(data)) == 3
    assert told((ETH, "10.0.0.8", data)).sightings() == []


def test_what_an_announcement_leaves_out_is_asked_for() -> None:
    instance = "kitchen._ssh._tcp.local."
    responders = told((ETH, "10.0.0.7", answer(DNSPointer(SUBTYPES[1], RecordType.PTR, 1, 120, instance))))
    assert list(responders.open_questions()) == [("eth0", Question(instance, RecordType.SRV))]
    service = DNSService(instance, RecordType.SRV, 1, 120, 0, 0, 22, "kitchen.local.")
    responders.learn(Datagram(ETH, "10.0.0.7", answer(service)), 0.0)
    assert ("eth0", Question("kitchen.local.", RecordType.A)) in list(responders.open_questions())
    responders.learn(Datagram(ETH, "10.0.0.7", answer(address_of("kitchen.local.", "10.0.0.7"))), 0.0)
    assert list(responders.open_questions()) == []
    assert len(responders.sightings()) == 1


def test_ipv4_and_ipv6_of_one_device_are_one() -> None:
    responders = told(
        (ETH, "10.0.0.7", announced("kitchen", "10.0.0.7", "fe80::7")),
        (ETH, "fe80::7", announced("kitchen", "fe80::7")),
    )
    assert addresses_by_device(responders) == [{"10.0.0.7", "fe80::7%eth0"}]


def test_one_name_at_two_addresses_is_two_devices() -> None:
    responders = told(
        (ETH, "10.0.0.7", announced("resin", "10.0.0.7")), (ETH, "10.0.0.8", announced("resin", "10.0.0.8"))
    )
    assert addresses_by_device(responders) == [{"10.0.0.7"}, {"10.0.0.8"}]


def test_one_name_and_address_on_two_networks_is_two_devices() -> None:
    responders = told(
        (ETH, "10.42.0.1", announced("resin", "10.42.0.1", "fe80::1")),
        (WIFI, "10.42.0.1", announced("resin", "10.42.0.1", "fe80::2")),
    )
    assert len(addresses_by_device(responders)) == 2


def test_one_device_seen_from_two_interfaces_is_one() -> None:
    responders = told(
        (ETH, "10.0.0.7", announced("resin", "10.0.0.7", "fe80::7")),
        (WIFI, "10.0.0.7", announced("resin", "10.0.0.7", "fe80::7")),
    )
    assert addresses_by_device(responders) == [{"10.0.0.7", "fe80::7%eth0", "fe80::7%wlan0"}]


def test_a_goodbye_counts_after_a_second_unless_it_is_taken_back() -> None:
    for comes_back in (False, True):
        responders = told((ETH, "10.0.0.7", announced("kitchen", "10.0.0.7")))
        responders.learn(Datagram(ETH, "10.0.0.7", announced("kitchen", "10.0.0.7", ttl=0)), 5.0)
        if comes_back:
            responders.learn(Datagram(ETH, "10.0.0.7", announced("kitchen", "10.0.0.7")), 5.5)
        responders.expire(6.5)
        assert bool(responders.sightings()) is comes_back


def test_who_is_silent_or_behind_a_lost_interface_is_gone() -> None:
    responders = told(
        (ETH, "10.0.0.7", announced("a", "10.0.0.7")), (WIFI, "10.1.0.7", announced("b", "10.1.0.7"))
    )
    responders.drop_interfaces(["wlan0"])
    assert [sighting.instance for sighting in responders.sightings()] == ["a"]
    responders.drop_silent(1.0)
    assert responders.sightings() == []


def test_a_crowd_is_bounded() -> None:
    crowd = [(ETH, f"10.0.{n // 250}.{n % 250}", announced(f"d{n}", "10.0.0.7")) for n in range(600)]
    assert len(told(*crowd).sightings()) == 500


def test_names_are_fit_to_be_shown() -> None:
    assert fit_to_show("\x1b[2Jno\nte\u202e Küche 厨房") == "\ufffd[2Jno\ufffdte\ufffd Küche 厨房"


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


def test_a_search_ends_after_a_second_of_silence_or_at_its_time() -> None:
    import time

    clock = QuerySchedule(time.monotonic(), 4.0, watch=False)
    assert not clock.is_over(waiting=False)
    clock._last_news = time.monotonic() - 1.1
    assert clock.is_over(waiting=False)
    assert not clock.is_over(waiting=True)
    assert QuerySchedule(time.monotonic() - 5, 4.0, watch=False).is_over(waiting=True)
