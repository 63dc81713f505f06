"""The linter has nothing to say of what NetworkManager itself writes, nor of what we write."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support.examples import examples
from support.keyfile_cases import CASES
from support.keyfile_parts import system_readers  # noqa: F401 - fixtures
from support.keyfile_readers import SYSTEM_PYTHON, SystemReaders
from support.profile_strategies import any_profile

from image_tools.lint.findings import Severity
from image_tools.lint.profiles.linter import lint_keyfile
from image_tools.profiles import Profile, settings

WIFI = "[connection]\nid=x\nuuid=7d0ab2c8-7b9b-4b47-b6b4-f5d5e6f2d6f0\ntype=wifi\n[wifi]\nssid=x\n"
KEY = "4Iv5qcIUz/5bWOKP8AOLEKdkbzaNXYqXV0KSn0rGoWo="
NAMES = {"profile-interface", "profile-mac-address", "profile-vpn", "profile-autoconnect"}
ADDED = (
    "ethernet",
    "ethernet ip4 10.0.0.2/24 gw4 10.0.0.1 ipv4.dns 1.1.1.1,9.9.9.9 ipv4.dns-search lan ip6 fd00::2/64",
    "ethernet ip4 10.0.0.2/24 ipv4.routes 10.9.0.0/16_10.0.0.3_77_table=5,10.8.0.0/16 ipv4.never-default yes",
    "ethernet ipv4.routing-rules priority_5_from_10.0.0.0/8_table_6 ipv4.route-metric 50",
    "ethernet ip6 fd00::2/64 ipv6.routes fd01::/64_fd00::1 ipv6.addr-gen-mode eui64 ipv6.ip6-privacy 2",
    "ethernet ethernet.cloned-mac-address random ethernet.mtu 1400 ethernet.wake-on-lan magic",
    "ethernet mac 00:11:22:33:44:55 ethernet.mac-address-blacklist 00:11:22:33:44:56 ethernet.duplex full"
    " ethernet.speed 100 ethernet.auto-negotiate yes",
    "ethernet ethtool.feature-rx off ethtool.coalesce-rx-usecs 5 ethtool.ring-rx 9 ethtool.pause-rx on",
    "ethernet match.driver foo match.kernel-command-line bar hostname.priority 5 hostname.from-dhcp no",
    "ethernet sriov.total-vfs 2 sriov.vfs 0_mac=00:11:22:33:44:55 tc.qdiscs root_pfifo_fast",
    "ethernet dcb.app-fcoe-flags 1 dcb.app-fcoe-mode vn2vn",
    "ethernet proxy.method auto proxy.pac-url http://a/b proxy.browser-only yes connection.mdns 2",
    "ethernet connection.lldp enable-rx connection.metered no connection.autoconnect-priority -9"
    " connection.stable-id x connection.wait-device-timeout 5 connection.mptcp-flags 1",
    "ethernet 802-1x.eap peap 802-1x.identity me 802-1x.password pw 802-1x.phase2-auth mschapv2"
    " 802-1x.phase1-peapver 0 802-1x.altsubject-matches DNS:a,DNS:b 802-1x.password-raw 010203",
    "wifi ssid plain",
    "wifi ssid my;ssid wifi.hidden yes wifi.band a wifi.channel 36 wifi.powersave 2",
    "wifi ssid café☕ wifi-sec.key-mgmt wpa-psk wifi-sec.psk 12345678 wifi-sec.pmf 2 wifi-sec.proto rsn",
    "wifi ssid x mode ap wifi-sec.key-mgmt sae wifi-sec.psk a;b ipv4.method shared wifi.ap-isolation 1",
    "wifi ssid x wifi-sec.key-mgmt none wifi-sec.wep-key0 12345 wifi-sec.wep-key-type 1",
    "wifi ssid x wifi-sec.key-mgmt wpa-eap 802-1x.eap ttls 802-1x.identity a 802-1x.phase2-autheap md5"
    " 802-1x.password b",
    "gsm apn internet user me password you gsm.pin 1234 gsm.home-only yes serial.baud 9600"
    " serial.parity even",
    "cdma cdma.number #777 ppp.mru 1400 ppp.refuse-eap yes",
    "vlan dev eth0 id 5 ingress 1:2 egress 3:4 flags 5",
    "bridge ifname br0 stp no bridge.vlans 1_pvid_untagged,5-9 bridge.mac-address 00:11:22:33:44:55",
    "bond ifname bond0 bond.options mode=active-backup,miimon=100,primary=eth0,fail_over_mac=active",
    "team ifname team0 team.runner lacp",
    "bridge-slave ifname eth1 master br0 bridge-port.vlans 5 bridge-port.hairpin-mode yes",
    "bond-slave ifname eth1 master bond0 bond-port.queue-id 5",
    "team-slave ifname eth1 master team0 team-port.sticky yes",
    f"wireguard ifname wg0 wireguard.private-key {KEY} wireguard.listen-port 51820 wireguard.fwmark 5",
    "bluetooth addr 00:11:22:33:44:55 bt-type panu",
    "tun ifname tun0 mode tap owner 1000",
    "macvlan ifname mv0 dev eth0 mode bridge",
    "vxlan ifname vx0 id 5 remote 10.0.0.1 dev eth0",
    "vrf ifname vrf0 table 5",
    "veth ifname veth0 peer veth1",
    "dummy ifname dummy0 ip4 10.0.0.1/32",
    "ip-tunnel ifname gre0 mode gre remote 10.0.0.1 local 10.0.0.2",
    "macsec ifname ms0 dev eth0 mode psk cak 00112233445566778899aabbccddeeff"
    " ckn 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    "infiniband ifname ib0",
    "pppoe ifname eth0 username me password you",
    "adsl username me protocol pppoa password you encapsulation llc",
    "vpn vpn-type openvpn vpn.data remote=x,ca=/a vpn.secrets password=hi",
    "ovs-bridge ifname ovs0 ovs-bridge.stp yes",
    "ovs-interface ifname ov0 master ov1 ovs-interface.type internal",
    "wpan ifname wp0 wpan.pan-id 5",
    "6lowpan ifname 6l0 dev wp0",
    "wifi-p2p peer 00:11:22:33:44:55",
)


def added(words: str) -> bytes:
    """The keyfile that nmcli writes; in a word, "_" stands for a space, unless it belongs to an option."""
    texts = [word if "=" in word.split("_")[0] else word.replace("_", " ") for word in words.split(" ")]
    command = ["nmcli", "--offline", "connection", "add", "con-name", "x", "type", *texts]
    written = subprocess.run(command, capture_output=True, check=True).stdout
    # What nmcli has to say of it comes first, on the same stream.
    return written[written.index(b"[connection]") :]


@pytest.mark.parametrize("words", ADDED)
def test_what_nmcli_writes_is_clean(words: str) -> None:
    found = lint_keyfile("x", added(words))

    assert [finding for finding in found if finding.code not in NAMES] == []


@hypothesis_settings(max_examples=examples(100), deadline=None)
@given(profile=any_profile)
def test_what_we_write_is_clean(profile: Profile) -> None:
    siblings = {name for name, _ in profile.attachments()}

    assert lint_keyfile(profile.file_name, profile.keyfile(), siblings=siblings) == []


_PROPERTIES = r"""
import gi, json
gi.require_version("NM", "1.0")
from gi.repository import NM
found = {}
for name in dir(NM):
    kind = getattr(NM, name)
    if name.startswith("Setting") and isinstance(kind, type) and issubclass(kind, NM.Setting):
        if name not in ("Setting", "SettingIPConfig"):
            setting = kind()
            found[setting.get_name()] = [p.name for p in setting.list_properties() if p.name != "name"]
print(json.dumps(found))
"""
AS_KEYS_OF_THEIR_OWN = {"data", "options", "secrets", "vfs", "qdiscs", "tfilters", "routes", "s390-options"}


def test_every_property_of_libnm_is_in_the_table() -> None:
    result = subprocess.run([SYSTEM_PYTHON, "-I", "-c", _PROPERTIES], capture_output=True, check=True)
    names = {
        "802-3-ethernet": "ethernet",
        "802-11-wireless": "wifi",
        "802-11-wireless-security": "wifi-security",
    }
    for section, properties in json.loads(result.stdout).items():
        for key in set(properties) - AS_KEYS_OF_THEIR_OWN:
            assert settings.value_type_of(names.get(section, section), key), f"{section}.{key}"


@pytest.mark.parametrize("value", ["true", "1", "True", "yes", "0", "false ", "on", "", "maybe"])
def test_truth_values_are_those_of_networkmanager(readers: SystemReaders, value: str) -> None:
    data = f"{WIFI}hidden={value}\n".encode()
    is_true = readers.network_manager(data)["hidden"]
    wrong = [finding.code for finding in lint_keyfile("x", data)]

    assert wrong in ([], ["keyfile-value"])
    assert not is_true or not wrong
    assert wrong or is_true == (value.strip() in ("true", "1"))


@hypothesis_settings(max_examples=examples(100), deadline=None)
@given(
    text=st.text("0123456789./,;: ", min_size=1, max_size=24)
    | st.from_regex(r"1\.2\.3\.\d{1,3}/\d{1,2}(,1\.2\.3\.\d)?")
)
def test_an_address_that_passes_is_one_for_networkmanager(readers: SystemReaders, text: str) -> None:
    data = f"{WIFI}[ipv4]\nmethod=manual\naddress1={text}\n".encode()
    if not any(finding.is_error for finding in lint_keyfile("x", data)):
        assert readers.network_manager(data)["valid"]


def test_networkmanager_refuses_no_near_miss(readers: SystemReaders) -> None:
    """What is clean here can be used there; and what it refuses is an error here, not a warning."""
    for code, severity, line, bad, near in CASES:
        assert "error" not in readers.network_manager(near), (code, line, near)
        if severity is Severity.WARNING:
            assert "error" not in readers.network_manager(bad), (code, line, bad)
