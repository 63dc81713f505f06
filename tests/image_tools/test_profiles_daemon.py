"""Each kind of profile in a real NetworkManager, with its certificates where the device has them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.certificates import PASSWORD, certificates
from support.network_manager import NetworkManager, network_manager

from image_tools.profiles import (
    Addressing,
    Attachment,
    CellularProfile,
    Enterprise,
    EthernetProfile,
    HotspotProfile,
    Phase2,
    Profile,
    Security,
    WifiProfile,
    wifi_credentials,
)

pytestmark = pytest.mark.root

FOLDER = "/mnt/boot/system-connections"
ADDRESSES = Addressing(
    static=("192.168.7.20/24", "2001:db8:7::20/64", "10.0.0.2/8"),
    gateway=("192.168.7.1", "fe80::1"),
    dns=("9.9.9.9", "192.168.7.1", "2001:db8::53"),
    route_metric=700,
)
CA = Attachment("ca.pem", certificates().certificates["pem"])
CLIENT = Attachment("client.der", certificates().certificates["der"])
BUNDLE = Attachment("me.p12", certificates().bundle)
RSA = Attachment("key.pem", certificates().keys["old encrypted"])
BY_KEY = Enterprise("me", ca_cert=CA, client_cert=CLIENT, private_key=RSA, private_key_password=PASSWORD)
PLAIN_KEY = Attachment("plain.pem", certificates().keys["pkcs8"])


@pytest.fixture(scope="module")
def manager() -> Iterator[NetworkManager]:
    with network_manager() as started:
        yield started


def _tls(enterprise: Enterprise) -> WifiProfile:
    return WifiProfile(b"Company", id="company", security=Security.TLS, enterprise=enterprise)


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        pytest.param(
            WifiProfile(b"Open", hidden=True, priority=-5),
            {
                "connection.type": "802-11-wireless",
                "connection.autoconnect-priority": "-5",
                "802-11-wireless.ssid": "Open",
                "802-11-wireless.hidden": "yes",
                "ipv4.method": "auto",
                "ipv6.method": "auto",
            },
            id="open",
        ),
        pytest.param(
            WifiProfile(" Küche 😀;".encode(), " pass;\\word ", plain_passphrase=True, priority=10),
            {
                "connection.id": " Küche 😀;",
                "connection.autoconnect-priority": "10",
                "802-11-wireless.ssid": " Küche 😀;",
                "802-11-wireless-security.key-mgmt": "wpa-psk",
                "802-11-wireless-security.psk": " pass;\\word ",
            },
            id="wpa-psk as it was typed",
        ),
        pytest.param(
            WifiProfile(b"Home", "password", addressing=ADDRESSES),
            {
                "802-11-wireless-security.psk": wifi_credentials.pre_shared_key("password", b"Home"),
                "ipv4.method": "manual",
                "ipv4.addresses": "192.168.7.20/24, 10.0.0.2/8",
                "ipv4.gateway": "192.168.7.1",
                "ipv4.dns": "9.9.9.9,192.168.7.1",
                "ipv4.route-metric": "700",
                "ipv6.method": "manual",
                "ipv6.addresses": "2001:db8:7::20/64",
                "ipv6.gateway": "fe80::1",
                "ipv6.dns": "2001:db8::53",
                "ipv6.route-metric": "700",
            },
            id="wpa-psk with addresses",
        ),
        pytest.param(
            WifiProfile(b"New", "Passwört", security=Security.SAE),
            {
                "802-11-wireless-security.key-mgmt": "sae",
                "802-11-wireless-security.psk": "Passwört",
                "802-11-wireless-security.pmf": "3",
            },
            id="sae",
        ),
        pytest.param(
            WifiProfile(
                b"eduroam",
                security=Security.PEAP,
                enterprise=Enterprise(
                    "DOM\\user",
                    " pass;word",
                    anonymous_identity="anonymous@example.org",
                    ca_cert=CA,
                    domain_suffix_match="radius.example.org",
                ),
            ),
            {
                "802-11-wireless-security.key-mgmt": "wpa-eap",
                "802-1x.eap": "peap",
                "802-1x.identity": "DOM\\user",
                "802-1x.password": " pass;word",
                "802-1x.anonymous-identity": "anonymous@example.org",
                "802-1x.phase2-auth": "mschapv2",
                "802-1x.ca-cert": f"{FOLDER}/eduroam-ca.pem",
                "802-1x.domain-suffix-match": "radius.example.org",
            },
            id="peap",
        ),
        pytest.param(
            WifiProfile(
                b"eduroam",
                security=Security.TTLS,
                enterprise=Enterprise("user", "password", phase2=Phase2.PAP),
            ),
            {"802-1x.eap": "ttls", "802-1x.phase2-auth": "pap", "802-1x.ca-cert": ""},
            id="ttls",
        ),
        pytest.param(
            _tls(
                Enterprise(
                    "me", ca_cert=CA, client_cert=CLIENT, private_key=RSA, private_key_password=PASSWORD
                )
            ),
            {
                "802-1x.eap": "tls",
                "802-1x.ca-cert": f"{FOLDER}/company-ca.pem",
                "802-1x.client-cert": f"{FOLDER}/company-client.der",
                "802-1x.private-key": f"{FOLDER}/company-key.pem",
                "802-1x.private-key-password": PASSWORD,
            },
            id="tls",
        ),
        pytest.param(
            _tls(Enterprise("me", client_cert=CA, private_key=PLAIN_KEY)),
            {"802-1x.private-key-password-flags": "4"},
            id="tls with a key that is not encrypted",
        ),
        pytest.param(
            _tls(Enterprise("me", private_key=BUNDLE, private_key_password=PASSWORD)),
            {
                "802-1x.client-cert": f"{FOLDER}/company-key.der",
                "802-1x.private-key": f"{FOLDER}/company-key.der",
            },
            id="tls with pkcs 12",
        ),
        pytest.param(
            EthernetProfile(addressing=Addressing(static=("10.1.2.3/16",), never_default=True)),
            {
                "connection.id": "ethernet",
                "connection.type": "802-3-ethernet",
                "ipv4.method": "manual",
                "ipv4.never-default": "yes",
                "ipv6.method": "auto",
                "ipv6.never-default": "yes",
            },
            id="ethernet",
        ),
        pytest.param(
            EthernetProfile("shared", addressing=Addressing(static=("10.9.0.1/24",), shared=True)),
            {"ipv4.method": "shared", "ipv4.addresses": "10.9.0.1/24", "ipv6.method": "ignore"},
            id="shared ethernet",
        ),
        pytest.param(
            HotspotProfile(b"Device", "password", channel=36),
            {
                "802-11-wireless.mode": "ap",
                "802-11-wireless.band": "a",
                "802-11-wireless.channel": "36",
                "802-11-wireless-security.key-mgmt": "wpa-psk",
                "802-11-wireless-security.proto": "rsn",
                "802-11-wireless-security.pairwise": "ccmp",
                "802-11-wireless-security.group": "ccmp",
                "802-11-wireless-security.psk": wifi_credentials.pre_shared_key("password", b"Device"),
                "ipv4.method": "shared",
                "ipv6.method": "ignore",
            },
            id="hotspot",
        ),
        pytest.param(
            CellularProfile("internet.example", username="user", password=" pass;word", pin="0123"),
            {
                "connection.type": "gsm",
                "gsm.apn": "internet.example",
                "gsm.number": "*99#",
                "gsm.username": "user",
                "gsm.password": " pass;word",
                "gsm.pin": "0123",
                "serial.baud": "115200",
            },
            id="cellular",
        ),
    ],
)
def test_a_real_networkmanager_has_what_was_given(
    manager: NetworkManager, profile: Profile, expected: dict[str, str]
) -> None:
    loaded = manager.load(profile.files())

    assert list(loaded) == [profile.uuid]
    found = loaded[profile.uuid]
    assert found["connection.id"] == profile.connection_id
    assert {name: found.get(name) for name in expected} == expected
    assert manager.complaints() == []


def test_the_daemon_complains_of_what_it_cannot_take() -> None:
    """Which the test above relies on: a certificate with another ending is taken for a profile."""
    with network_manager() as manager:
        assert manager.load([("certificate.crt", CA.data)]) == {}
        assert manager.complaints() != []
