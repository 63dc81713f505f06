"""The look at a whole boot partition: real FAT file systems, filled by mtools."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.boot_images import SAMPLE, boot_image

from image_tools import config as config_file
from image_tools.boot_partition import open_boot
from image_tools.lint.image import CODES, Finding, Severity, check_image
from image_tools.profiles import WifiProfile

SECRET = "Marked-S3cret"
E, W = Severity.ERROR, Severity.WARNING
ONE = "7d0ab2c8-7b9b-4b47-b6b4-f5d5e6f2d6f0"
TWO = "0d6c7b0e-2d0c-4a53-a8ba-1c1f5a0c7a01"
CONFIG = "config.json"
HOME = "system-connections/home"
REDSOCKS = "system-proxy/redsocks.conf"
NO_PROXY = "system-proxy/no_proxy"
PLAIN_KEY = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"
LOCKED_KEY = PLAIN_KEY.replace("PRIVATE", "ENCRYPTED PRIVATE")
OLD_LOCKED_KEY = PLAIN_KEY.replace("PRIVATE", "RSA PRIVATE").replace(
    "-----\n", "-----\nProc-Type: 4,ENCRYPTED\n", 1
)
PROXY = """base {
  log = stderr; // to the journal
  redirector = iptables;
}
redsocks {
  type = socks5;
  ip = 10.0.0.9;
  port = 1080;
  login = "me";
  local_port = 12345;
}
"""

Files = Mapping[str, bytes | str]


def wired(id: str = "x", uuid: str = ONE, more: str = "") -> str:
    return f"[connection]\nid={id}\nuuid={uuid}\ntype=ethernet\n{more}"


def wireless(psk: str, method: str = "wpa-psk") -> str:
    return (
        f"[connection]\nid=x\nuuid={ONE}\ntype=wifi\n[wifi]\nssid=x\n"
        f"[wifi-security]\nkey-mgmt={method}\npsk={psk}\n"
    )


def eap(path: str) -> str:
    return wired(more=f"[802-1x]\neap=pwd;\nidentity=me\npassword=you\nca-cert={path}\n")


def findings(folder: Path, files: Files) -> list[Finding]:
    boot = boot_image(folder / "image", files)
    before = boot.digest()
    with boot.path.open("rb") as file:
        found = check_image(open_boot(file))
    assert boot.digest() == before
    return found


CASES: list[tuple[str, Severity, str, int | None, Files, Files]] = [
    ("config-syntax", E, CONFIG, 3, {CONFIG: '{\n"a": 1\n"b": 2}'}, {CONFIG: "{\n}"}),
    ("config-syntax", E, CONFIG, 1, {CONFIG: ""}, {}),
    ("config-syntax", E, CONFIG, None, {f"{CONFIG}/x": ""}, {}),
    ("config-bom", E, CONFIG, 1, {CONFIG: b"\xef\xbb\xbf{}"}, {CONFIG: "{}"}),
    ("config-crlf", W, CONFIG, 1, {CONFIG: "{\r\n}"}, {CONFIG: "{\n}"}),
    (
        "config-wrong-type",
        E,
        CONFIG,
        3,
        {CONFIG: '{"hostname": "x",\n\n"persistentLogging": "yes"}'},
        {CONFIG: '{"hostname": "x", "persistentLogging": true}'},
    ),
    ("config-bad-value", E, CONFIG, 2, {CONFIG: '{\n"hostname": "a b"}'}, {CONFIG: '{"hostname": "a-b"}'}),
    ("config-unknown-key", W, CONFIG, 1, {CONFIG: '{"hostnam": "x"}'}, {CONFIG: '{"uuid": "x"}'}),
    (
        "config-flat-key",
        W,
        CONFIG,
        1,
        {CONFIG: '{"os.sshKeys": []}'},
        {CONFIG: '{"os": {"sshKeys": []}}'},
    ),
    (
        "config-text-for-bool",
        W,
        CONFIG,
        1,
        {CONFIG: '{"persistentLogging": "true"}'},
        {CONFIG: '{"developmentMode": "true"}'},
    ),
    ("config-old-key", W, CONFIG, 1, {CONFIG: '{"wifiSsid": "x"}'}, {CONFIG: '{"apiKey": "x"}'}),
    (
        "sample-active",
        W,
        "system-connections/resin-sample",
        None,
        {"system-connections/resin-sample": SAMPLE},
        {"system-connections/resin-sample.ignore": SAMPLE},
    ),
    ("keyfile-syntax", E, HOME, 1, {HOME: "nonsense"}, {f"{HOME}.ignore": "nonsense"}),
    ("keyfile-escape", E, HOME, 8, {HOME: wireless(SECRET, "\\q")}, {HOME: wireless(SECRET, "sae")}),
    ("keyfile-bom", E, HOME, 1, {HOME: "\ufeff" + wired()}, {HOME: wired()}),
    ("keyfile-crlf", W, HOME, 1, {HOME: wired().replace("\n", "\r\n")}, {HOME: wired()}),
    (
        "profile-skipped",
        W,
        f"{HOME}.backup",
        None,
        {f"{HOME}.backup": wired()},
        {"system-connections/.DS_Store": "\0\0"},
    ),
    (
        "profile-same-id",
        W,
        "system-connections/work",
        2,
        {HOME: wired(), "system-connections/work": wired(uuid=TWO)},
        {HOME: wired(), "system-connections/work": wired("y", TWO)},
    ),
    (
        "profile-same-uuid",
        E,
        "system-connections/work",
        3,
        {HOME: wired(), "system-connections/work": wired("y", ONE.upper())},
        {HOME: wired(), "system-connections/work.ignore": wired()},
    ),
    ("secret-passphrase", W, HOME, 9, {HOME: wireless(SECRET)}, {HOME: wireless("a" * 64)}),
    ("secret-passphrase", W, HOME, 9, {HOME: wireless(SECRET)}, {HOME: wireless(SECRET, "sae")}),
    (
        "secret-private-key",
        W,
        "system-connections/me.key",
        1,
        {"system-connections/me.key": PLAIN_KEY},
        {"system-connections/me.key": LOCKED_KEY, "system-connections/old.pem": OLD_LOCKED_KEY},
    ),
    (
        "profile-certificate",
        E,
        HOME,
        9,
        {HOME: eap("/mnt/boot/system-connections/ca.pem")},
        {
            HOME: eap("/mnt/boot/system-connections/ca.pem"),
            "system-connections/ca.pem": "-----BEGIN CERTIFICATE-----\n",
        },
    ),
    ("profile-unreadable", E, HOME, None, {HOME: b" " * ((1 << 20) + 1)}, {f"{HOME}/x": ""}),
    ("proxy-syntax", E, REDSOCKS, 3, {REDSOCKS: "base {\n log stderr\n}"}, {REDSOCKS: PROXY}),
    (
        "proxy-block",
        E,
        REDSOCKS,
        None,
        {REDSOCKS: PROXY[PROXY.index("redsocks {") :]},
        {REDSOCKS: PROXY.replace("base {", "/* of all */\nbase {")},
    ),
    ("proxy-key", E, REDSOCKS, None, {REDSOCKS: PROXY.replace("  port = 1080;\n", "")}, {REDSOCKS: PROXY}),
    (
        "proxy-key",
        E,
        REDSOCKS,
        6,
        {REDSOCKS: PROXY.replace("socks5", "socks6")},
        {REDSOCKS: PROXY.replace("socks5", "http-connect")},
    ),
    (
        "proxy-key",
        E,
        REDSOCKS,
        7,
        {REDSOCKS: PROXY.replace("10.0.0.9", "123.456.789.012")},
        {REDSOCKS: PROXY.replace("10.0.0.9", "proxy.example.com")},
    ),
    (
        "proxy-key",
        E,
        REDSOCKS,
        8,
        {REDSOCKS: PROXY.replace("1080", "65536")},
        {REDSOCKS: PROXY.replace("1080", "65535")},
    ),
    ("proxy-key", W, REDSOCKS, 10, {REDSOCKS: PROXY.replace("12345", "1234")}, {REDSOCKS: PROXY}),
    (
        "no-proxy",
        E,
        NO_PROXY,
        2,
        {NO_PROXY: "10.0.0.0/8\nexample.com\n"},
        {NO_PROXY: "10.0.0.0/8\n192.168.0.1\n"},
    ),
]


@pytest.mark.parametrize(("code", "severity", "file", "line", "bad", "near"), CASES)
def test_a_code_is_found_where_it_is_and_not_nearby(
    tmp_path: Path, code: str, severity: Severity, file: str, line: int | None, bad: Files, near: Files
) -> None:
    found = findings(tmp_path, bad)

    assert [(f.code, f.severity, f.file, f.line) for f in found] == [(code, severity, file, line)]
    assert all(f.code in CODES and f.message and f.remedy is not None for f in found)
    assert findings(tmp_path, near) == []


def test_every_code_of_images_has_a_case() -> None:
    own = {code for code in CODES if code.startswith(("config-", "secret-", "sample-", "proxy-", "no-proxy"))}
    assert own <= {case[0] for case in CASES}


def test_an_image_that_is_as_it_should_be_is_clean(tmp_path: Path) -> None:
    profile = WifiProfile("Café ☕".encode(), SECRET)
    config = {"hostname": "shed", "uuid": "0", "deviceApiKey": SECRET, "os": {"sshKeys": []}}
    files = {
        CONFIG: config_file.dump(config),
        "device-type.json": json.dumps({"slug": "raspberry-pi"}),
        "config.txt": "\ufeffgpu_mem=16\r\n",
        "system-connections/resin-sample.ignore": SAMPLE,
        f"system-connections/{profile.file_name}": profile.keyfile(),
        REDSOCKS: PROXY,
        NO_PROXY: "10.0.0.0/8\n",
    }
    assert findings(tmp_path, files) == []


def test_an_empty_boot_partition_is_clean(tmp_path: Path) -> None:
    assert findings(tmp_path, {}) == []


def test_findings_come_file_by_file_in_the_order_of_lines(tmp_path: Path) -> None:
    files = {
        HOME: wired(more="autoconnect=false\n[ipv4]\nmethod=manual\n[ipv9]\n"),
        CONFIG: '{"hostname": 5,\n"country": 5}',
        NO_PROXY: "x\ny\n",
    }
    places = [(finding.file, finding.line) for finding in findings(tmp_path, files)]
    assert places == [(CONFIG, 1), (CONFIG, 2), (HOME, 5), (HOME, 7), (HOME, 8), (NO_PROXY, 1), (NO_PROXY, 2)]


def test_no_finding_holds_a_secret(tmp_path: Path) -> None:
    files = {
        HOME: wireless(SECRET),
        "system-connections/a": wireless(SECRET * 9),
        "system-connections/b": wireless(f"{SECRET}\n{SECRET}"),
        "system-connections/me.key": PLAIN_KEY,
        CONFIG: json.dumps({"apiKey": SECRET, "wifiKey": SECRET, "os": {"sshKeys": [PLAIN_KEY]}}),
        REDSOCKS: PROXY.replace('"me"', f'"{SECRET}').replace("port", SECRET),
    }
    found = findings(tmp_path, files)

    assert {finding.file for finding in found} == set(files)
    assert SECRET not in repr(found)
