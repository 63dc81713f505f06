"""The Wi-Fi profiles that are written: NetworkManager reads them back; their keys and their names."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.keyfile_parts import ready_file, system_readers  # noqa: F401 - fixtures
from support.keyfile_readers import SystemReaders, nmcli
from support.profile_strategies import passphrases, ssids

from image_tools import profiles
from image_tools.lint.keyfile import check_connection
from image_tools.profiles import WifiProfile, identity, keyfile, wifi_credentials
from resin_toolkit.errors import BadValue

ids = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60) | st.text(
    " \\;#[]=é😀\u2028n", min_size=1, max_size=9
)
profiles_ = st.builds(
    WifiProfile,
    ssid=ssids,
    passphrase=st.none() | passphrases,
    hidden=st.booleans(),
    id=st.none() | ids,
)

# what is written


@example(profile=WifiProfile(b"1;"))
@example(profile=WifiProfile(b"97;98;"))
@example(profile=WifiProfile(b" 97; 98; "))
@example(profile=WifiProfile(b"\\;"))
@example(profile=WifiProfile(b"\\s"))
@example(profile=WifiProfile(b";"))
@settings(max_examples=examples(120), deadline=None)
@given(profile=profiles_)
def test_networkmanager_reads_back_what_was_given(readers: SystemReaders, profile: WifiProfile) -> None:
    read = readers.network_manager(profile.keyfile())

    assert read["valid"]
    assert read["ssid"] == profile.ssid
    assert read["id"] == profile.connection_id
    assert read["uuid"] == profile.uuid
    assert read["type"] == "802-11-wireless"
    assert (read["mode"], read["hidden"]) == ("infrastructure", profile.hidden)
    assert (read["ipv4"], read["ipv6"]) == ("auto", "auto")
    if profile.passphrase is None:
        assert (read["key-mgmt"], read["psk"]) == (None, None)
    else:
        assert read["key-mgmt"] == "wpa-psk"
        assert read["psk"] == wifi_credentials.pre_shared_key(profile.passphrase, profile.ssid)


@settings(max_examples=examples(120), deadline=None)
@given(profile=profiles_)
def test_our_reader_agrees_and_finds_nothing_to_complain_of(profile: WifiProfile) -> None:
    data = profile.keyfile()
    read = keyfile.read_keyfile(data)

    assert (read.ssid, read.id, read.uuid, read.type) == (
        profile.ssid,
        profile.connection_id,
        profile.uuid,
        "wifi",
    )
    assert check_connection(profile.file_name, data) == []


@settings(max_examples=examples(12), deadline=None)
@given(profile=profiles_)
def test_nmcli_keeps_every_key(readers: SystemReaders, profile: WifiProfile) -> None:
    ours, theirs = profile.keyfile(), nmcli(profile.keyfile())
    kept = readers.glib(theirs)

    for section, keys in readers.glib(ours).items():
        for key, value in keys.items():
            if key != "mode":  # infrastructure is what it is without
                assert kept[section][key] == value or readers.network_manager(theirs)[key] == profile.ssid


@settings(max_examples=examples(120), deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from(" \n\r\t\\;=#[]")))
def test_glib_reads_any_escaped_text(readers: SystemReaders, text: str) -> None:
    data = keyfile.render({"a": {"x": keyfile.escape(text), "y": "1"}})

    assert readers.glib(data) == {"a": {"x": text, "y": "1"}}
    assert keyfile.read_keyfile(data).text("a", "x") == text


def test_a_plain_ssid_stays_readable() -> None:
    assert b"\nssid=My Network 5G\n" in WifiProfile(b"My Network 5G").keyfile()
    assert b"\nssid=67;97;102;195;169;\n" in WifiProfile("Café".encode()).keyfile()
    assert b"\nssid=\\sa\\s\n" in WifiProfile(b" a ").keyfile()


def test_an_open_network_has_no_security_section() -> None:
    assert b"security" not in WifiProfile(b"open").keyfile()
    assert b"hidden" not in WifiProfile(b"open").keyfile()


# keys


@pytest.mark.parametrize(
    ("passphrase", "ssid", "key"),
    [  # IEEE 802.11-2020, J.4.3
        ("password", b"IEEE", "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"),
        (
            "ThisIsAPassword",
            b"ThisIsASSID",
            "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af",
        ),
        ("a" * 32, b"Z" * 32, "becb93866bb8c3832cb777c2f559807c8c59afcb6eae734885001300a981cc62"),
    ],
)
def test_key_vectors_of_the_standard(passphrase: str, ssid: bytes, key: str) -> None:
    assert wifi_credentials.pre_shared_key(passphrase, ssid) == key


def test_64_hex_digits_are_the_key_itself() -> None:
    assert wifi_credentials.pre_shared_key("AB" * 32, b"x") == "ab" * 32


@pytest.mark.parametrize(
    "passphrase",
    ["", "1234567", "x" * 64, "g" * 64, "ab" * 33, "with ümlaut", "a\nb345678", "password\n", "\x7f" * 8],
)
def test_a_passphrase_that_cannot_work_is_refused_without_being_shown(passphrase: str) -> None:
    with pytest.raises(BadValue) as caught:
        WifiProfile(b"x", passphrase)

    shown = f"{caught.value.message} {caught.value.hint} {caught.value.facts} {caught.value!r}"
    assert not passphrase or passphrase.strip() not in shown


@pytest.mark.parametrize("ssid", ["", "x" * 33, "é" * 17, "😀" * 9])
def test_an_ssid_that_cannot_be_is_refused(ssid: str) -> None:
    with pytest.raises(BadValue):
        profiles.ssid_of(ssid)
    with pytest.raises(BadValue):
        WifiProfile(ssid.encode())


def test_an_ssid_may_be_typed_in_any_bytes() -> None:
    assert profiles.ssid_of("caf\udce9") == b"caf\xe9"
    assert profiles.ssid_of("é" * 16) == "é".encode() * 16


# names


@settings(max_examples=examples(120), deadline=None)
@given(first=ids, second=ids)
def test_file_names_are_safe_and_one_for_each_id(first: str, second: str) -> None:
    name = profiles.file_name_of(first)

    assert re.fullmatch(r"[a-z0-9_][a-z0-9_-]{0,62}", name)
    assert check_connection(name, ready_file()) == []
    assert (name == profiles.file_name_of(second)) == (first == second)


@pytest.mark.parametrize(
    ("first", "second"), [("Home", "home"), ("a b", "a-b"), ("Café", "Cafe"), ("x" * 90, "x" * 91)]
)
def test_ids_that_fat_would_confuse_have_names_of_their_own(first: str, second: str) -> None:
    assert profiles.file_name_of(first).lower() != profiles.file_name_of(second).lower()


def test_no_id_takes_the_name_that_another_id_was_given() -> None:
    taken = profiles.file_name_of("Home")

    assert profiles.file_name_of(taken) != taken


@pytest.mark.parametrize("id", ["con", "aux", "com1", "con.ignore", ".hidden", "x.ignore", "😀", "..", "a/b"])
def test_dangerous_ids_have_harmless_names(id: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]+-[0-9a-f]{8}", profiles.file_name_of(id))


def test_a_simple_id_is_the_file_name() -> None:
    assert profiles.file_name_of("resin-wifi-01") == "resin-wifi-01"


def test_the_same_input_gives_the_same_file() -> None:
    first, second = WifiProfile(b"x", "password"), WifiProfile(b"x", "password")

    assert first.keyfile() == second.keyfile()
    assert first.uuid == WifiProfile(b"x", "another one", hidden=True).uuid
    assert first.uuid != WifiProfile(b"y").uuid
    assert first.uuid != WifiProfile(b"x", id="other").uuid


@settings(deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_uuids_are_those_of_the_standard(text: str) -> None:
    namespace = uuid.UUID(bytes=identity._OWN_NAMESPACE)

    assert profiles.uuid_of(text, "b") == str(uuid.uuid5(namespace, f"{text}\0b"))


@pytest.mark.parametrize("id", ["", "a\nb", "a\0", "\x85", "\ud800"])
def test_an_id_without_a_readable_name_is_refused(id: str) -> None:
    with pytest.raises(BadValue):
        WifiProfile(b"x", id=id)
