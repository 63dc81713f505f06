from __future__ import annotations

import base64
import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_tools import config
from image_tools.config import Config, Kind, Origin, values
from image_tools.config import keys as config_keys
from resin_toolkit.errors import BadValue, ConfigInvalid, ResinError

SECRET = "Marked-S3cret"
CA = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n").decode()
ED25519 = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))).decode()

numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | st.text(max_size=8)
json_values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)
names = st.sampled_from([key.name for key in config.KEYS]) | st.text("ab.", min_size=1, max_size=6)
configs: st.SearchStrategy[Config] = st.dictionaries(
    st.sampled_from(["hostname", "os", "deviceApiKey", "x", "a", "a.b"]) | st.text(max_size=5),
    json_values,
    max_size=6,
)


def codes(notices: list[Any]) -> list[str]:
    return [notice.code for notice in notices]


# the table


def test_the_table_is_sound() -> None:
    names = [key.name for key in config.KEYS]

    assert len(names) == len(set(names))
    assert not set(names) & config_keys.GROUPS
    for key in config.KEYS:
        assert key.meaning.endswith(".")
        assert key.check is None or key.kind in (Kind.STRING, Kind.STRINGS)
        for choice in key.choices:
            assert key.check is not None
            key.check(choice)


def test_every_secret_of_the_cloud_is_marked() -> None:
    secret = {key.name for key in config.KEYS if key.secret}

    assert {"deviceApiKey", "deviceApiKeys", "apiKey", "wifiKey", "mixpanelToken", "files"} <= secret
    assert {"pubnubPublishKey", "pubnubSubscribeKey"} <= secret
    assert not any(key.secret for key in config.KEYS if key.origin is Origin.USER)


# reading and writing


@settings(deadline=None)
@given(value=configs)
def test_what_is_written_is_read_back(value: Config) -> None:
    data = config.dump(value)

    assert config.dump(config.parse(data)) == data
    assert config.parse(data) == value
    assert list(config.parse(data)) == list(value)
    assert data.endswith(b"\n")
    assert json.loads(data) == value


@settings(deadline=None)
@given(value=configs)
def test_windows_editors_are_understood(value: Config) -> None:
    text = config.dump(value).decode()

    assert config.parse(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()) == value
    assert config.parse(text.encode("utf-16")) == value


def test_half_a_surrogate_pair_survives() -> None:
    data = rb'{"a": "\ud83d"}'
    written = config.dump(config.parse(data)).decode("utf-8")

    assert json.loads(written) == json.loads(data)


def test_jq_reads_what_is_written() -> None:
    assert shutil.which("jq"), "jq is needed"
    value = {"hostname": "küche", "os": {"sshKeys": ["a"], "x": {}}, "n": 12345678901, "z": None}
    read = subprocess.run(["jq", "-c", "."], input=config.dump(value), capture_output=True, check=True)

    assert json.loads(read.stdout) == value


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b'{"a": 1,}', (1, 9)),
        (b'{\n  "a": 1\n  "b": 2\n}', (3, 3)),
        (b'{\r\n  "a": 1\r\n  "b": 2\r\n}', (3, 3)),
        (b'\xef\xbb\xbf{"a" 1}', (1, 6)),
        (b"", (1, 1)),
        (b" \n ", (1, 1)),
        (b"\n [1]", (2, 2)),
        (b'"x"', (1, 1)),
        (b'{"a": NaN}', (1, 7)),
        (b'{"NaN": "a NaN",\n "b": [-Infinity]}', (2, 8)),
        (b'{"a": 1e999}', (1, 7)),
        (b'{"a": 1, "b": {"c": 1, "a": 1},\n "a": 2}', (2, 2)),
        (b'{"a": [{"b": 1}, {"b": 1, "\\u0062": 2}]}', (1, 27)),
        (b"{'a': 1}", (1, 2)),
        (b'{"a": 1} x', (1, 10)),
        (b'{"a": "\x01"}', (1, 8)),
        (b'{"a": 1}\0\0\0', (1, 9)),
    ],
)
def test_a_broken_file_is_refused_with_line_and_column(data: bytes, where: tuple[int, int]) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        config.parse(data, "config.json")

    assert (caught.value.facts["line"], caught.value.facts["column"]) == where
    assert caught.value.message.startswith("config.json")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a": "\n\xff"}', "line 2"),
        (b'\xef\xbb\xbf{\n"a": "\xff"}', "line 2"),
        (b"\xff\xfe{", "UTF-16"),
        (b'{"a": ' + b"[" * 5000, "deep"),
        (b'{"a": ' + b'{"a": ' * 101 + b"1" + b"}" * 102, "deep"),
        (b'{"a": ' + b"1" * 5000 + b"}", "too long"),
    ],
)
def test_other_broken_files_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ConfigInvalid, match=reason):
        config.parse(data)


def test_a_hundred_deep_can_be_handled() -> None:
    value = config.parse(b'{"a": ' * 100 + b"1" + b"}" * 100)

    assert config.diff({}, value)
    assert config.dump(config.hidden(value)) == config.dump(value)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=40) | st.text('{}[]":, \\ndNaI1e9.-', max_size=20).map(str.encode))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    try:
        value = config.parse(data)
    except ConfigInvalid as error:
        assert error.message.startswith("config.json")  # noqa: PT017 - it may also be right
    else:
        assert config.parse(config.dump(value)) == value


# setting


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("hostname", "kitchen-1", "kitchen-1"),
        ("persistentLogging", "yes", True),
        ("persistentLogging", "Off", False),
        ("developmentMode", "1", True),
        ("country", "de", "DE"),
        ("dnsServers", "null", "null"),
        ("dnsServers", "8.8.8.8 2001:db8::1 10.0.0.1#5353", "8.8.8.8 2001:db8::1 10.0.0.1#5353"),
        ("ntpServers", "0.pool.ntp.org 10.0.0.1", "0.pool.ntp.org 10.0.0.1"),
        ("os.network.connectivity.uri", "https://example.com/check?a=b", "https://example.com/check?a=b"),
        ("os.network.connectivity.interval", "0", "0"),
        ("os.fan.profile", "cool", "cool"),
        ("os.udevRules", '{"10-a": "ACTION"}', {"10-a": "ACTION"}),
        ("os.udevRules.10-a.rules", "ACTION", "ACTION"),
        ("os.sshKeys", f"ssh-ed25519 {ED25519} me\n\nssh-ed25519 {ED25519}", None),
        ("os.sshKeys", json.dumps([f"ssh-ed25519 {ED25519} me"]), [f"ssh-ed25519 {ED25519} me"]),
        ("installer.migrate.force", "true", True),
        ("deviceId", "1234", 1234),
        ("uuid", "123", "123"),
        ("deviceApiKeys.api.example.com", "x", "x"),
        ("balenaRootCA", CA, None),
    ],
)
def test_known_keys_take_their_type(name: str, text: str, value: object) -> None:
    changed, notices = config.set_value({}, name, text)
    holder = config_keys.holder_of(name)
    path = (*holder.path, name[len(holder.name) + 1 :]) if holder else tuple(name.split("."))
    found: Any = changed
    for part in path:
        found = found[part]

    assert value is None or (found == value and type(found) is type(value))
    assert notices == []
    assert config.check(changed) == []


def test_ssh_keys_are_a_list() -> None:
    changed, _ = config.set_value({}, "os.sshKeys", f"ssh-ed25519 {ED25519} a\r\nssh-ed25519 {ED25519} b\n")

    assert changed == {"os": {"sshKeys": [f"ssh-ed25519 {ED25519} a", f"ssh-ed25519 {ED25519} b"]}}


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("hostname", "my host", "my-host"),
        ("hostname", "-x-", '"x"'),
        ("hostname", "Küche.local", '"Kuche"'),
        ("hostname", "Bob's Pi", '"Bobs-Pi"'),
        ("hostname", "a" * 64, "a" * 63),
        ("hostname", "a\n", '"a"'),
        ("hostname", "", "63"),
        ("hostname", "日本", "63"),
        ("country", "USA", "two letters"),
        ("country", "d1", "two letters"),
        ("country", "ÄÖ", "two letters"),
        ("persistentLogging", "maybe", "true or false"),
        ("persistentLogging", "", "true or false"),
        ("dnsServers", "8.8.8.8 dns.example.com", "IP addresses"),
        ("dnsServers", "8.8.8.8,1.1.1.1", "spaces"),
        ("dnsServers", "8.8.8.8#99999", "port"),
        ("dnsServers", " ", "unset"),
        ("ntpServers", "a,b", "spaces"),
        ("os.network.connectivity.uri", "example.com", "http"),
        ("os.network.connectivity.interval", "1h", "digits"),
        ("os.fan.profile", "loud", "quiet or cool"),
        ("os.udevRules", "[]", "object"),
        ("os.udevRules", "{", "JSON"),
        ("os.sshKeys", "[1]", "list"),
        ("os.sshKeys", "ssh-ed25519 AAAA", "whole line"),
        ("os.sshKeys", f"ssh-rsa {ED25519}", "whole line"),
        ("os.sshKeys", "hello", "ssh-keygen"),
        ("deviceId", "1x", "digits"),
        ("deviceId", "\uff11", "digits"),
        ("balenaRootCA", "-----BEGIN CERTIFICATE-----", "base64"),
        ("balenaRootCA", "é", "base64"),
        ("balenaRootCA", "aGVsbG8=", "base64"),
        ("os", "5", "object"),
        ("os", '{"fan": {"profile": "loud"}}', "quiet or cool"),
        ("os.network", '{"wifi": {"randomMacAddressScan": 1}}', "set"),
        ("", "x", "dots"),
        ("a..b", "x", "dots"),
        (".", "x", "dots"),
        ("x", "\udcff", "UTF-8"),
    ],
)
def test_a_value_that_cannot_work_is_refused(name: str, text: str, hint: str) -> None:
    with pytest.raises(BadValue) as caught:
        config.set_value({}, name, text)

    assert hint in caught.value.hint


@pytest.mark.parametrize("text", ["A", "a-1", "x" * 63, "1", "A-b-C"])
def test_host_names(text: str) -> None:
    values.hostname(text)


@settings(deadline=None)
@given(text=st.text(max_size=80))
def test_a_repaired_host_name_is_one(text: str) -> None:
    repaired = values.repaired_hostname(text)

    if repaired:
        values.hostname(repaired)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("null", None),
        ("12", 12),
        ("-1.5", -1.5),
        ('{"a": [1]}', {"a": [1]}),
        ("[]", []),
        ('"12"', "12"),
        ("hello", "hello"),
        ("", ""),
        ("1.10", "1.10"),
        ("007", "007"),
        ("1e3", "1e3"),
        ("NaN", "NaN"),
        ('{"a": 1, "a": 2}', '{"a": 1, "a": 2}'),
        ("[" * 200, "[" * 200),
    ],
)
def test_unknown_keys_take_json_or_text(text: str, value: object) -> None:
    changed, notices = config.set_value({}, "foo", text)

    assert changed == {"foo": value}
    assert type(changed["foo"]) is type(value)
    assert codes(notices) == ["config-unknown-key"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("hostnme", "hostname"),
        ("HostName", "hostname"),
        ("host-name", "hostname"),
        ("persistent_logging", "persistentLogging"),
        ("sshKeys", "os.sshKeys"),
        ("os.sshkeys", "os.sshKeys"),
        ("os.network.connectivity.url", "os.network.connectivity.uri"),
        ("wifi.randomMacAddressScan", "os.network.wifi.randomMacAddressScan"),
        ("quux", None),
        ("os.network.x", None),
    ],
)
def test_an_unknown_key_is_kept_and_told_of(name: str, meant: str | None) -> None:
    changed, notices = config.set_value({}, name, "x")

    assert changed
    assert codes(notices) == ["config-unknown-key"]
    assert ("Did you mean" in notices[0].message) == (meant is not None)
    assert meant is None or f'"{meant}"?' in notices[0].message
    assert notices == config.check(changed)


def test_dots_nest_and_keep_what_is_there() -> None:
    before: Config = {"z": 1, "os": {"fan": {"profile": "cool"}}, "a": 2}
    after, _ = config.set_value(before, "os.power.mode", "low")

    assert config.dump(after) == config.dump(
        {"z": 1, "os": {"fan": {"profile": "cool"}, "power": {"mode": "low"}}, "a": 2}
    )
    assert before == {"z": 1, "os": {"fan": {"profile": "cool"}}, "a": 2}


def test_nothing_can_be_set_below_a_value() -> None:
    with pytest.raises(BadValue, match=r"os\.fan is a value") as caught:
        config.set_value({"os": {"fan": "x"}}, "os.fan.profile", "cool")

    assert "--unset os.fan" in caught.value.hint
    assert config.set_value({"os": None}, "os.fan.profile", "cool")[0] == {"os": {"fan": {"profile": "cool"}}}


# removing


def test_unset_takes_the_empty_objects_with_it() -> None:
    before: Config = {"os": {"fan": {"profile": "cool"}, "empty": {}}, "a": {"b": {"c": 1}}}

    assert config.unset(before, "os.fan.profile") == ({"os": {"empty": {}}, "a": {"b": {"c": 1}}}, [])
    assert config.unset(before, "a.b.c")[0] == {"os": {"fan": {"profile": "cool"}, "empty": {}}}
    assert config.unset(before, "os")[0] == {"a": {"b": {"c": 1}}}


@pytest.mark.parametrize("name", ["hostname", "os.fan.profile", "a.b", "x.y"])
def test_unset_of_what_is_not_there_is_a_notice(name: str) -> None:
    before: Config = {"x": 1, "a": {}}
    after, notices = config.unset(before, name)

    assert after == before
    assert codes(notices) == ["config-no-such-key"]


def test_a_key_that_has_dots_of_its_own_can_be_removed() -> None:
    flat: Config = {"os.fan.profile": "cool", "a.b": 1}

    assert codes(config.check(flat)) == ["config-flat-key", "config-unknown-key"]
    assert config.unset(flat, "os.fan.profile")[0] == {"a.b": 1}
    assert config.unset(flat, "a.b")[0] == {"os.fan.profile": "cool"}


@settings(max_examples=300, deadline=None)
@given(value=configs, name=names, text=st.text(max_size=6) | st.sampled_from(["true", "{}", "1"]))
def test_changes_leave_their_input_alone(value: Config, name: str, text: str) -> None:
    before = copy.deepcopy(value)
    try:
        changed, _ = config.set_value(value, name, text)
        removed, _ = config.unset(changed, name)
    except BadValue:
        changed = removed = value

    assert config.dump(value) == config.dump(before)
    if changed is not value:
        assert config.dump(config.unset(removed, name)[0]) == config.dump(removed)
        assert not any(line.startswith("~") for line in config.diff(value, removed))


# merging, checking


def test_merge_goes_deep() -> None:
    before: Config = {
        "a": 1,
        "os": {"sshKeys": [f"ssh-ed25519 {ED25519}"], "fan": {"profile": "cool"}},
        "b": {"c": 1},
    }
    after, notices = config.merge(before, {"os": {"fan": {"profile": "quiet"}}, "b": None, "country": "fr"})

    assert after == {
        "a": 1,
        "os": {"sshKeys": [f"ssh-ed25519 {ED25519}"], "fan": {"profile": "quiet"}},
        "b": None,
        "country": "FR",
    }
    assert codes(notices) == ["config-unknown-key"]
    assert before["b"] == {"c": 1}


@pytest.mark.parametrize(
    "other",
    [
        {"hostname": 5},
        {"hostname": "my host"},
        {"persistentLogging": 1},
        {"persistentLogging": "yes"},
        {"os": []},
        {"os": {"sshKeys": "ssh-ed25519 AAAA"}},
        {"os": {"sshKeys": [1]}},
        {"os": {"network": {"connectivity": {"interval": 60}}}},
        {"os": {"udevRules": ["x"]}},
    ],
)
def test_merge_refuses_what_cannot_work(other: Config) -> None:
    with pytest.raises(BadValue) as caught:
        config.merge({}, other)

    assert caught.value.hint


@settings(deadline=None)
@given(first=configs, second=configs)
def test_merge_is_told_in_full_by_diff(first: Config, second: Config) -> None:
    try:
        merged, _ = config.merge(first, second)
    except BadValue:
        return

    assert (config.diff(first, merged) == []) == (config.dump(first) == config.dump(merged))
    assert config.merge(merged, second)[0] == merged


@pytest.mark.parametrize(
    "value",
    [
        {"hostname": 5},
        {"os": "x"},
        {"os": {"sshKeys": {}}},
        {"persistentLogging": "yes"},
        {"country": ["DE"]},
    ],
)
def test_check_refuses_another_type(value: Config) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        config.check(value)

    assert "--unset" in caught.value.hint


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"developmentMode": "true"}, []),
        ({"persistentLogging": "true"}, ["config-text-for-bool"]),
        ({"hostname": "my_host"}, ["config-bad-value"]),
        ({"hostname": None}, []),
        ({"deviceId": "12", "vpnPort": "443", "userId": None, "registered_at": 1.5}, []),
        ({"wifiSsid": "x"}, ["config-old-key"]),
        ({"os": {"foo": {"a": 1, "b": 2}}}, ["config-unknown-key"]),
        ({"os": {"udevRules": {"10-a": "x"}}}, []),
        ({"os.network": {}}, ["config-flat-key"]),
        ({"deviceApiKeys": {"api.example.com": "x"}}, []),
    ],
)
def test_check_tells_what_is_dubious(value: Config, expected: list[str]) -> None:
    assert codes(config.check(value)) == expected


def test_a_config_of_the_cloud_passes() -> None:
    written = {
        "applicationId": "13638",
        "applicationName": "x",
        "apiEndpoint": "https://api.example.com",
        "apiKey": SECRET,
        "appUpdatePollInterval": "60000",
        "deviceType": "raspberrypi3",
        "listenPort": 48484,
        "mixpanelToken": SECRET,
        "userId": 1,
        "username": "x",
        "vpnPort": 443,
    }

    assert config.check(written) == []


@settings(max_examples=300, deadline=None)
@given(value=configs)
def test_any_config_can_be_checked(value: Config) -> None:
    try:
        notices = config.check(value)
    except ConfigInvalid:
        return

    assert all(notice.message for notice in notices)


# showing


def test_diff() -> None:
    old: Config = {"a": 1, "b": {"c": "x", "d": {}}, "gone": [1], "same": True, "apiKey": "one"}
    new: Config = {
        "a": True,
        "b": {"c": "y", "d": {}, "e": None},
        "same": True,
        "apiKey": "two",
        "hostname": "k",
    }

    assert config.diff(old, new) == [
        "~ a: 1 -> true",
        '~ b.c: "x" -> "y"',
        "- gone = [1]",
        '~ apiKey: "********" -> "********"',
        "+ b.e = null",
        '+ hostname = "k"',
    ]


@settings(deadline=None)
@given(first=configs, second=configs)
def test_diff_is_empty_only_for_the_same(first: Config, second: Config) -> None:
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)

    assert (config.diff(first, second) == []) == same


@pytest.mark.parametrize(
    "value",
    [
        *({key.name: SECRET} for key in config.KEYS if key.secret),
        {"deviceApiKeys": {"api.example.com": SECRET}},
        {"deviceApiKeys": [SECRET, {"a": [SECRET]}]},
        {"files": {"network/network.config": f"Passphrase = {SECRET}"}},
        {"network": {"wifi": {"passphrase": SECRET}}},
        {"my_password": SECRET},
        {"x": [{"auth-token": SECRET}]},
        {"awsSecretAccessKey": SECRET},
        {"os": {"network": {"psk": SECRET}}},
        {"os": {"network": {"connectivity": {"uri": f"http://me:{SECRET}@example.com/"}}}},
        {"os": {"sshKeys": [f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}"]}},
        {"hostname": {"password": SECRET}},
    ],
)
def test_no_secret_shows(value: Config) -> None:
    shown: list[object] = [config.hidden(value), config.diff({}, value), config.diff(value, {})]
    shown.append(config.diff(value, json.loads(json.dumps(value).replace(SECRET, SECRET + "2"))))
    for change in (config.check, lambda value: config.merge({}, value)[1]):
        try:
            shown.append(change(value))
        except ResinError as error:
            shown.append(f"{error.message} {error.hint} {error.facts}")

    assert SECRET in json.dumps(value)
    assert SECRET not in str(shown)


@settings(deadline=None)
@given(value=configs)
def test_hiding_keeps_the_shape(value: Config) -> None:
    def shape(value: object) -> object:
        if isinstance(value, dict):
            return {name: shape(below) for name, below in value.items()}
        return [shape(below) for below in value] if isinstance(value, list) else None

    assert shape(config.hidden(value)) == shape(value)


@pytest.mark.parametrize(
    "text",
    [
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----",
        f"ssh-ed25519 {SECRET}",
        SECRET,
        f"ssh-ed25519 {ED25519[:20]} {SECRET}",
    ],
)
def test_a_key_that_is_refused_is_not_shown(text: str) -> None:
    with pytest.raises(BadValue) as caught:
        config.set_value({}, "os.sshKeys", text)

    assert SECRET not in f"{caught.value.message} {caught.value.hint} {caught.value.facts}"


def test_a_broken_file_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        config.parse(f'{{"apiKey": "{SECRET}" "b": 1}}'.encode())

    assert SECRET not in f"{caught.value.message} {caught.value.hint} {caught.value.facts}"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_keys_of_ssh_keygen_are_taken(tmp_path: Path, kind: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", tmp_path / "key"], check=True)
    public = (tmp_path / "key.pub").read_text()

    config.set_value({}, "os.sshKeys", public)
    config.set_value({}, "os.sshKeys", f'command="ls -l",no-pty {public}')
    with pytest.raises(BadValue, match="private"):
        config.set_value({}, "os.sshKeys", (tmp_path / "key").read_text())
    with pytest.raises(BadValue):
        config.set_value({}, "os.sshKeys", re.sub(r"AAAA\S{6}", "AAAA", public))


def test_the_services_of_old_images_are_hidden() -> None:
    services = {"network": {"wifi_service": "[service]\npassphrase=marked"}, "files": {"x": "psk=marked"}}
    assert "marked" not in str(config.hidden(services))
