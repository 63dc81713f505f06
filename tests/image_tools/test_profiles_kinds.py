"""Every kind of profile, judged by GLib, by NetworkManager's library and by nmcli."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from support.examples import examples
from support.keyfile_parts import system_readers  # noqa: F401 - fixtures
from support.keyfile_readers import SystemReaders, nmcli
from support.profile_strategies import (
    BUNDLE,
    any_profile,
    cellular_profiles,
    ethernet_profiles,
    hotspot_profiles,
    wifi_profiles,
)

from image_tools.lint.keyfile import check_connection
from image_tools.profiles import (
    Addressing,
    Attachment,
    CellularProfile,
    Enterprise,
    EthernetProfile,
    HotspotProfile,
    Profile,
    Security,
    WifiProfile,
    wifi_credentials,
)

FOLDER = "/mnt/boot/system-connections"
MANY = settings(max_examples=examples(40), deadline=None)


# what NetworkManager reads


def _read(readers: SystemReaders, profile: Profile, kind: str) -> dict[str, Any]:
    read = readers.settings(profile.keyfile())
    assert read["valid"] is True, read
    connection = read["connection"]
    assert (connection["id"], connection["uuid"]) == (profile.connection_id, profile.uuid)
    assert connection["type"] == kind
    assert connection.get("autoconnect", True)
    return read


def _check_addressing(read: dict[str, Any], addressing: Addressing) -> None:
    for version in (4, 6):
        family = read[f"ipv{version}"]
        static = _of_family(addressing.static, version)
        assert sorted(_of_family(family["addresses"], version)) == sorted(static)
        assert _of_family([family["gateway"]] if family["gateway"] else [], version) == _of_family(
            addressing.gateway, version
        )
        assert _of_family(family["dns"], version) == _of_family(addressing.dns, version)
        if addressing.shared:
            assert family["method"] == {4: "shared", 6: "ignore"}[version]
        else:
            assert family["method"] == ("manual" if static else "auto")
        if version == 4 or not addressing.shared:
            metric = -1 if addressing.route_metric is None else addressing.route_metric
            assert (family["never-default"], family["route-metric"]) == (addressing.never_default, metric)


def _of_family(texts: list[str] | tuple[str, ...], version: int) -> list[Any]:
    found = [ipaddress.ip_interface(text) for text in texts]
    return [interface for interface in found if interface.version == version]


def _check_wifi(read: dict[str, Any], ssid: bytes, mode: str) -> None:
    assert bytes(read["802-11-wireless"]["ssid"]) == ssid
    assert read["802-11-wireless"].get("mode", "infrastructure") == mode


def _check_joined(readers: SystemReaders, profile: WifiProfile) -> dict[str, Any]:
    read = _read(readers, profile, "802-11-wireless")
    _check_wifi(read, profile.ssid, "infrastructure")
    assert read["802-11-wireless"].get("hidden", False) == profile.hidden
    assert read["connection"].get("autoconnect-priority", 0) == (profile.priority or 0)
    _check_addressing(read, profile.addressing)
    return read


@MANY
@given(profile=wifi_profiles[Security.OPEN])
def test_open_networks(readers: SystemReaders, profile: WifiProfile) -> None:
    read = _check_joined(readers, profile)

    assert "802-11-wireless-security" not in read
    assert "802-1x" not in read


@MANY
@given(profile=wifi_profiles[Security.WPA_PSK])
def test_wpa_networks(readers: SystemReaders, profile: WifiProfile) -> None:
    security = _check_joined(readers, profile)["802-11-wireless-security"]
    assert profile.passphrase is not None
    key = wifi_credentials.pre_shared_key(profile.passphrase, profile.ssid)
    plain = profile.plain_passphrase and len(profile.passphrase) < 64

    assert security == {"key-mgmt": "wpa-psk", "psk": profile.passphrase if plain else key}


@MANY
@given(profile=wifi_profiles[Security.SAE])
def test_sae_networks_get_the_passphrase_itself(readers: SystemReaders, profile: WifiProfile) -> None:
    security = _check_joined(readers, profile)["802-11-wireless-security"]

    assert security == {"key-mgmt": "sae", "psk": profile.passphrase, "pmf": 3}


@pytest.mark.parametrize("method", [Security.PEAP, Security.TTLS, Security.TLS])
def test_the_networks_of_companies(readers: SystemReaders, method: Security) -> None:
    @MANY
    @given(profile=wifi_profiles[method])
    def check(profile: WifiProfile) -> None:
        read = _check_joined(readers, profile)
        assert read["802-11-wireless-security"] == {"key-mgmt": "wpa-eap"}
        assert profile.enterprise is not None
        assert _texts(read["802-1x"]) == _expected(profile.enterprise, method, profile.file_name)

    check()


def _texts(keys: dict[str, Any]) -> dict[str, Any]:
    paths = ("ca-cert", "client-cert", "private-key")
    return {key: bytes(value).decode() if key in paths else value for key, value in keys.items()}


def _expected(enterprise: Enterprise, method: Security, stem: str) -> dict[str, Any]:
    def path(role: str, attachment: Attachment | None) -> str | None:
        return attachment and f"file://{FOLDER}/{stem}-{role}{attachment.suffix}\0"

    client = path("client", enterprise.client_cert)
    key = path("key", enterprise.private_key)
    without_password = key is not None and enterprise.private_key_password is None
    wanted = {
        "eap": [method.value],
        "identity": enterprise.identity,
        "anonymous-identity": enterprise.anonymous_identity,
        "domain-suffix-match": enterprise.domain_suffix_match,
        "password": enterprise.password,
        "phase2-auth": None if method is Security.TLS else enterprise.phase2.value,
        "ca-cert": path("ca", enterprise.ca_cert),
        "client-cert": key if enterprise.private_key == BUNDLE else client,
        "private-key": key,
        "private-key-password": enterprise.private_key_password,
        "private-key-password-flags": 4 if without_password else None,
    }
    return {name: value for name, value in wanted.items() if value is not None}


@MANY
@given(profile=ethernet_profiles)
def test_cables(readers: SystemReaders, profile: EthernetProfile) -> None:
    read = _read(readers, profile, "802-3-ethernet")

    assert read["connection"].get("autoconnect-priority", 0) == (profile.priority or 0)
    _check_addressing(read, profile.addressing)


@MANY
@given(profile=hotspot_profiles)
def test_hotspots(readers: SystemReaders, profile: HotspotProfile) -> None:
    read = _read(readers, profile, "802-11-wireless")

    _check_wifi(read, profile.ssid, "ap")
    assert read["802-11-wireless"].get("channel") == profile.channel
    assert (profile.channel is None) == ("band" not in read["802-11-wireless"])
    assert read["802-11-wireless-security"] == {
        "key-mgmt": "wpa-psk",
        "proto": ["rsn"],
        "pairwise": ["ccmp"],
        "group": ["ccmp"],
        "psk": wifi_credentials.pre_shared_key(profile.passphrase, profile.ssid),
    }
    _check_addressing(read, profile.addressing)


@MANY
@given(profile=cellular_profiles)
def test_modems(readers: SystemReaders, profile: CellularProfile) -> None:
    read = _read(readers, profile, "gsm")
    given_ = {"username": profile.username, "password": profile.password, "pin": profile.pin}

    assert read["gsm"] == {
        "apn": profile.apn,
        "number": profile.number or "*99#",
        **{key: text for key, text in given_.items() if text is not None},
    }
    assert read["serial"]["baud"] == 115200
    _check_addressing(read, Addressing())


# nothing is lost, nothing is taken for something else


@settings(max_examples=examples(80), deadline=None)
@given(profile=any_profile)
def test_networkmanager_keeps_every_key(readers: SystemReaders, profile: Profile) -> None:
    data = profile.keyfile()

    _check_kept(readers.glib(data), readers.rewritten(data))


@settings(max_examples=examples(20), deadline=None)
@given(profile=any_profile)
def test_nmcli_keeps_every_key(readers: SystemReaders, profile: Profile) -> None:
    data = profile.keyfile()

    _check_kept(readers.glib(data), readers.glib(nmcli(data)))


def _with_gateway(keys: dict[str, Any]) -> dict[str, Any]:
    """As NetworkManager wrote it before 1.50: behind the first address."""
    if "gateway" not in keys or "address1" not in keys:
        return keys
    return {**keys, "address1": f"{keys['address1']},{keys['gateway']}"}


def _check_kept(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    theirs = {section: _with_gateway(keys) for section, keys in theirs.items()}
    for section, keys in ours.items():
        for key, value in keys.items():
            if value == "infrastructure":
                continue  # what it is without
            if key == "ssid":  # text or bytes; the tests of each kind compare it
                assert key in theirs[section]
            else:
                assert theirs[section].get(key) == value, f"{section}.{key}"


@settings(max_examples=examples(80), deadline=None)
@given(profile=any_profile)
def test_our_own_check_finds_nothing_to_complain_of(profile: Profile) -> None:
    *attachments, (name, data) = profile.files()

    assert (name, data) == (profile.file_name, profile.keyfile())
    assert check_connection(name, data) == []
    assert [content for _, content in attachments] == [content for _, content in profile.attachments()]


@settings(max_examples=examples(80), deadline=None)
@given(first=any_profile, second=any_profile)
def test_no_two_profiles_share_a_file(first: Profile, second: Profile) -> None:
    names = [name.lower() for profile in (first, second) for name, _ in profile.files()]

    if first.connection_id != second.connection_id:
        assert len(set(names)) == len(names)
    assert all(len(name) < 60 for name in names)


def test_what_was_written_before_stays_as_it_was() -> None:
    assert WifiProfile(b"Kitchen", "password", hidden=True).keyfile() == (
        b"[connection]\nid=Kitchen\nuuid=" + WifiProfile(b"Kitchen").uuid.encode() + b"\ntype=wifi\n\n"
        b"[wifi]\nmode=infrastructure\nssid=Kitchen\nhidden=true\n\n"
        b"[wifi-security]\nkey-mgmt=wpa-psk\n"
        b"psk=" + wifi_credentials.pre_shared_key("password", b"Kitchen").encode() + b"\n\n"
        b"[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n"
    )
