"""What is shown of a config.json and of its changes; no secret is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from support.config_cases import ED25519, SECRET, configs

from image_tools import config
from image_tools.config import Config
from resin_toolkit.errors import BadValue, ConfigInvalid, ResinError


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


def test_the_services_of_old_images_are_hidden() -> None:
    services = {"network": {"wifi_service": "[service]\npassphrase=marked"}, "files": {"x": "psk=marked"}}
    assert "marked" not in str(config.hidden(services))
