"""Network profiles for hypothesis: every kind, with any text and address that is allowed."""

from __future__ import annotations

import ipaddress

from hypothesis import strategies as st

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
from support.certificates import PASSWORD, certificates

PEM = Attachment("ca.pem", certificates().certificates["pem"])
DER = Attachment("ca.der", certificates().certificates["der"])
KEY = Attachment("key.pem", certificates().keys["rsa"])
ENCRYPTED = Attachment("key.der", certificates().keys["encrypted der"])
BUNDLE = Attachment("me.p12", certificates().bundle)

printable = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40) | st.text(
    " \\;#[]=é😀\u2028ns0,\"'", min_size=1, max_size=9
)
ssids = st.binary(min_size=1, max_size=32) | st.text("aé;\\ 1=[#\n\x00😀", min_size=1, max_size=8).map(
    lambda text: text.encode()
)
passphrases = st.text(printable, min_size=8, max_size=63) | st.text(
    "0123456789abcdefABCDEF", min_size=64, max_size=64
)
sae_passphrases = texts.filter(lambda text: len(text.encode()) <= 128)
priorities = st.none() | st.integers(-999, 999)
metrics = st.none() | st.integers(0, 2**32 - 1)

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def _is_host(interface: Interface) -> bool:
    network = interface.network
    if network.prefixlen >= network.max_prefixlen - 1:
        return True
    last = network.broadcast_address if network.version == 4 else None
    return interface.ip not in (network.network_address, last)


interfaces4 = st.builds(
    lambda first, rest, prefix: ipaddress.IPv4Interface((first << 24 | rest, prefix)),
    st.sampled_from([*range(1, 127), *range(128, 224)]),
    st.integers(0, 2**24 - 1),
    st.integers(8, 32),
).filter(_is_host)
interfaces6 = st.builds(
    lambda first, rest, prefix: ipaddress.IPv6Interface((first << 112 | rest, prefix)),
    st.sampled_from([0x2001, 0xFD00, 0x2A02, 0xFE80]),
    st.integers(0, 2**112 - 1) | st.integers(1, 2**16),
    st.integers(16, 128),
).filter(_is_host)


@st.composite
def gateways(draw: st.DrawFn, interfaces: list[Interface]) -> tuple[str, ...]:
    """Another host of one of the networks, or nothing."""
    if not interfaces or not draw(st.booleans()):
        return ()
    network = draw(st.sampled_from(interfaces)).network
    number = draw(st.integers(0, network.num_addresses - 1))
    gateway = ipaddress.ip_interface(f"{network[number]}/{network.prefixlen}")
    is_own = any(gateway.ip == interface.ip for interface in interfaces)
    return (str(gateway.ip),) if _is_host(gateway) and not is_own else ()


@st.composite
def addressings(draw: st.DrawFn) -> Addressing:
    """Addresses of both families, of one, or of none; not shared."""
    ours4 = draw(st.lists(interfaces4, max_size=3, unique_by=lambda i: i.ip))
    ours6 = draw(st.lists(interfaces6, max_size=3, unique_by=lambda i: i.ip))
    both: list[Interface] = [*ours4, *ours6]
    gateway = (*draw(gateways([*ours4])), *draw(gateways([*ours6])))
    servers = draw(st.lists(interfaces4 | interfaces6, max_size=4, unique_by=lambda i: i.ip))
    return Addressing(
        static=tuple(str(interface) for interface in draw(st.permutations(both))),
        gateway=gateway,
        dns=tuple(str(server.ip) for server in servers),
        never_default=False if gateway else draw(st.booleans()),
        route_metric=draw(metrics),
    )


shared = st.builds(
    Addressing,
    static=st.lists(interfaces4.map(str), max_size=1).map(tuple),
    never_default=st.booleans(),
    route_metric=metrics,
    shared=st.just(True),
)
certificate_files = st.none() | st.sampled_from([PEM, DER])
_password = st.just(PASSWORD)
_who = {
    "identity": texts,
    "anonymous_identity": st.none() | texts,
    "ca_cert": certificate_files,
    "domain_suffix_match": st.none() | st.just("example.org"),
}
by_password = st.builds(Enterprise, password=texts, **_who)
by_pap = st.builds(Enterprise, password=texts, phase2=st.sampled_from(Phase2), **_who)
by_key = (
    st.builds(Enterprise, client_cert=st.just(PEM), private_key=st.just(KEY), **_who)
    | st.builds(
        Enterprise,
        client_cert=st.just(DER),
        private_key=st.just(ENCRYPTED),
        private_key_password=texts,
        **_who,
    )
    | st.builds(Enterprise, private_key=st.just(BUNDLE), private_key_password=_password, **_who)
)


def _wifi(**more: st.SearchStrategy[object]) -> st.SearchStrategy[WifiProfile]:
    return st.builds(
        WifiProfile,
        ssid=ssids,
        hidden=st.booleans(),
        id=st.none() | texts,
        priority=priorities,
        addressing=addressings(),
        **more,
    )


wifi_profiles = {
    Security.OPEN: _wifi(security=st.sampled_from([None, Security.OPEN])),
    Security.WPA_PSK: _wifi(
        passphrase=passphrases,
        security=st.sampled_from([None, Security.WPA_PSK]),
        plain_passphrase=st.booleans(),
    ),
    Security.SAE: _wifi(
        passphrase=sae_passphrases, security=st.just(Security.SAE), plain_passphrase=st.booleans()
    ),
    Security.PEAP: _wifi(security=st.just(Security.PEAP), enterprise=by_password),
    Security.TTLS: _wifi(security=st.just(Security.TTLS), enterprise=by_pap),
    Security.TLS: _wifi(security=st.just(Security.TLS), enterprise=by_key),
}
ethernet_profiles = st.builds(
    EthernetProfile, id=texts, priority=priorities, addressing=addressings() | shared
)
hotspot_profiles = st.builds(
    HotspotProfile,
    ssid=ssids,
    passphrase=passphrases,
    id=st.none() | texts,
    channel=st.none() | st.sampled_from(sorted(Band.GHZ_5.channels | Band.GHZ_2.channels)),
    priority=priorities,
    addressing=shared,
)
cellular_profiles = st.builds(
    CellularProfile,
    apn=st.text("abcXYZ019.-_", min_size=1, max_size=64),
    number=st.none() | st.text("0123456789*#+", min_size=1, max_size=32),
    username=st.none() | texts,
    password=st.none() | texts,
    pin=st.none() | st.text("0123456789", min_size=4, max_size=8),
    id=texts,
    priority=priorities,
)
any_profile: st.SearchStrategy[Profile] = st.one_of(
    *wifi_profiles.values(), ethernet_profiles, hotspot_profiles, cellular_profiles
)
