"""What is shown of a profile, and what is said of a wrong one, holds no secret."""

from __future__ import annotations

import hashlib
import json

import pytest
from support.keyfile_parts import SECRET, ready_file

from image_tools import profiles
from image_tools.lint.keyfile import check_connection
from image_tools.profiles import WifiProfile, keyfile, profile_summary, wifi_credentials
from resin_toolkit.errors import ResinError


def test_no_secret_shows() -> None:
    profile = WifiProfile(b"x", SECRET)
    key = wifi_credentials.pre_shared_key(SECRET, b"x")
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
    assert f'"{key}": "{profile_summary.HIDDEN}"' in json.dumps(summary)


def test_summaries_keep_what_is_no_secret() -> None:
    data = ready_file(more="[802-1x]\nprivate-key=/mnt/boot/system-connections/key.pem\nidentity=me\n")
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
        ready_file(security=f"key-mgmt=wpa-psk\npsk={SECRET}é"),
        ready_file(security=f"key-mgmt=wpa-psk\npsk={SECRET}\\q"),
        ready_file(security=f"key-mgmt=wpa-psk\npsk {SECRET}"),
        ready_file(security=f"key-mgmt=wpa-psk\n{SECRET}"),
        ready_file(security=f"key-mgmt=wpa-psk\npsk={SECRET}").replace(b"key-mgmt", b"[" + SECRET.encode()),
        ready_file(security=f"key-mgmt=wpa-psk\npsk={SECRET}\npsk={SECRET * 9}"),
    ],
)
def test_errors_hold_no_secret(data: bytes) -> None:
    with pytest.raises(ResinError) as caught:
        check_connection("x", data)

    assert SECRET not in f"{caught.value.message} {caught.value.hint} {caught.value.facts}"


def test_the_digest_of_a_file_name_is_not_of_the_secret() -> None:
    assert WifiProfile(b"X", SECRET).file_name == WifiProfile(b"X").file_name
    assert hashlib.sha1(b"X").hexdigest()[:8] in WifiProfile(b"X").file_name


def test_summaries_hide_the_passphrase_of_a_vpn_and_logins_in_urls() -> None:
    text = f"[connection]\nid=v\ntype=vpn\n[vpn]\ncert-pass={SECRET}\n[proxy]\npac-url=http://me:{SECRET}@host/x\n"
    shown = str(profiles.summary(profiles.read_keyfile(text.encode())))
    assert SECRET not in shown
    assert "host/x" in shown
