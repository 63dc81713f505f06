"""The linter of keyfiles: for each code a file that has it, and one that nearly has it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_tools.profiles import check_connection
from image_tools.profiles.finding import CODES, Finding, Severity
from image_tools.profiles.lint import lint_keyfile
from resin_toolkit.errors import BadValue, ConfigInvalid

SECRET = "Marked-S3cret"
UUID = "7d0ab2c8-7b9b-4b47-b6b4-f5d5e6f2d6f0"
KEY = "4Iv5qcIUz/5bWOKP8AOLEKdkbzaNXYqXV0KSn0rGoWo="
FOLDER = "/mnt/boot/system-connections"
PEAP = "eap=peap;\nidentity=me\nphase2-auth=mschapv2\npassword=secret"
TLS = f"eap=tls;\nidentity=me\nclient-cert={FOLDER}/me.pem\nprivate-key={FOLDER}/key.pem"
BESIDE = {"me.pem", "key.pem"}


def profile(kind: str = "ethernet", more: str = "", *, connection: str = "") -> bytes:
    return f"[connection]\nid=x\nuuid={UUID}\ntype={kind}\n{connection}\n{more}\n".encode()


def wifi(more: str = "", security: str = "", eap: str = "") -> bytes:
    text = f"[wifi]\nssid=x\n{more}\n"
    text += f"[wifi-security]\n{security}\n" if security else ""
    return profile("wifi", text + (f"[802-1x]\n{eap}\n" if eap else ""))


def ip(section: str, text: str) -> bytes:
    return profile(more=f"[{section}]\n{text}\n")


def wireguard(text: str = f"private-key={KEY}", peers: str = "") -> bytes:
    return profile("wireguard", f"[wireguard]\n{text}\n{peers}", connection="interface-name=wg0")


def codes(data: bytes, name: str = "x") -> list[str]:
    return [finding.code for finding in lint_keyfile(name, data, beside=BESIDE)]


E, W = Severity.ERROR, Severity.WARNING
PSK = "key-mgmt=wpa-psk\npsk=12345678"

CASES: list[tuple[str, Severity, int | None, bytes, bytes]] = [
    ("keyfile-syntax", E, 5, profile(connection="nonsense"), profile(connection="# nonsense")),
    ("keyfile-syntax", E, 1, b"id=x\n" + profile(), b"#id=x\n" + profile()),
    ("keyfile-escape", E, 7, wifi().replace(b"ssid=x", b"ssid=\\q"), wifi().replace(b"ssid=x", b"ssid=\\sq")),
    ("keyfile-bom", E, 1, b"\xef\xbb\xbf" + profile(), profile(connection="# \ufeff")),
    ("keyfile-crlf", W, 1, profile().replace(b"\n", b"\r\n"), profile(connection="# \\r\\n")),
    ("keyfile-crlf", W, 2, profile().replace(b"id=x\n", b"id=x\r\n"), profile()),
    (
        "keyfile-twice",
        W,
        5,
        profile(connection="id=y"),
        profile(connection="[ipv4]\nmethod=auto\n[ipv6]\nmethod=auto"),
    ),
    ("keyfile-unknown-section", W, 6, profile(more="[wifi-secrity]"), profile(more="[wifi-security]")),
    ("keyfile-unknown-section", W, 6, profile(more="[Ethernet]"), profile(more="[802-3-ethernet]")),
    ("keyfile-unknown-key", W, 8, wifi("hiden=true"), wifi("hidden=true")),
    ("keyfile-unknown-key", W, 8, wifi("psk=x"), wifi("powersave=2")),
    (
        "keyfile-unknown-key",
        W,
        8,
        ip("ipv4", "method=auto\nadress1=10.0.0.1/24"),
        ip("ipv4", "method=auto\naddress1=10.0.0.1/24"),
    ),
    (
        "keyfile-unknown-key",
        W,
        8,
        ip("ipv4", "method=auto\nroute1_opts=mtu=9"),
        ip("ipv4", "method=auto\nroute1_options=mtu=9"),
    ),
    ("keyfile-value", E, 8, wifi("hidden=yes"), wifi("hidden=1")),
    ("keyfile-value", E, 8, wifi("hidden=True"), wifi("hidden=true ")),
    ("keyfile-value", E, 8, wifi("mode=client"), wifi("mode=ap")),
    ("keyfile-value", E, 8, wifi("bssid=00:11:22:33:44"), wifi("bssid=00:11:22:33:44:55")),
    ("keyfile-value", E, 8, wifi("cloned-mac-address=rnd"), wifi("cloned-mac-address=stable")),
    (
        "keyfile-value",
        E,
        8,
        wifi("mac-address-blacklist=00:11:22:33:44:55;x;"),
        wifi("mac-address-blacklist=00:11:22:33:44:55;"),
    ),
    ("keyfile-value", E, 12, wifi(security=f"{PSK}\nproto=wpa2"), wifi(security=f"{PSK}\nproto=rsn;")),
    (
        "keyfile-value",
        E,
        5,
        profile(connection="autoconnect-priority=1000"),
        profile(connection="autoconnect-priority=-999"),
    ),
    (
        "keyfile-value",
        E,
        5,
        profile(connection="autoconnect-priority=high"),
        profile(connection="autoconnect-priority=0x10"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv4", "method=manual\naddress1=10.0.0.1/33"),
        ip("ipv4", "method=manual\naddress1=10.0.0.1/32"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv4", "method=manual\naddress1=1.2.3/99"),
        ip("ipv4", "method=manual\naddress1=1.2.3.4/9"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv4", "method=manual\naddress1=10.0.0.2/24,10.0.0"),
        ip("ipv4", "method=manual\naddress1=10.0.0.2/24,10.0.0.1"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv6", "method=manual\naddress1=fd00::1/129"),
        ip("ipv6", "method=manual\naddress1=fd00::1/128"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv6", "method=manual\naddress1=10.0.0.1/24"),
        ip("ipv6", "method=manual\naddress1=::ffff:a00:1/96"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv4", "method=auto\ndns=1.1.1;"),
        ip("ipv4", "method=auto\ndns=1.1.1.1;9.9.9.9"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv4", "method=auto\ndns=dns.google;"),
        ip("ipv4", "method=auto\ndns=8.8.8.8#dns.google;"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv6", "method=auto\ndns=1.1.1.1;"),
        ip("ipv6", "method=auto\ndns=2606:4700::1111;"),
    ),
    (
        "keyfile-value",
        E,
        8,
        ip("ipv4", "method=auto\nroute1=10.0.0.0/33,10.0.0.1"),
        ip("ipv4", "method=auto\nroute1=10.0.0.0/8,10.0.0.1,50"),
    ),
    (
        "keyfile-value",
        E,
        9,
        wireguard(peers=f"[wireguard-peer.{KEY}]\nendpoint=vpn.example.com"),
        wireguard(peers=f"[wireguard-peer.{KEY}]\nendpoint=[2001:db8::1]:51820"),
    ),
    (
        "keyfile-value",
        E,
        9,
        wireguard(peers=f"[wireguard-peer.{KEY}]\nallowed-ips=10.0.0.0/33;"),
        wireguard(peers=f"[wireguard-peer.{KEY}]\nallowed-ips=0.0.0.0/0;::/0;"),
    ),
    (
        "keyfile-value",
        E,
        9,
        wireguard(peers=f"[wireguard-peer.{KEY}]\nendpoint=10.0.0.1:65536"),
        wireguard(peers=f"[wireguard-peer.{KEY}]\nendpoint=10.0.0.1:65535"),
    ),
    ("profile-no-connection", E, None, b"[wifi]\nssid=x\n", profile()),
    ("profile-no-id", E, 1, profile().replace(b"id=x\n", b"#\n"), profile()),
    ("profile-no-uuid", W, 1, profile().replace(b"uuid=", b"#uuid="), profile()),
    ("profile-uuid", W, 3, profile().replace(b"-7b9b", b"7b9b"), profile().replace(b"7d0a", b"7D0A")),
    ("profile-no-type", E, 1, profile().replace(b"type=", b"#type="), profile()),
    ("profile-type", E, 4, profile("wlan"), profile("generic")),
    ("profile-no-section", E, 4, profile("wifi"), wifi()),
    ("profile-vpn", W, 4, profile("vpn", "[vpn]\nservice-type=x"), wireguard()),
    (
        "profile-permissions",
        W,
        5,
        profile(connection="permissions=user:alice:;"),
        profile(connection="permissions="),
    ),
    (
        "profile-autoconnect",
        W,
        5,
        profile(connection="autoconnect=false"),
        profile(connection="autoconnect=true"),
    ),
    (
        "profile-interface",
        W,
        5,
        profile(connection="interface-name=enp3s0"),
        profile(connection="interface-name=eth0"),
    ),
    (
        "profile-interface-name",
        E,
        5,
        profile("dummy", connection="interface-name=longer-than-15-x"),
        profile("dummy", connection="interface-name=no-longer-th-15"),
    ),
    (
        "profile-interface-name",
        E,
        1,
        profile("bridge", "[bridge]"),
        profile("vlan", "[vlan]\nparent=eth0\nid=5"),
    ),
    ("profile-mac-address", W, 8, wifi("mac-address=00:11:22:33:44:55"), wifi("mac-address=")),
    ("profile-ssid", E, 6, profile("wifi", "[wifi]"), wifi()),
    ("profile-ssid", E, 7, profile("wifi", "[wifi]\nssid="), profile("wifi", "[wifi]\nssid=\\s")),
    (
        "profile-ssid",
        E,
        7,
        profile("wifi", f"[wifi]\nssid={'é' * 17}"),
        profile("wifi", f"[wifi]\nssid={'é' * 16}"),
    ),
    (
        "profile-ssid",
        E,
        7,
        profile("wifi", "[wifi]\nssid=" + "1;" * 33),
        profile("wifi", "[wifi]\nssid=" + "1;" * 32),
    ),
    ("profile-channel", E, 8, wifi("channel=6"), wifi("channel=6\nband=bg")),
    ("profile-no-security", W, 8, wifi("security=wifi-security"), wifi("security=wifi-security", PSK)),
    ("profile-key-mgmt", E, 9, wifi(security="psk=12345678"), wifi(security=PSK)),
    ("profile-key-mgmt", E, 10, wifi(security="key-mgmt=wpa2-psk"), wifi(security=PSK.upper().lower())),
    (
        "profile-key-mgmt",
        W,
        11,
        wifi(security="key-mgmt=owe\npsk=12345678"),
        wifi(security="key-mgmt=owe"),
    ),
    ("profile-key-mgmt", W, 10, wifi(security=PSK, eap=PEAP), wifi(security="key-mgmt=wpa-eap", eap=PEAP)),
    ("profile-psk", E, 9, wifi(security="key-mgmt=wpa-psk"), wifi(security=PSK)),
    ("profile-psk", E, 11, wifi(security="key-mgmt=wpa-psk\npsk=1234567"), wifi(security=PSK)),
    (
        "profile-psk",
        E,
        11,
        wifi(security=f"key-mgmt=wpa-psk\npsk={'g' * 64}"),
        wifi(security=f"key-mgmt=wpa-psk\npsk={'a' * 64}"),
    ),
    (
        "profile-sae-key",
        W,
        11,
        wifi(security=f"key-mgmt=sae\npsk={'a' * 64}"),
        wifi(security=f"key-mgmt=sae\npsk={'a' * 63}"),
    ),
    (
        "profile-agent-secret",
        E,
        11,
        wifi(security="key-mgmt=wpa-psk\npsk-flags=1"),
        wifi(security=f"{PSK}\npsk-flags=0"),
    ),
    (
        "profile-agent-secret",
        E,
        15,
        wifi(security="key-mgmt=wpa-eap", eap=PEAP.replace("password=secret", "password-flags=2")),
        wifi(security="key-mgmt=wpa-eap", eap=f"{PEAP}\npassword-flags=2"),
    ),
    ("profile-agent-secret", E, 7, wireguard("private-key-flags=1"), wireguard(f"private-key={KEY}")),
    (
        "profile-sample",
        W,
        11,
        wifi(security="key-mgmt=wpa-psk\npsk=super_secret_wifi_password"),
        wifi(security="key-mgmt=wpa-psk\npsk=super_secret_wifi_passwort"),
    ),
    (
        "profile-no-8021x",
        E,
        10,
        wifi(security="key-mgmt=wpa-eap"),
        wifi(security="key-mgmt=wpa-eap", eap=PEAP),
    ),
    ("profile-eap", E, 6, profile(more="[802-1x]\nidentity=me"), profile(more=f"[802-1x]\n{PEAP}")),
    (
        "profile-eap",
        E,
        7,
        profile(more=f"[802-1x]\n{PEAP.replace('peap', 'PEAP')}"),
        profile(more=f"[802-1x]\n{PEAP}"),
    ),
    (
        "profile-eap",
        E,
        6,
        profile(more=f"[802-1x]\n{PEAP.replace('identity', 'anonymous-identity')}"),
        profile(more=f"[802-1x]\n{PEAP}\nanonymous-identity=a"),
    ),
    (
        "profile-eap",
        E,
        6,
        profile(more=f"[802-1x]\n{PEAP}\nphase2-autheap=mschapv2"),
        profile(more=f"[802-1x]\n{PEAP.replace('phase2-auth', 'phase2-autheap')}"),
    ),
    (
        "profile-eap",
        E,
        6,
        profile(more=f"[802-1x]\n{TLS.replace('client-cert', '#')}"),
        profile(more=f"[802-1x]\n{TLS}"),
    ),
    (
        "profile-no-password",
        E,
        6,
        profile(more=f"[802-1x]\n{PEAP.replace('password=secret', '')}"),
        profile(more=f"[802-1x]\n{PEAP.replace('password=secret', 'password-raw=1;2;')}"),
    ),
    (
        "profile-certificate",
        E,
        11,
        profile(more=f"[802-1x]\n{PEAP}\nca-cert={FOLDER}/other.pem"),
        profile(more=f"[802-1x]\n{PEAP}\nca-cert={FOLDER}/me.pem"),
    ),
    (
        "profile-certificate",
        E,
        11,
        profile(more=f"[802-1x]\n{PEAP}\nca-cert=file:///home/me/ca.pem"),
        profile(more=f"[802-1x]\n{PEAP}\nca-cert=file:///etc/ssl/certs/ca.pem"),
    ),
    (
        "profile-certificate",
        E,
        11,
        profile(more=f"[802-1x]\n{PEAP}\nca-cert=C:/Users/me/ca.pem"),
        profile(more=f"[802-1x]\n{PEAP}\nca-cert=data:;base64,AAAA"),
    ),
    ("profile-no-address", E, 7, ip("ipv4", "method=manual"), ip("ipv4", "method=auto")),
    ("profile-ip-method", E, 6, ip("ipv4", "never-default=true"), ip("ipv4", "")),
    ("profile-ip-method", E, 7, ip("ipv4", "method=ignore"), ip("ipv6", "method=ignore")),
    (
        "profile-ip-method",
        E,
        8,
        ip("ipv4", "method=disabled\naddress1=10.0.0.1/24"),
        ip("ipv4", "method=shared\naddress1=10.0.0.1/24"),
    ),
    (
        "profile-ip-method",
        E,
        8,
        ip("ipv4", "method=shared\ndns=1.1.1.1;"),
        ip("ipv6", "method=shared\ndns=2606:4700::1111;"),
    ),
    (
        "profile-no-prefix",
        W,
        8,
        ip("ipv4", "method=manual\naddress1=10.0.0.2,10.0.0.1"),
        ip("ipv4", "method=manual\naddresses1=10.0.0.2;24;10.0.0.1;"),
    ),
    (
        "profile-gateway",
        W,
        8,
        ip("ipv4", "method=manual\naddress1=192.168.1.2/24,192.168.2.1"),
        ip("ipv4", "method=manual\naddress1=192.168.1.2/23,192.168.0.1"),
    ),
    (
        "profile-gateway",
        W,
        9,
        ip("ipv4", "method=manual\naddress1=10.0.0.2/24\ngateway=10.0.1.1"),
        ip("ipv4", "method=manual\naddress1=10.0.0.2/32\ngateway=10.0.1.1"),
    ),
    (
        "profile-gateway",
        W,
        8,
        ip("ipv6", "method=manual\naddress1=fd00::2/64,fd01::1"),
        ip("ipv6", "method=manual\naddress1=fd00::2/64,fe80::1"),
    ),
    ("profile-gateway", E, 8, ip("ipv4", "method=auto\ngateway=10.0.0.1"), ip("ipv4", "method=auto")),
    ("profile-apn", W, 6, profile("gsm", "[gsm]\nnumber=*99#"), profile("gsm", "[gsm]\nauto-config=true")),
    ("profile-apn", E, 7, profile("gsm", "[gsm]\napn=my apn"), profile("gsm", "[gsm]\napn=web.my-apn")),
    ("profile-wireguard", E, 6, wireguard(""), wireguard()),
    ("profile-wireguard", E, 7, wireguard("private-key=AAAA"), wireguard()),
    (
        "profile-wireguard",
        E,
        8,
        wireguard(peers="[wireguard-peer.office]"),
        wireguard(peers=f"[wireguard-peer.{KEY}]"),
    ),
    ("profile-vlan", E, 6, profile("vlan", "[vlan]\nid=5"), profile("vlan", "[vlan]\nid=5\nparent=eth0")),
    (
        "profile-vlan",
        E,
        6,
        profile("vlan", "[vlan]\nparent=eth0"),
        profile("vlan", "[vlan]\nid=5\nparent=eth0"),
    ),
    (
        "profile-bluetooth",
        E,
        6,
        profile("bluetooth", "[bluetooth]\ntype=panu"),
        profile("bluetooth", "[bluetooth]\nbdaddr=00:11:22:33:44:55\ntype=panu"),
    ),
]


@pytest.mark.parametrize(("code", "severity", "line", "bad", "near"), CASES)
def test_a_code_is_found_where_it_is_and_not_nearby(
    code: str, severity: Severity, line: int | None, bad: bytes, near: bytes
) -> None:
    found = lint_keyfile("x", bad, beside=BESIDE)

    assert [(finding.code, finding.severity, finding.line) for finding in found] == [(code, severity, line)]
    assert code not in codes(near)
    for finding in found:
        assert finding.file == "x"
        assert finding.message.endswith(".")
        assert finding.remedy


def test_every_code_of_keyfiles_has_a_case() -> None:
    of_files = {code for code in CODES if code.startswith(("keyfile-", "profile-"))}
    whole = {"profile-same-id", "profile-same-uuid", "profile-unreadable", "profile-skipped"}
    assert {case[0] for case in CASES} == of_files - whole


@pytest.mark.parametrize("name", ["x.ignore", ".x", "x~", "x.swp", "x.A1b2C3"])
def test_names_that_the_device_skips(name: str) -> None:
    assert codes(profile(), name) == ["profile-skipped"]
    assert codes(profile(), name.strip(".~") + "-5G") == []


# remedies


@pytest.mark.parametrize(
    ("data", "remedy"),
    [
        (wifi("hiden=true"), "Did you mean hidden?"),
        (wifi("psk=12345678"), "It belongs in [wifi-security]."),
        (ip("ipv4", "method=auto\nadress1=10.0.0.1/24"), "Did you mean address1?"),
        (profile(more="[wifi-secrity]"), "Did you mean [wifi-security]?"),
        (profile("wlan0"), "Did you mean wifi?"),
        (ip("ipv4", "method=ignore"), "Use method=disabled."),
    ],
)
def test_what_was_meant_is_told(data: bytes, remedy: str) -> None:
    assert [finding.remedy for finding in lint_keyfile("x", data)] == [remedy]


@pytest.mark.parametrize(
    "data",
    [
        wifi(security=f"key-mgmt=wpa-psk\npsk={SECRET * 9}"),
        wifi(security=f"key-mgmt=wpa-psk\npsk={SECRET}\\q"),
        wifi(security=f"key-mgmt=wpa-psk\n{SECRET}"),
        wifi(security=f"key-mgmt=wpa-psk\n{SECRET}==\npsk=12345678"),
        wifi(security=f"{SECRET.lower()}==\n{PSK}"),
        wifi(security=f"{PSK}\n{SECRET.lower()}=\n{SECRET.lower()}="),
        wifi(security=f"key-mgmt=none\npsk={SECRET}"),
        wifi(security=f"key-mgmt=wpa-eap\nkey-mgmt-{SECRET * 3}=1", eap=f"eap={SECRET}\npassword={SECRET}"),
        wireguard(f"private-key={SECRET}", f"[wireguard-peer.{KEY}]\npreshared-key={SECRET}"),
        profile("gsm", f"[gsm]\napn={SECRET} x\npassword={SECRET}\npin={SECRET}"),
        ip("ipv4", f"method={SECRET}\naddress1={SECRET}\ndns={SECRET}"),
        profile(more=f"[802-1x]\neap=tls;\nca-cert=/home/{SECRET}\nprivate-key-password={SECRET}"),
        profile("adsl", f"[adsl]\nprotocol={SECRET}\npassword={SECRET}"),
    ],
)
def test_no_finding_holds_a_secret(data: bytes) -> None:
    found = lint_keyfile("x", data, beside=())

    assert found
    assert SECRET.lower() not in repr(found).lower()


# profiles as routers and companies have them

EDUROAM = b"""[connection]
id=eduroam
uuid=5b9c1f0e-3c1d-4b8e-8f43-0f1d5e4c9a11
type=wifi

[wifi]
mode=infrastructure
ssid=eduroam

[wifi-security]
auth-alg=open
key-mgmt=wpa-eap
group=ccmp;tkip;
pairwise=ccmp;
proto=rsn;

[802-1x]
altsubject-matches=DNS:radius.example.edu;
anonymous-identity=anonymous@example.edu
ca-cert=/mnt/boot/system-connections/eduroam-ca.pem
eap=peap;
identity=student@example.edu
password=correct horse; battery
phase1-peaplabel=0
phase2-auth=mschapv2

[ipv4]
dns-search=
method=auto

[ipv6]
addr-gen-mode=stable-privacy
dns-search=
ip6-privacy=0
method=auto

[proxy]
"""

HIDDEN = """# Café, first floor
[connection]
id=Café ☕
uuid=0d6c7b0e-2d0c-4a53-a8ba-1c1f5a0c7a01
type=802-11-wireless
permissions=
timestamp=1490000000

[802-11-wireless]
hidden=true
mac-address-blacklist=
seen-bssids=00:11:22:33:44:55;
ssid=67;97;102;195;169;32;226;152;149;
security=802-11-wireless-security

[802-11-wireless-security]
key-mgmt=wpa-psk
psk=latte-macchiato

[ipv4]
method=auto
ignore-auto-dns=true
dns=1.1.1.1;9.9.9.9;

[ipv6]
method=ignore
""".encode()

TRAILING = rb"""[connection]
id=Guest\s\s
uuid=0d6c7b0e-2d0c-4a53-a8ba-1c1f5a0c7a02
type=wifi
autoconnect-priority=-5
[wifi]
ssid=Guest \s
[wifi-security]
key-mgmt=sae
psk=a b  c\s
pmf=3
[ipv4]
address1=192.168.8.20/24,192.168.8.1
address2=10.99.0.20/16
dns=192.168.8.1;
dns-search=lan;example.com;
method=manual
never-default=false
route1=10.100.0.0/16,10.99.0.1,50
route1_options=onlink=true
route-metric=600
[ipv6]
address1=fd00:8::20/64,fe80::1
method=manual
"""


@pytest.mark.parametrize("data", [EDUROAM, HIDDEN, TRAILING])
def test_what_works_in_the_field_is_clean(data: bytes) -> None:
    assert lint_keyfile("x", data, beside={"eduroam-ca.pem"}) == []
    assert check_connection("x", data) == []


# the contract of check_connection


def test_an_error_is_raised_with_its_line() -> None:
    with pytest.raises(BadValue, match="x, line 8: hidden must be true or false"):
        check_connection("x", wifi("hidden=yes"))
    with pytest.raises(ConfigInvalid, match="x, line 5:"):
        check_connection("x", profile(connection="nonsense"))


def test_a_warning_is_told_with_its_remedy() -> None:
    [notice] = check_connection("x", wifi("hiden=true"))

    assert notice.code == "keyfile-unknown-key"
    assert notice.message.endswith("Did you mean hidden?")


@settings(max_examples=300, deadline=None)
@given(
    section=st.sampled_from(
        ["connection", "wifi", "wifi-security", "802-1x", "ipv4", "ipv6", "wireguard", "gsm"]
    ),
    key=st.sampled_from(["address1", "dns", "method", "mtu", "eap", "psk", "ssid", "id", "flags", "gateway"]),
    value=st.text(st.characters(exclude_categories=["Cs"]))
    | st.text("0123456789./,;:abcdef%#x-", max_size=40),
)
def test_no_value_breaks_the_linter(section: str, key: str, value: str) -> None:
    for finding in lint_keyfile("x", wifi(security=PSK, eap=PEAP) + f"[{section}]\n{key}={value}\n".encode()):
        assert isinstance(finding, Finding)
