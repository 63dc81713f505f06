"""Answers are written so that reading gives them back; what must not show is left out."""

from __future__ import annotations

import dataclasses
import json
import tomllib

import pytest
from hypothesis import given, settings
from support.answers_cases import EXPECTED, SECRET, all_answers, read
from support.examples import examples

from image_tools.answers import Answers
from image_tools.answers.writer import write_answers
from resin_toolkit.errors import BadValue


def test_the_long_example_is_written_and_read_back() -> None:
    text = write_answers(EXPECTED)

    assert read(text) == EXPECTED
    assert 'passphrase-env = "HOTSPOT"' in text
    assert 'url-env = "PROXY"' in text
    assert text.startswith("# ")


@settings(max_examples=examples(80), deadline=None)
@given(answers=all_answers)
def test_what_is_written_is_read_back(answers: Answers) -> None:
    text = write_answers(answers)
    left_out = [line for line in text.splitlines()[1:] if line.startswith("#")]

    assert tomllib.loads(text) is not None
    back = read(text)
    assert dataclasses.replace(back, config={}) == dataclasses.replace(answers, config={})
    assert left_out or json.dumps(back.config, sort_keys=True) == json.dumps(answers.config, sort_keys=True)


def test_what_toml_cannot_hold_or_must_not_show_is_left_out_with_a_word() -> None:
    config = {
        "a": None,
        "b": [1, None],
        "c": "\ud83d",
        "\ud83d": 1,
        "deviceApiKey": SECRET,
        "my_password": SECRET,
        "os": {"network": {"connectivity": {"uri": f"http://me:{SECRET}@example.com"}}},
        "deviceApiKeys": {"x": SECRET},
        "empty": {},
        "good\n": 1,
    }
    text = write_answers(Answers(config=config))

    assert SECRET not in text
    assert read(text).config == {"empty": {}, "good\n": 1}
    assert [line.split()[1] for line in text.splitlines()[1:] if line.startswith("#")] == [
        "a",
        "b",
        "c",
        "A",
        "deviceApiKey",
        "my_password",
        "os.network.connectivity.uri",
        "deviceApiKeys.x",
    ]
    with pytest.raises(BadValue, match="Unicode"):
        write_answers(Answers(unset=("\ud83d",)))
