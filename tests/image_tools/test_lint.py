"""The linter of keyfiles: for each code a file that has it, and one that nearly has it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.keyfile_cases import CASES
from support.keyfile_texts import BESIDE, KEY, PEAP, PSK, ip, profile, wifi, wireguard

from image_tools.lint.findings import CODES, Finding, Severity
from image_tools.lint.keyfile import check_connection
from image_tools.lint.profiles.linter import lint_keyfile
from resin_toolkit.errors import BadValue, ConfigInvalid

SECRET = "Marked-S3cret"


def codes(data: bytes, name: str = "x") -> list[str]:
    return [finding.code for finding in lint_keyfile(name, data, siblings=BESIDE)]


@pytest.mark.parametrize(("code", "severity", "line", "bad", "near"), CASES)
def test_a_code_is_found_where_it_is_and_not_nearby(
    code: str, severity: Severity, line: int | None, bad: bytes, near: bytes
) -> None:
    found = lint_keyfile("x", bad, siblings=BESIDE)

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
    found = lint_keyfile("x", data, siblings=())

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
    assert lint_keyfile("x", data, siblings={"eduroam-ca.pem"}) == []
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


@settings(max_examples=examples(120), deadline=None)
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


def test_the_linter_is_loaded_by_those_who_lint() -> None:
    code = "import sys, image_tools.configuration; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout

    assert "image_tools.lint.keyfile" in loaded.split()
    assert not [name for name in loaded.split() if name.startswith("image_tools.lint.profiles.linter")]
    assert "image_tools.profiles.settings" not in loaded.split()
