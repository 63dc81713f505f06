from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from keyfile_readers import SystemReaders, nmcli

from image_tools import profiles
from image_tools.profiles import WifiProfile, identity, keyfile, wifi
from image_tools.profiles import profile as profile_module
from resin_toolkit.errors import BadValue, ConfigInvalid, ResinError

SECRET = "Marked-S3cret"

ssids = st.binary(min_size=1, max_size=32) | st.text("aé;\\ 1=[#\n\x00😀", min_size=1, max_size=8).map(
    lambda text: text.encode()
)
printable = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
passphrases = st.text(printable, min_size=8, max_size=63) | st.text(
    "0123456789abcdefABCDEF", min_size=64, max_size=64
)
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


@pytest.fixture(scope="module")
def readers() -> Iterator[SystemReaders]:
    with SystemReaders() as process:
        yield process


# what is written


@example(profile=WifiProfile(b"1;"))
@example(profile=WifiProfile(b"97;98;"))
@example(profile=WifiProfile(b" 97; 98; "))
@example(profile=WifiProfile(b"\\;"))
@example(profile=WifiProfile(b"\\s"))
@example(profile=WifiProfile(b";"))
@settings(max_examples=300, deadline=None)
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
        assert read["psk"] == wifi.pre_shared_key(profile.passphrase, profile.ssid)


@settings(max_examples=300, deadline=None)
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
    assert profiles.check_connection(profile.file_name, data) == []


@settings(max_examples=12, deadline=None)
@given(profile=profiles_)
def test_nmcli_keeps_every_key(readers: SystemReaders, profile: WifiProfile) -> None:
    ours, theirs = profile.keyfile(), nmcli(profile.keyfile())
    kept = readers.glib(theirs)

    for section, keys in readers.glib(ours).items():
        for key, value in keys.items():
            if key != "mode":  # infrastructure is what it is without
                assert kept[section][key] == value or readers.network_manager(theirs)[key] == profile.ssid


@settings(max_examples=300, deadline=None)
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
    assert wifi.pre_shared_key(passphrase, ssid) == key


def test_64_hex_digits_are_the_key_itself() -> None:
    assert wifi.pre_shared_key("AB" * 32, b"x") == "ab" * 32


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


@settings(max_examples=300, deadline=None)
@given(first=ids, second=ids)
def test_file_names_are_safe_and_one_for_each_id(first: str, second: str) -> None:
    name = profiles.file_name_of(first)

    assert re.fullmatch(r"[a-z0-9_][a-z0-9_-]{0,62}", name)
    assert profiles.check_connection(name, _file()) == []
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


@settings(max_examples=400, deadline=None)
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


@settings(max_examples=200, deadline=None)
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


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=60)
    | st.lists(st.sampled_from([b"[a]", b"\xff", b"=", b"\0", b"\r\n", b"k"])).map(b"".join)
)
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        profiles.summary(keyfile.read_keyfile(data))
        profiles.check_connection("x", data)
    except ResinError:
        pass
    profiles.is_sample("x", data)


def test_windows_line_ends_and_marks_are_told_of_and_mended(readers: SystemReaders) -> None:
    data = b"\xef\xbb\xbf[connection]\r\nid=x\r\ntype=wifi\r\n[wifi]\r\nssid=x\r\n"

    assert "error" in readers.glib(data)
    assert [notice.code for notice in profiles.check_connection("x", data)] == ["keyfile-bom", "keyfile-crlf"]
    assert readers.network_manager(profiles.mended(data))["ssid"] == b"x"


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


def _file(*, connection: str = "", wifi: str = "", security: str = "", more: str = "") -> bytes:
    text = f"[connection]\nid=x\ntype=wifi\n{connection}\n[wifi]\nssid=x\n{wifi}\n"
    if security:
        text += f"[wifi-security]\n{security}\n"
    return (text + more).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no \\[connection\\]"),
        (b"[connection]\ntype=wifi\n[wifi]\nssid=x\n", "no id"),
        (b"[connection]\nid=x\n", "no type"),
        (b"[connection]\nid=x\ntype=wlan\n", '"wlan"'),
        (b"[connection]\nid=x\ntype=wifi\n", "no \\[wifi\\]"),
        (b"[connection]\nid=x\ntype=wifi\n[wifi]\n", "no ssid"),
        (b"[connection]\nid=x\ntype=wifi\n[wifi]\nssid=" + b"x" * 33, "33 bytes"),
        (_file(connection="uuid=1234"), "uuid"),
        (_file(security="psk=12345678"), "key-mgmt"),
        (_file(security="key-mgmt=wpa2-psk\npsk=12345678"), "wpa2-psk"),
        (_file(security="key-mgmt=wpa-psk"), "no psk"),
        (_file(security="key-mgmt=wpa-psk\npsk=1234"), "too short"),
        (_file(security="key-mgmt=wpa-psk\npsk-flags=1"), "desktop"),
        (_file(security="key-mgmt=sae"), "no psk"),
        (_file(security="key-mgmt=wpa-eap"), "802-1x"),
        (
            _file(
                security="key-mgmt=wpa-eap",
                more="[802-1x]\neap=peap;\nidentity=a\nphase2-auth=mschapv2\npassword-flags=1",
            ),
            "desktop",
        ),
    ],
)
def test_a_file_that_can_never_work_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BadValue, match=reason) as caught:
        profiles.check_connection("x", data)

    assert caught.value.hint


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (_file(connection="permissions=user:alice:;"), "profile-permissions"),
        (_file(connection="autoconnect=false"), "profile-autoconnect"),
        (_file(connection="interface-name=wlp3s0"), "profile-interface"),
        (_file(wifi="mac-address=00:11:22:33:44:55"), "profile-mac-address"),
        (_file(wifi="security=802-11-wireless-security"), "profile-no-security"),
        (_file(connection="id=y"), "keyfile-twice"),
        (_file(security="key-mgmt=wpa-psk\npsk=super_secret_wifi_password"), "profile-sample"),
        (b"[connection]\nid=x\ntype=vpn\n[vpn]\nservice-type=x\n", "profile-vpn"),
    ],
)
def test_a_dubious_file_is_told_of(data: bytes, code: str) -> None:
    assert [notice.code for notice in profiles.check_connection("x", data)] == [code]


@pytest.mark.parametrize(
    "data",
    [
        _file(security="key-mgmt=sae\npsk=1"),
        _file(security="key-mgmt=owe"),
        _file(security="key-mgmt=none\nwep-key0=12345"),
        _file(
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
    assert profiles.check_connection("x", data) == []
    assert "error" not in readers.network_manager(data) or b"wireguard" in data


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a?", "x.", "x ", "a\n", "é" * 256])
def test_a_name_that_fat_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(BadValue):
        profiles.check_connection(name, _file())


@pytest.mark.parametrize("name", ["x.ignore", ".x", "x~", "x.swp", "ca.pem", "x.A1b2C3"])
def test_a_name_that_the_device_skips_is_told_of(name: str) -> None:
    assert [notice.code for notice in profiles.check_connection(name, _file())] == ["profile-skipped"]


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


# secrets


def test_no_secret_shows() -> None:
    profile = WifiProfile(b"x", SECRET)
    key = wifi.pre_shared_key(SECRET, b"x")
    read = keyfile.read_keyfile(profile.keyfile())
    shown = [profile, read, read.entries, profiles.summary(read), read.notices]

    assert key.encode() in profile.keyfile()
    assert SECRET.encode() not in profile.keyfile()
    for thing in shown:
        assert SECRET not in repr(thing)
        assert key not in repr(thing)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("wifi-security", "psk"),
        ("wifi-security", "wep-key0"),
        ("wifi-security", "leap-password"),
        ("802-1x", "password"),
        ("802-1x", "private-key-password"),
        ("802-1x", "phase2-private-key-password"),
        ("802-1x", "password-raw"),
        ("802-1x", "pin"),
        ("gsm", "pin"),
        ("gsm", "password"),
        ("wireguard", "private-key"),
        ("wireguard-peer.abc", "preshared-key"),
        ("vpn-secrets", "anything"),
        ("macsec", "mka-cak"),
    ],
)
def test_summaries_hide_every_secret_of_networkmanager(section: str, key: str) -> None:
    data = f"[connection]\nid=x\ntype=wifi\n[{section}]\n{key}={SECRET}\n{key}-flags=0\n".encode()
    summary = profiles.summary(keyfile.read_keyfile(data))

    assert SECRET not in json.dumps(summary)
    assert f'"{key}": "{profile_module.HIDDEN}"' in json.dumps(summary)


def test_summaries_keep_what_is_no_secret() -> None:
    data = _file(more="[802-1x]\nprivate-key=/mnt/boot/system-connections/key.pem\nidentity=me\n")
    summary = profiles.summary(keyfile.read_keyfile(data))

    assert "key.pem" in json.dumps(summary)
    assert (summary["type"], summary["ssid"], summary["security"], summary["hidden"]) == (
        "wifi",
        "x",
        "open",
        False,
    )


@pytest.mark.parametrize(
    "data",
    [
        _file(security=f"key-mgmt=wpa-psk\npsk={SECRET}é"),
        _file(security=f"key-mgmt=wpa-psk\npsk={SECRET}\\q"),
        _file(security=f"key-mgmt=wpa-psk\npsk {SECRET}"),
        _file(security=f"key-mgmt=wpa-psk\n{SECRET}"),
        _file(security=f"key-mgmt=wpa-psk\npsk={SECRET}").replace(b"key-mgmt", b"[" + SECRET.encode()),
        _file(security=f"key-mgmt=wpa-psk\npsk={SECRET}\npsk={SECRET * 9}"),
    ],
)
def test_errors_hold_no_secret(data: bytes) -> None:
    with pytest.raises(ResinError) as caught:
        profiles.check_connection("x", data)

    assert SECRET not in f"{caught.value.message} {caught.value.hint} {caught.value.facts}"


def test_the_digest_of_a_file_name_is_not_of_the_secret() -> None:
    assert WifiProfile(b"X", SECRET).file_name == WifiProfile(b"X").file_name
    assert hashlib.sha1(b"X").hexdigest()[:8] in WifiProfile(b"X").file_name


def test_summaries_hide_the_passphrase_of_a_vpn_and_logins_in_urls() -> None:
    text = f"[connection]\nid=v\ntype=vpn\n[vpn]\ncert-pass={SECRET}\n[proxy]\npac-url=http://me:{SECRET}@host/x\n"
    shown = str(profiles.summary(profiles.read_keyfile(text.encode())))
    assert SECRET not in shown
    assert "host/x" in shown
