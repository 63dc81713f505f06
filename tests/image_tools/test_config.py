"""config.json as a file: what is read of it, what is refused, how it is written."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.config_cases import configs
from support.examples import examples

from image_tools import config
from image_tools.config import Config, KeySource, ValueType
from image_tools.config import keys as config_keys
from resin_toolkit.errors import ConfigInvalid

# the table


def test_the_table_is_sound() -> None:
    names = [key.name for key in config.KEYS]

    assert len(names) == len(set(names))
    assert not set(names) & config_keys.GROUPS
    for key in config.KEYS:
        assert key.meaning.endswith(".")
        assert key.check is None or key.value_type in (ValueType.STRING, ValueType.STRINGS)
        for choice in key.choices:
            assert key.check is not None
            key.check(choice)


def test_every_secret_of_the_cloud_is_marked() -> None:
    secret = {key.name for key in config.KEYS if key.secret}

    assert {"deviceApiKey", "deviceApiKeys", "apiKey", "wifiKey", "mixpanelToken", "files"} <= secret
    assert {"pubnubPublishKey", "pubnubSubscribeKey"} <= secret
    assert not any(key.secret for key in config.KEYS if key.origin is KeySource.USER)


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
        (b'{"a": 1, "b"}', (1, 13)),
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


@settings(max_examples=examples(120), deadline=None)
@given(data=st.binary(max_size=40) | st.text('{}[]":, \\ndNaI1e9.-', max_size=20).map(str.encode))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    try:
        value = config.parse(data)
    except ConfigInvalid as error:
        assert error.message.startswith("config.json")  # noqa: PT017 - it may also be right
    else:
        assert config.parse(config.dump(value)) == value
