"""Keyfiles as GLib and NetworkManager read them, ready ones that are checked, and samples."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.keyfile_parts import ready_file, system_readers  # noqa: F401 - fixtures
from support.keyfile_readers import SystemReaders

from image_tools import profiles
from image_tools.lint.keyfile import check_connection
from image_tools.profiles import WifiProfile, keyfile
from resin_toolkit.errors import BadValue, ConfigInvalid, ResinError

# what is read

LINES = r"""
[connection]
[a]
[a]x
[]
[a[b]
[b
  [c]
id=x
type = wifi
# comment
 ; comment
=x
x
y]=1
x[de]=y
k=
k=\q
k=\s\n\t\r\\
k=a\\;b
k=\
k=a=b
é=é
"""

ALL_LINES = [*LINES.split("\n"), "[a] ", "  k  = v  ", "k=a\\;b", "\f", "\v=1"]


@pytest.mark.parametrize("line", ALL_LINES)
def test_the_reader_takes_the_lines_that_glib_takes(readers: SystemReaders, line: str) -> None:
    _compare_with_glib(readers, f"{line}\n".encode())
    _compare_with_glib(readers, f"[b]\n{line}\n".encode())


@settings(max_examples=examples(150), deadline=None)
@given(lines=st.lists(st.sampled_from(ALL_LINES), max_size=7), end=st.sampled_from(["\n", "\r\n"]))
def test_the_reader_takes_what_glib_takes(readers: SystemReaders, lines: list[str], end: str) -> None:
    _compare_with_glib(readers, end.join(lines).encode())


def _compare_with_glib(readers: SystemReaders, data: bytes) -> None:
    theirs = readers.glib(data)
    try:
        ours = keyfile.read_keyfile(data)
    except ConfigInvalid:
        assert "error" in theirs or b"x[de]" in data  # GLib drops translations, of which a profile has none
        return

    assert "error" not in theirs
    for section, keys in theirs.items():
        for key, value in keys.items():
            if value is not None:
                assert ours.text(section, key) == value
            elif "\\;" not in ours.sections[section][key]:  # NetworkManager takes it where GLib does not
                with pytest.raises(ConfigInvalid):
                    ours.text(section, key)


@settings(max_examples=examples(100), deadline=None)
@given(value=st.text("ab;\\ 0125", min_size=1, max_size=12))
def test_an_ssid_is_read_as_networkmanager_reads_it(readers: SystemReaders, value: str) -> None:
    data = f"[connection]\nid=x\ntype=wifi\n[wifi]\nssid={value}\n".encode()
    theirs = readers.network_manager(data)
    try:
        ours = keyfile.read_keyfile(data).ssid
    except ConfigInvalid:
        return  # NetworkManager guesses what a wrong escape means, and its releases do not agree

    if ours is not None and 1 <= len(ours) <= 32 and "error" not in theirs:
        assert theirs["ssid"] == ours


@settings(max_examples=examples(120), deadline=None)
@given(
    data=st.binary(max_size=60)
    | st.lists(st.sampled_from([b"[a]", b"\xff", b"=", b"\0", b"\r\n", b"k"])).map(b"".join)
)
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        profiles.summary(keyfile.read_keyfile(data))
        check_connection("x", data)
    except ResinError:
        pass
    profiles.is_sample("x", data)


def test_windows_line_ends_and_marks_are_told_of_and_mended(readers: SystemReaders) -> None:
    data = b"\xef\xbb\xbf[connection]\r\nid=x\r\ntype=wifi\r\n[wifi]\r\nssid=x\r\n"

    assert "error" in readers.glib(data)
    assert [notice.code for notice in check_connection("x", data)] == ["keyfile-bom", "keyfile-crlf"]
    assert readers.network_manager(profiles.normalize_keyfile(data))["ssid"] == b"x"


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"id=x\n", 1),
        (b"[connection]\nid=x\nnonsense\n", 3),
        (b"\n\n[connection\n", 3),
        (b"[connection]\r\nid=\xff\r\n", 2),
        (b"[connection]\n;comment\n", 2),
    ],
)
def test_what_is_no_keyfile_is_refused_with_its_line(data: bytes, line: int) -> None:
    with pytest.raises(ConfigInvalid, match=f"line {line}:") as caught:
        keyfile.read_keyfile(data, "x")

    assert caught.value.facts["line"] == line


# ready files


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no \\[connection\\]"),
        (b"[connection]\ntype=wifi\n[wifi]\nssid=x\n", "no id"),
        (b"[connection]\nid=x\n", "no type"),
        (b"[connection]\nid=x\ntype=wlan\n", '"wlan"'),
        (b"[connection]\nid=x\ntype=wifi\n", "requires a \\[wifi\\]"),
        (b"[connection]\nid=x\ntype=wifi\n[wifi]\n", "no ssid"),
        (b"[connection]\nid=x\ntype=wifi\n[wifi]\nssid=" + b"x" * 33, "33 bytes"),
        (ready_file(connection="uuid=1234"), "uuid"),
        (ready_file(security="psk=12345678"), "key-mgmt"),
        (ready_file(security="key-mgmt=wpa2-psk\npsk=12345678"), "wpa2-psk"),
        (ready_file(security="key-mgmt=wpa-psk"), "no psk"),
        (ready_file(security="key-mgmt=wpa-psk\npsk=1234"), "too short"),
        (ready_file(security="key-mgmt=wpa-psk\npsk-flags=1"), "desktop"),
        (ready_file(security="key-mgmt=sae"), "no psk"),
        (ready_file(security="key-mgmt=wpa-eap"), "802-1x"),
        (
            ready_file(
                security="key-mgmt=wpa-eap",
                more="[802-1x]\neap=peap;\nidentity=a\nphase2-auth=mschapv2\npassword-flags=1",
            ),
            "desktop",
        ),
    ],
)
def test_a_file_that_can_never_work_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BadValue, match=reason) as caught:
        check_connection("x", data)

    assert caught.value.hint


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (ready_file(connection="permissions=user:alice:;"), "profile-permissions"),
        (ready_file(connection="autoconnect=false"), "profile-autoconnect"),
        (ready_file(connection="interface-name=wlp3s0"), "profile-interface"),
        (ready_file(wifi="mac-address=00:11:22:33:44:55"), "profile-mac-address"),
        (ready_file(wifi="security=802-11-wireless-security"), "profile-no-security"),
        (ready_file(connection="id=y"), "keyfile-twice"),
        (ready_file(security="key-mgmt=wpa-psk\npsk=super_secret_wifi_password"), "profile-sample"),
        (b"[connection]\nid=x\ntype=vpn\n[vpn]\nservice-type=x\n", "profile-vpn"),
    ],
)
def test_a_dubious_file_is_told_of(data: bytes, code: str) -> None:
    assert [notice.code for notice in check_connection("x", data)] == [code]


@pytest.mark.parametrize(
    "data",
    [
        ready_file(security="key-mgmt=sae\npsk=1"),
        ready_file(security="key-mgmt=owe"),
        ready_file(security="key-mgmt=none\nwep-key0=12345"),
        ready_file(
            security="key-mgmt=wpa-eap",
            more="[802-1x]\neap=peap;\nidentity=a\npassword=b\nphase2-auth=mschapv2",
        ),
        b"[connection]\nid=x\ntype=802-11-wireless\n[802-11-wireless]\nssid=x\n",
        b"[connection]\nid=x\ntype=gsm\n[gsm]\napn=internet\n",
        b"# mine\n[connection]\nid=x\ntype=ethernet\n[ipv4]\nmethod=shared\n",
        b"[connection]\nid=x\ntype=wireguard\ninterface-name=wg0\n"
        b"[wireguard]\nprivate-key=4Iv5qcIUz/5bWOKP8AOLEKdkbzaNXYqXV0KSn0rGoWo=\n",
    ],
)
def test_a_sound_file_passes(readers: SystemReaders, data: bytes) -> None:
    assert check_connection("x", data) == []
    assert "error" not in readers.network_manager(data) or b"wireguard" in data


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a?", "x.", "x ", "a\n", "é" * 256])
def test_a_name_that_fat_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(BadValue):
        check_connection(name, ready_file())


@pytest.mark.parametrize("name", ["x.ignore", ".x", "x~", "x.swp", "ca.pem", "x.A1b2C3"])
def test_a_name_that_the_device_skips_is_told_of(name: str) -> None:
    assert [notice.code for notice in check_connection(name, ready_file())] == ["profile-skipped"]


# samples

SAMPLE = b"""[connection]
id=resin-sample
type=wifi

[wifi]
hidden=true
mode=infrastructure
ssid=My_Wifi_Ssid

[wifi-security]
auth-alg=open
key-mgmt=wpa-psk
psk=super_secret_wifi_password
"""


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("resin-sample", SAMPLE, True),
        ("RESIN-S~1", SAMPLE, True),
        ("Balena-Sample", SAMPLE.replace(b"\n", b"\r\n"), True),
        ("resin-wifi", SAMPLE, True),
        ("resin-sample", b"", True),
        ("resin-sample", b"broken My_Wifi_Ssid", True),
        ("resin-sample.ignore", SAMPLE, False),
        ("BALENA-SAMPLE.IGNORE", SAMPLE, False),
        ("resin-sample", SAMPLE.replace(b"My_Wifi_Ssid", b"Kitchen"), False),
        ("resin-wifi", WifiProfile(b"Kitchen").keyfile(), False),
        ("resin-wifi", b"# like My_Wifi_Ssid\n" + WifiProfile(b"Kitchen").keyfile(), False),
    ],
)
def test_active_samples_are_known(name: str, data: bytes, expected: bool) -> None:
    assert profiles.is_sample(name, data) is expected
