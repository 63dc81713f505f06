"""Setting and removing the keys of a config.json: what each takes, what it refuses, what is told."""

from __future__ import annotations

import base64
import copy
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.config_cases import ED25519, codes, configs, names
from support.examples import examples

from image_tools import config
from image_tools.config import Config, values
from image_tools.config import keys as config_keys
from resin_toolkit.errors import BadValue

CA = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n").decode()

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
    holder = config_keys.object_key_of(name)
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
        ("country", "USA", "two-letter"),
        ("country", "d1", "two-letter"),
        ("country", "ÄÖ", "two-letter"),
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
    repaired = values.suggest_hostname(text)

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
    with pytest.raises(BadValue, match=r"os\.fan is not an object") as caught:
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


@settings(max_examples=examples(120), deadline=None)
@example(value={".": 1}, name=".", text="1")
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
        try:
            again, _ = config.unset(removed, name)
        except BadValue:
            # "." and the like are keys only as long as config.json has them.
            assert not all(name.split("."))
            again = removed
        assert config.dump(again) == config.dump(removed)
        assert not any(line.startswith("~") for line in config.diff(value, removed))


# showing


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_keys_of_ssh_keygen_are_taken(tmp_path: Path, kind: str) -> None:
    size = ["-b", "1024"] if kind == "rsa" else []  # the smallest that it makes, for speed
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-f", tmp_path / "key"], check=True)
    public = (tmp_path / "key.pub").read_text()

    config.set_value({}, "os.sshKeys", public)
    config.set_value({}, "os.sshKeys", f'command="ls -l",no-pty {public}')
    with pytest.raises(BadValue, match="private"):
        config.set_value({}, "os.sshKeys", (tmp_path / "key").read_text())
    with pytest.raises(BadValue):
        config.set_value({}, "os.sshKeys", re.sub(r"AAAA\S{6}", "AAAA", public))
