"""What an engine tells while it works: however it is cut, and whoever wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resin_toolkit.engine.api_client import has_labels
from resin_toolkit.engine.progress_messages import (
    FailureMessage,
    MessageKind,
    ProgressMessage,
    parse_messages,
    read_objects,
)
from resin_toolkit.errors import Unreachable

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    [
        "stream",
        "status",
        "id",
        "progressDetail",
        "current",
        "total",
        "error",
        "errorDetail",
        "code",
        "aux",
        "ID",
    ]
)
objects = st.dictionaries(keys, values | st.dictionaries(keys, values, max_size=3), max_size=6)


def found_in(data: bytes, sizes: list[int]) -> list[Mapping[str, Any]]:
    pieces, position = [], 0
    while position < len(data):
        for size in sizes:
            pieces.append(data[position : position + size])
            position += size
    given_out = iter([piece for piece in pieces if piece])
    return list(read_objects(lambda: next(given_out, b""), "board"))


@given(
    st.lists(objects, max_size=5),
    st.lists(st.integers(1, 30), min_size=1, max_size=8),
    st.sampled_from(["", "\n", "\r\n"]),
    st.booleans(),
)
def test_objects_are_read_from_chunks_of_any_size(
    said: list[dict[str, Any]], sizes: list[int], between: str, ascii_only: bool
) -> None:
    data = between.join(json.dumps(entry, ensure_ascii=ascii_only) for entry in said)
    assert found_in(data.encode(errors="surrogatepass"), sizes) == said


@pytest.mark.parametrize("data", [b"[1]", b"nothing", b"{", b'{"a": 1}{"b"', b"{" * 5_000_000, b"}", b'"a"'])
def test_invalid_streams_of_objects(data: bytes) -> None:
    with pytest.raises(Unreachable) as caught:
        found_in(data, [65536])
    assert caught.value.facts["cause"] == "not-an-engine"


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    with suppress(Unreachable):
        found_in(data, [7])


@given(objects)
def test_any_object(said: dict[str, Any]) -> None:
    for message in parse_messages(said):
        if isinstance(message, FailureMessage):
            assert message.words.isprintable()
        else:
            assert message.kind is MessageKind.TEXT or message.text.isprintable()
            assert message.id.isprintable()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"stream": "half a"}, [ProgressMessage(MessageKind.TEXT, "half a")]),
        (
            {"stream": "Successfully built 0123456789ab\n"},
            [
                ProgressMessage(MessageKind.TEXT, "Successfully built 0123456789ab\n"),
                ProgressMessage(MessageKind.IMAGE, id="0123456789ab"),
            ],
        ),
        ({"aux": {"ID": "sha256:ab"}}, [ProgressMessage(MessageKind.IMAGE, id="sha256:ab")]),
        (
            {"status": "Extracting", "id": "ab", "progressDetail": {"current": 1, "total": 2}},
            [ProgressMessage(MessageKind.STATUS, "Extracting", "ab", 1, 2)],
        ),
        ({"error": "a\nb.", "errorDetail": {"code": 3, "message": "a"}}, [FailureMessage("a b", 3)]),
        ({"errorDetail": {"message": "a"}}, [FailureMessage("a", 0)]),
        ({}, []),
    ],
)
def test_messages_of_an_object(said: dict[str, Any], told: list[ProgressMessage | FailureMessage]) -> None:
    assert list(parse_messages(said)) == told


@pytest.mark.parametrize(
    ("wanted", "are_there"),
    [([], True), (["a"], True), (["a=b"], True), (["a=b", "c="], True), (["a="], False), (["d"], False)],
)
def test_labels(wanted: list[str], are_there: bool) -> None:
    assert has_labels({"a": "b", "c": ""}, wanted) == are_there
