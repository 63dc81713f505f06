"""What a DEVICE word means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resin_toolkit.device.address import AccessMethod, Address, parse_address
from resin_toolkit.device.ip_addresses import url_host
from resin_toolkit.errors import BadValue


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("kitchen", Address("kitchen")),
        ("Kitchen.local.", Address("kitchen.local")),
        ("resin.local:2375", Address("resin.local", engine_port=2375)),
        ("10.0.0.7", Address("10.0.0.7")),
        ("10.0.0.7:2377", Address("10.0.0.7", engine_port=2377)),
        ("fe80::1%eth0", Address("fe80::1%eth0")),
        ("[fe80::1%eth0]", Address("fe80::1%eth0")),
        ("[fd00::2]:2375", Address("fd00::2", engine_port=2375)),
        ("tcp://resin.local", Address("resin.local", access_method=AccessMethod.TCP)),
        ("tcp://[fe80::1%eth0]:99/", Address("fe80::1%eth0", engine_port=99, access_method=AccessMethod.TCP)),
        ("ssh://resin.local", Address("resin.local", access_method=AccessMethod.SSH)),
        ("ssh://me@10.0.0.7:22", Address("10.0.0.7", user="me", ssh_port=22, access_method=AccessMethod.SSH)),
    ],
)
def test_every_form_is_taken_apart(word: str, expected: Address) -> None:
    assert parse_address(word) == expected


@pytest.mark.parametrize(
    "word",
    [
        "",
        " ",
        "two words",
        "-v",
        ".local",
        "a..b",
        "name:",
        "name:port",
        "name:0",
        "name:65536",
        "[name]:22",
        "[10.0.0.7]",
        "[fe80::1",
        "fe80::1:2377:zz",
        "name:\u0663",
        "host:99999",
        "ssh://u@",
        "http://name",
        "tcp://",
        "ssh://@name",
        "ssh://a b@name",
        "name\x1b[2J",
    ],
)
def test_what_is_no_device_is_refused_with_the_forms(word: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_address(word)
    assert caught.value.hint


def test_a_password_is_not_taken_and_not_repeated() -> None:
    with pytest.raises(BadValue) as caught:
        parse_address("ssh://me:secret@name")
    assert "secret" not in caught.value.message + caught.value.hint


@given(st.text())
def test_any_word_is_a_device_or_a_bad_value(word: str) -> None:
    try:
        address = parse_address(word)
    except BadValue:
        return
    assert address.host
    assert address.host.isprintable()


# A link-local IPv6 address is refused without its network: see below.
_complete_addresses = st.ip_addresses().filter(lambda found: found.version == 4 or not found.is_link_local)


@given(_complete_addresses, st.integers(1, 65535))
def test_an_address_with_a_port_comes_back(address: object, port: int) -> None:
    found = parse_address(f"{url_host(str(address))}:{port}")
    assert (found.host, found.engine_port) == (str(address), port)
    assert found.is_ip


@pytest.mark.parametrize("word", ["fe80::1", "[fe80::1]", "[fe80::1]:2377", "ssh://root@[fe80::1]:22"])
def test_a_link_local_address_says_on_which_network(word: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_address(word)
    assert "[fe80::1%eth0]" in caught.value.hint
