"""A config.json laid over another, and what a check says of one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from support.config_cases import ED25519, SECRET, codes, configs
from support.examples import examples

from image_tools import config
from image_tools.config import Config
from resin_toolkit.errors import BadValue, ConfigInvalid


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


@settings(max_examples=examples(120), deadline=None)
@given(value=configs)
def test_any_config_can_be_checked(value: Config) -> None:
    try:
        notices = config.check(value)
    except ConfigInvalid:
        return

    assert all(notice.message for notice in notices)
