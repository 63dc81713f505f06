"""What can never work is refused where it is given, and no message holds a secret."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.certificates import PASSWORD, certificates
from support.examples import examples

from image_tools.profiles import (
    Addressing,
    Attachment,
    Band,
    CellularProfile,
    Enterprise,
    EthernetProfile,
    HotspotProfile,
    Phase2,
    Profile,
    Security,
    WifiProfile,
)
from image_tools.profiles.certificates import AttachmentType
from resin_toolkit.errors import BadValue

SECRET = "Marked-S3cret"
CERTIFICATE = Attachment("ca.pem", certificates().certificates["pem"])
KEY = Attachment("key.pem", certificates().keys["pkcs8"])
BUNDLE = Attachment("me.p12", certificates().bundle)


def _refused(make: Callable[[], object]) -> str:
    with pytest.raises(BadValue) as caught:
        make()
    error = caught.value
    shown = f"{error.message} {error.hint} {error.facts} {error!r}"
    assert SECRET not in shown
    assert error.hint
    assert error.__cause__ is None
    return error.message


# addresses


@pytest.mark.parametrize(
    ("static", "reason"),
    [
        ("192.168.1.20", "prefix"),
        ("192.168.1.20/", "prefix"),
        ("192.168.1.20/255.255.255.0", "prefix"),
        ("192.168.1.20/33", "out of range"),
        ("192.168.1.20/0", "out of range"),
        ("192.168.1.20/+24", "prefix"),
        ("192.168.1.20/٢٤", "prefix"),
        ("192.168.1.20 /24", "prefix"),
        ("192.168.1/24", "not a valid IP address"),
        ("192.168.1.256/24", "not a valid IP address"),
        ("192.168.001.020/24", "not a valid IP address"),
        ("router/24", "not a valid IP address"),
        ("192.168.1.0/24", "the network"),
        ("192.168.1.255/24", "broadcast"),
        ("255.255.255.255/32", "not a usable IP address"),
        ("0.0.0.0/8", "not a usable IP address"),
        ("127.0.0.1/8", "loopback"),
        ("224.0.0.1/24", "not a usable IP address"),
        ("2001:db8::20/129", "out of range"),
        ("2001:db8::20/0", "out of range"),
        ("2001:db8::/64", "the network"),
        ("fe80::1%eth0/64", "prefix"),
        ("::1/128", "loopback"),
        ("::/64", "not a usable IP address"),
        ("ff02::1/64", "not a usable IP address"),
        ("", "prefix"),
        ("/", "prefix"),
        ("1.2.3.4/24,1.2.3.1", "out of range|no IP|prefix"),
        ("1.2.3.4/24\n", "prefix"),
    ],
)
def test_addresses_that_no_device_can_have(static: str, reason: str) -> None:
    with pytest.raises(BadValue, match=reason):
        Addressing(static=(static,))


@pytest.mark.parametrize(
    "static", ["10.0.0.0/31", "10.0.0.1/31", "10.0.0.0/32", "2001:db8::/127", "2001:db8::/128", "10.0.1.0/16"]
)
def test_addresses_at_the_edge_that_a_device_can_have(static: str) -> None:
    assert f"address1={static}\n".encode() in EthernetProfile(addressing=Addressing((static,))).keyfile()


@pytest.mark.parametrize(
    ("static", "gateway", "reason"),
    [
        (("192.168.1.20/24",), ("192.168.2.1",), "not in 192.168.1.0/24"),
        (("192.168.1.20/24",), ("192.168.1.20",), "own address"),
        (("192.168.1.20/24",), ("192.168.1.0",), "the network"),
        (("192.168.1.20/24",), ("192.168.1.255",), "broadcast"),
        (("192.168.1.20/24",), ("192.168.1.1", "192.168.1.2"), "two gateways"),
        (("192.168.1.20/24",), ("2001:db8::1",), "static IPv"),
        (("2001:db8::20/64",), ("192.168.1.1",), "static IPv"),
        (("2001:db8::20/64",), ("2001:db8:1::1",), "not in 2001:db8::/64"),
        (("2001:db8::20/64",), ("fe80::1%eth0",), "not a valid gateway address"),
        (("192.168.1.20/24",), ("router",), "not a valid gateway address"),
        (("192.168.1.20/24",), ("192.168.1.1/24",), "not a valid gateway address"),
        ((), ("192.168.1.1",), "static IPv"),
        (("192.168.1.20/24", "192.168.1.20/16"), (), "twice"),
        (("2001:db8::20/64", "2001:0db8::0020/64"), (), "twice"),
    ],
)
def test_gateways_and_addresses_that_contradict_each_other(
    static: tuple[str, ...], gateway: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(BadValue, match=reason):
        Addressing(static=static, gateway=gateway)


def test_a_gateway_of_the_link_is_in_reach_of_every_network() -> None:
    profile = EthernetProfile(addressing=Addressing(("2001:db8::20/64",), ("fe80::1",)))

    assert b"\naddress1=2001:db8::20/64,fe80::1\n" in profile.keyfile()


def test_a_gateway_may_lie_in_the_network_of_any_address() -> None:
    profile = EthernetProfile(addressing=Addressing(("10.0.0.2/8", "192.168.1.20/24"), ("192.168.1.1",)))

    assert b"\naddress1=10.0.0.2/8,192.168.1.1\naddress2=192.168.1.20/24\n" in profile.keyfile()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Addressing(dns=("dns.example.org",)),
        lambda: Addressing(dns=("9.9.9.9;1.1.1.1",)),
        lambda: Addressing(dns=("0.0.0.0",)),
        lambda: Addressing(route_metric=-1),
        lambda: Addressing(route_metric=2**32),
        lambda: Addressing(("10.0.0.2/8",), ("10.0.0.1",), never_default=True),
        lambda: Addressing(("10.0.0.2/8",), ("10.0.0.1",), shared=True),
        lambda: Addressing(dns=("9.9.9.9",), shared=True),
        lambda: Addressing(("10.0.0.2/8", "10.1.0.2/16"), shared=True),
        lambda: Addressing(("2001:db8::20/64",), shared=True),
        lambda: WifiProfile(b"x", addressing=Addressing(shared=True)),
    ],
)
def test_other_things_that_do_not_go_with_an_address(make: Callable[[], object]) -> None:
    _refused(make)


@settings(max_examples=examples(100), deadline=None)
@given(text=st.text("0123456789.:/abf%, \n", max_size=24))
def test_no_text_breaks_the_addresses(text: str) -> None:
    for make in (
        lambda: Addressing(static=(text,)),
        lambda: Addressing(dns=(text,)),
        lambda: Addressing(static=("10.0.0.2/8", "2001:db8::20/64"), gateway=(text,)),
    ):
        try:
            made = make()
        except BadValue:
            continue
        written = EthernetProfile(addressing=made).keyfile().decode()
        assert written.count("\n[") == 3
        assert text.lower() in written or ":" in text


# certificates and keys


@pytest.mark.parametrize("form", certificates().certificates)
def test_certificates_are_known_in_every_form(form: str) -> None:
    attachment = Attachment("x", certificates().certificates[form])

    assert attachment.content is AttachmentType.CERTIFICATE
    assert attachment.suffix == (".der" if form in ("der", "first version") else ".pem")


@pytest.mark.parametrize("form", certificates().keys)
def test_private_keys_are_known_in_every_form(form: str) -> None:
    attachment = Attachment("x", certificates().keys[form])

    assert attachment.content is AttachmentType.KEY
    assert attachment.suffix == (".der" if form.endswith("der") else ".pem")


def test_a_bundle_is_known() -> None:
    assert (BUNDLE.content, BUNDLE.suffix) == (AttachmentType.BUNDLE, ".der")


@pytest.mark.parametrize("form", certificates().others)
def test_what_is_no_certificate_and_no_key_is_refused(form: str) -> None:
    content = certificates().others[form]

    message = _refused(lambda: Attachment("mine.pem", content))

    assert message.startswith("mine.pem ")
    assert "Marked" not in message


def test_a_byte_order_mark_does_not_reach_the_device() -> None:
    form = certificates().certificates["pem from Windows"]

    assert Attachment("x", form).data == form.removeprefix(b"\xef\xbb\xbf")


@settings(max_examples=examples(100), deadline=None)
@given(data=st.binary(max_size=40) | st.binary(max_size=12).map(lambda rest: b"\x30\x80\x30" + rest))
def test_no_bytes_break_the_search_for_certificates(data: bytes) -> None:
    with suppress(BadValue):
        Attachment("x", data)


@settings(max_examples=examples(100), deadline=None)
@given(end=st.integers(0, len(certificates().certificates["der"]) - 1))
def test_a_certificate_that_was_cut_is_none(end: int) -> None:
    with pytest.raises(BadValue):
        Attachment("x", certificates().certificates["der"][:end])


@pytest.mark.parametrize("form", [*certificates().keys, "bundle"])
def test_a_private_key_in_the_place_of_a_certificate_is_not_shown(form: str) -> None:
    content = certificates().keys.get(form, certificates().bundle)
    key = Attachment("key.pem", content)

    for make in (lambda: Enterprise("me", ca_cert=key), lambda: Enterprise("me", client_cert=key)):
        message = _refused(make)
        assert message.startswith("key.pem contains ")
        assert not any(line in message.encode() for line in content.splitlines() if len(line) > 8)


def test_a_certificate_in_the_place_of_a_private_key_is_refused() -> None:
    assert "ca.pem" in _refused(lambda: Enterprise("me", private_key=CERTIFICATE))


# who is accepted

_BY_PASSWORD = Enterprise("me", SECRET)
_BY_KEY = Enterprise("me", client_cert=CERTIFICATE, private_key=KEY)


@pytest.mark.parametrize(
    ("security", "enterprise", "reason"),
    [
        (Security.PEAP, None, "requires an identity"),
        (Security.TTLS, None, "requires an identity"),
        (Security.TLS, None, "requires an identity"),
        (None, _BY_PASSWORD, "does not use an identity"),
        (Security.OPEN, _BY_PASSWORD, "does not use an identity"),
        (Security.PEAP, Enterprise("me"), "requires a password"),
        (Security.TTLS, Enterprise("me"), "requires a password"),
        (Security.PEAP, replace(_BY_PASSWORD, phase2=Phase2.PAP), "MSCHAPv2"),
        (Security.PEAP, replace(_BY_PASSWORD, client_cert=CERTIFICATE), "does not use"),
        (Security.TTLS, replace(_BY_PASSWORD, private_key=KEY), "does not use"),
        (Security.TTLS, replace(_BY_PASSWORD, private_key_password=SECRET), "does not use"),
        (Security.TLS, _BY_PASSWORD, "instead of a password"),
        (Security.TLS, replace(_BY_KEY, password=SECRET), "instead of a password"),
        (Security.TLS, replace(_BY_KEY, private_key=None), "requires a private key"),
        (Security.TLS, replace(_BY_KEY, client_cert=None), "requires a client certificate"),
        (
            Security.TLS,
            replace(_BY_KEY, private_key=BUNDLE, private_key_password=PASSWORD),
            "already contains",
        ),
        (Security.TLS, replace(_BY_KEY, private_key=BUNDLE, client_cert=None), "requires its passphrase"),
    ],
)
def test_what_a_method_lacks_or_has_no_use_for(
    security: Security | None, enterprise: Enterprise | None, reason: str
) -> None:
    with pytest.raises(BadValue, match=reason):
        WifiProfile(b"x", security=security, enterprise=enterprise)
    _refused(lambda: WifiProfile(b"x", security=security, enterprise=enterprise))


@pytest.mark.parametrize(
    ("security", "passphrase"),
    [
        (Security.WPA_PSK, None),
        (Security.SAE, None),
        (Security.OPEN, SECRET),
        (Security.SAE, ""),
        (Security.SAE, "ab" * 32),
        (Security.SAE, f"{SECRET}\n"),
        (Security.SAE, f"{SECRET}\ud800"),
        (Security.SAE, SECRET * 12),
        (Security.SAE, "é" * 65),
        (Security.WPA_PSK, f"{SECRET}é"),
    ],
)
def test_passphrases_that_do_not_fit(security: Security, passphrase: str | None) -> None:
    message = _refused(lambda: WifiProfile(b"x", passphrase, security=security))

    assert not passphrase or passphrase.strip() not in message


def test_a_company_network_has_no_passphrase() -> None:
    _refused(lambda: WifiProfile(b"x", SECRET, security=Security.PEAP, enterprise=_BY_PASSWORD))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Enterprise(""),
        lambda: Enterprise("a\nb"),
        lambda: Enterprise("me", ""),
        lambda: Enterprise("me", f"{SECRET}\n"),
        lambda: Enterprise("me", private_key_password=f"{SECRET}\0"),
        lambda: Enterprise("me", anonymous_identity=""),
        lambda: Enterprise("me", domain_suffix_match="\t"),
        lambda: CellularProfile(""),
        lambda: CellularProfile("a b"),
        lambda: CellularProfile("a" * 65),
        lambda: CellularProfile("internet\n"),
        lambda: CellularProfile("x", number=""),
        lambda: CellularProfile("x", number="abc"),
        lambda: CellularProfile("x", username=""),
        lambda: CellularProfile("x", password=f"{SECRET}\n"),
        lambda: CellularProfile("x", pin=SECRET),
        lambda: CellularProfile("x", id=""),
        lambda: EthernetProfile(""),
        lambda: EthernetProfile(priority=1000),
        lambda: WifiProfile(b"x", priority=-1000),
        lambda: HotspotProfile(b"", SECRET),
        lambda: HotspotProfile(b"x", SECRET[:7]),
        lambda: HotspotProfile(b"x", SECRET, id=""),
        lambda: HotspotProfile(b"x", SECRET, channel=0),
        lambda: HotspotProfile(b"x", SECRET, channel=15),
        lambda: HotspotProfile(b"x", SECRET, channel=36, band=Band.GHZ_2),
        lambda: HotspotProfile(b"x", SECRET, channel=6, band=Band.GHZ_5),
    ],
)
def test_other_values_that_can_never_work(make: Callable[[], object]) -> None:
    _refused(make)


@pytest.mark.parametrize("pin", ["123", "123456789", "12a4", "١٢٣٤", "1234\n", ""])
def test_a_pin_that_is_none_is_not_shown(pin: str) -> None:
    message = _refused(lambda: CellularProfile("x", pin=pin))

    assert not pin or pin.strip() not in message


@pytest.mark.parametrize(("band", "written"), [(Band.GHZ_2, b"\nband=bg\n"), (Band.GHZ_5, b"\nband=a\n")])
def test_a_hotspot_may_have_a_band_alone(band: Band, written: bytes) -> None:
    assert written in HotspotProfile(b"x", SECRET, band=band).keyfile()
    assert b"channel" not in HotspotProfile(b"x", SECRET, band=band).keyfile()


# secrets


@pytest.mark.parametrize(
    "profile",
    [
        WifiProfile(b"x", SECRET, plain_passphrase=True),
        WifiProfile(b"x", SECRET, security=Security.SAE),
        WifiProfile(b"x", security=Security.PEAP, enterprise=_BY_PASSWORD),
        WifiProfile(b"x", security=Security.TLS, enterprise=replace(_BY_KEY, private_key_password=SECRET)),
        CellularProfile("x", username="me", password=SECRET, pin="12345678"),
        HotspotProfile(b"x", SECRET),
    ],
)
def test_a_profile_shows_no_secret(profile: Profile) -> None:
    assert SECRET not in repr(profile)
    assert "12345678" not in repr(profile)
    assert "BEGIN" not in repr(profile)
    assert SECRET.encode() in profile.keyfile() or isinstance(profile, HotspotProfile)


# the same input gives the same files


def test_the_files_of_a_profile_are_named_after_it_alone() -> None:
    profile = WifiProfile(b"Office", id="office", security=Security.TLS, enterprise=_BY_KEY)
    again = replace(profile, enterprise=replace(_BY_KEY, identity="you", ca_cert=CERTIFICATE))

    assert [name for name, _ in profile.files()] == ["office-client.pem", "office-key.pem", "office"]
    assert [name for name, _ in again.files()] == [
        "office-ca.pem",
        "office-client.pem",
        "office-key.pem",
        "office",
    ]
    assert (profile.uuid, profile.files()) == (again.uuid, replace(profile).files())
    assert profile.files()[1] == ("office-key.pem", KEY.data)


def test_kinds_with_the_same_id_are_told_apart() -> None:
    made: list[Profile] = [
        WifiProfile(b"x", id="x"),
        EthernetProfile("x"),
        CellularProfile("x", id="x"),
        HotspotProfile(b"x", SECRET, id="x"),
    ]

    assert len({profile.uuid for profile in made}) == len(made)
    assert {profile.file_name for profile in made} == {"x"}
