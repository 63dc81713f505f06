"""From the engine's bytes to what is shown: whatever the network cuts them into, and whatever they hold."""

from __future__ import annotations

import re
import tracemalloc
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resin_toolkit.engine.timestamps import (
    SECOND,
    nanoseconds,
    normalize_stamp,
    parse_time,
    query_time,
    stamp_of_nanoseconds,
)
from resin_toolkit.errors import BadValue, EngineFailed
from resin_toolkit.logs.lines import MAX_LINE, MAX_OPEN, Line, LineAssembler
from resin_toolkit.logs.records import (
    PIECE,
    SPLIT_SIZE,
    FrameReader,
    RecordReader,
    TerminalReader,
    make_record,
    record_texts,
)
from resin_toolkit.logs.rendering import LogFormat, Renderer, ServiceLabels
from resin_toolkit.terminal.ansi import strip_control_sequences

STAMP = b"2026-01-02T03:04:05.123456789Z"
TEXTS = st.binary(max_size=40).map(lambda text: text.replace(b"\n", b"") + b"\n")
TIMES = st.integers(0, 2**61).map(stamp_of_nanoseconds)


def frame(stream: int, payload: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def read(reader: RecordReader, data: bytes, size: int) -> list[bytes]:
    records = [p for start in range(0, len(data), size) for p in reader.feed(data[start : start + size])]
    return records + reader.end()


def parts(records: list[bytes]) -> list[tuple[int, bytes]]:
    return [(record[0], record[8:]) for record in records]


@given(st.lists(st.tuples(st.sampled_from([1, 2]), TIMES, TEXTS)), st.integers(1, 50))
def test_frames_are_parsed_from_chunks_of_any_size(
    messages: list[tuple[int, bytes, bytes]], size: int
) -> None:
    sent = b"".join(frame(stream, stamp + b" " + text) for stream, stamp, text in messages)
    records = read(FrameReader(), sent, size)
    assert parts(records) == [(stream, stamp + b" " + text) for stream, stamp, text in messages]


@given(st.lists(st.tuples(TIMES, TEXTS), min_size=1), st.integers(1, 50), st.binary(max_size=9))
def test_the_log_of_a_terminal_has_no_frames(
    messages: list[tuple[bytes, bytes]], size: int, last: bytes
) -> None:
    sent = [stamp + b" " + text for stamp, text in messages]
    sent.append(STAMP + b" " + last.replace(b"\n", b""))
    assert parts(read(TerminalReader(), b"".join(sent), size)) == [(0, message) for message in sent]


@pytest.mark.parametrize("size", [1000, 4096, 16384, 65536])
@pytest.mark.parametrize("tty", [False, True])
def test_a_long_line_is_one(tty: bool, size: int) -> None:
    text = bytes(range(32, 127)) * 11_000
    cut = [text[start : start + SPLIT_SIZE] for start in range(0, len(text), SPLIT_SIZE)]
    cut[-1] += b"\n"
    messages = [STAMP + b" " + each for each in (b"before\n", *cut, b"after\n")]
    sent = b"".join(messages) if tty else b"".join(frame(1, each) for each in messages)
    records = read(TerminalReader() if tty else FrameReader(), sent, size)
    assert b"".join(record_texts(records)) == b"before\n" + text + b"\nafter\n"
    lines = LineAssembler().feed(records)
    assert [line.text for line in lines] == [b"before", text, b"after"]


def test_timestamps_are_normalized() -> None:
    sent = frame(1, b"2026-01-02T03:04:05.12Z a\n") + frame(2, b"2026-01-02T04:04:05.5+01:00 b\n")
    assert parts(read(FrameReader(), sent, 7)) == [
        (1, b"2026-01-02T03:04:05.120000000Z a\n"),
        (2, b"2026-01-02T03:04:05.500000000Z b\n"),
    ]


def test_messages_of_the_engine_are_not_lines() -> None:
    reader = FrameReader()
    assert read(reader, frame(3, b"Error grabbing logs: EOF\n") + frame(1, STAMP + b" x\n"), 9)
    assert reader.messages == ["Error grabbing logs: EOF"]


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 400 Bad", b"\x01\0\0\0\xff\xff\xff\xff", frame(1, b"no time\n"), b"\x09" + bytes(11)],
    ids=["text", "length", "time", "stream"],
)
def test_data_that_is_not_a_log(data: bytes) -> None:
    with pytest.raises(EngineFailed):
        FrameReader().feed(data)


def test_lines_of_two_streams_do_not_mix() -> None:
    part = b"a" * SPLIT_SIZE
    records = [
        make_record(1, STAMP, part),
        make_record(2, STAMP, b"error\n"),
        make_record(1, STAMP, b"b\n"),
        make_record(1, STAMP, b"last"),
    ]
    assert LineAssembler().feed(records) == [
        Line(STAMP, 2, b"error", True),
        Line(STAMP, 1, part + b"b", True),
        Line(STAMP, 1, b"last", False),
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m\n", "\x1b[1;31mred\x1b[0m\n"),
        ("\x1b[2J\x1b[Hhome\n", "home\n"),
        ("\x1b]0;title\x07x\n", "x\n"),
        ("\x1b]0;without an end\nnext\n", "\nnext\n"),
        ("\x9b2Jx\x1b", "x"),
        ("50%\r100%\r\n", "50% 100%\n"),
        ("nul\0bell\x07\n", "nul\ufffdbell\ufffd\n"),
        ("\x1b(Bä\tö\n", "ä\tö\n"),
    ],
)
def test_only_colours_are_kept_for_a_terminal(text: str, shown: str) -> None:
    assert strip_control_sequences(text.encode()).decode() == shown


@given(st.binary())
def test_cleaned_text_has_no_control_characters(data: bytes) -> None:
    shown = re.sub("\x1b\\[[0-9;:]*m", "", strip_control_sequences(data).decode())
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)


@given(st.lists(st.tuples(st.sampled_from([1, 2]), TEXTS)), st.booleans())
def test_unparsed_and_parsed_lines_are_rendered_alike(messages: list[tuple[int, bytes]], raw: bool) -> None:
    records = [make_record(stream, STAMP, text) for stream, text in messages]
    fast = Renderer(LogFormat(raw=raw), ServiceLabels(), "web", "web").render_records(records)
    slow = Renderer(LogFormat(raw=raw, since=STAMP), ServiceLabels(), "web", "web").render_records(records)
    assert (fast.data, fast.lines) == (slow.data, slow.lines)


def test_labels_colours_and_timestamps() -> None:
    labels = ServiceLabels()
    labels.add("db")
    renderer = Renderer(LogFormat(timestamps=True, colour=True), labels, "we\x1bb", "web")
    shown = renderer.render_records([make_record(1, STAMP, b"\x1b[31mred\n"), make_record(2, STAMP, b"end")])
    name = re.escape("we\ufffdb | ")
    assert re.fullmatch(
        rf"\x1b\[\d\dm{name}\x1b\[0m{STAMP.decode()} \x1b\[31mred\x1b\[0m\n.*{STAMP.decode()} end",
        shown.data.decode(),
    )
    assert not shown.ended


def test_grep_ignores_colours() -> None:
    view = LogFormat(grep=re.compile("^two words$"))
    records = [make_record(1, STAMP, b"two \x1b[1mwords\x1b[0m\n"), make_record(1, STAMP, b"others\n")]
    assert (
        Renderer(view, ServiceLabels(), "web", None).render_records(records).data
        == b"two \x1b[1mwords\x1b[0m\n"
    )


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)), st.integers(0, SECOND - 1))
def test_a_stamp_and_its_nanoseconds(when: datetime, rest: int) -> None:
    stamp = f"{when:%Y-%m-%dT%H:%M:%S}.{rest:09}Z".rjust(30, "0")
    assert stamp_of_nanoseconds(nanoseconds(stamp)).decode() == stamp
    assert normalize_stamp(stamp.encode()) == stamp.encode()
    assert query_time(nanoseconds(stamp)).endswith(f".{rest:09}")


def test_times_on_the_command_line() -> None:
    now = nanoseconds("2026-11-24T12:00:00Z")
    assert parse_time("10m", now) == now - 600 * SECOND
    assert parse_time("1h30m", now) == now - 5400 * SECOND
    assert parse_time("1d", now) == now - 86400 * SECOND
    assert parse_time("2026-11-24T11:00:00.5+01:00", now) == nanoseconds("2026-11-24T10:00:00.5Z")
    assert parse_time("1700000000.25", now) == 1_700_000_000_250_000_000
    local = datetime.fromtimestamp(now // SECOND).replace(hour=10, minute=0)
    assert parse_time("10:00", now) == int(local.timestamp()) * SECOND
    assert parse_time(f"{local:%Y-%m-%d} 10:00", now) == int(local.timestamp()) * SECOND
    assert parse_time(f"{local:%Y-%m-%d}", now) == int(local.replace(hour=0).timestamp()) * SECOND


@pytest.mark.parametrize(
    "word", ["", "x", "10 minutes", "25:00", "2026-13-01", "2026-01-01T", "-5m", "\u0661m"]
)
def test_an_invalid_time(word: str) -> None:
    with pytest.raises(BadValue):
        parse_time(word, 10**18)


def test_a_line_without_a_newline_is_not_joined_with_the_next_one() -> None:
    records = [make_record(1, STAMP, b"no end"), make_record(1, STAMP, b"next\n")]
    assert (
        Renderer(LogFormat(), ServiceLabels(), "web", None).render_records(records).data == b"no end\nnext\n"
    )
    assert (
        Renderer(LogFormat(raw=True), ServiceLabels(), "web", None).render_records(records).data
        == b"no endnext\n"
    )


@pytest.mark.parametrize("size", [1000, 65536, 1 << 22])
@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("length", [PIECE - 1, PIECE, PIECE + 1, 5 * PIECE, 5 * PIECE + 7])
def test_an_entry_that_the_engine_does_not_split_is_one_line(tty: bool, size: int, length: int) -> None:
    text = (bytes(range(32, 127)) * (length // 95 + 1))[: length - 1]
    messages = [STAMP + b" " + each + b"\n" for each in (b"before", text, b"after")]
    sent = b"".join(messages) if tty else b"".join(frame(1, each) for each in messages)
    records = read(TerminalReader() if tty else FrameReader(), sent, size)
    assert max(map(len, records)) <= PIECE + 100
    assert [line.text for line in LineAssembler().feed(records)] == [b"before", text, b"after"]
    assert [record[0] for record in records] == [0 if tty else 1] * len(records)


@pytest.mark.parametrize("tty", [False, True])
def test_a_line_without_end_takes_little_memory(tty: bool) -> None:
    reader = TerminalReader() if tty else FrameReader()
    start = STAMP + b" " if tty else b"\1\0\0\0" + (60 << 20).to_bytes(4, "big") + STAMP + b" "
    tracemalloc.start()
    try:
        assembler = LineAssembler()
        assert reader.feed(start) == []
        for _ in range(40 * 64):
            for line in assembler.feed(reader.feed(b"x" * 16384)):
                assert set(line.text) == {ord("x")}
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * MAX_LINE


def test_single_bytes_of_an_entry_take_little_memory() -> None:
    reader = FrameReader()
    reader.feed(b"\1\0\0\0" + (100_000).to_bytes(4, "big") + STAMP + b" ")
    tracemalloc.start()
    try:
        for _ in range(90_000):
            assert reader.feed(b"x") == []
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_incomplete_lines_of_many_logs_take_little_memory() -> None:
    piece = make_record(1, STAMP, b"x" * PIECE)
    assemblers = [LineAssembler() for _ in range(300)]
    split = sum(len(each.feed([piece])) for each in assemblers)
    assert split >= 300 - MAX_OPEN // PIECE
    assert sum(len(each.flush()) for each in assemblers) == 300 - split
    assert LineAssembler().feed([piece]) == []


def test_messages_of_the_engine_are_bounded() -> None:
    reader = FrameReader()
    for number in range(1000):
        reader.feed(frame(3, b"message %d " % number + b"x" * 10_000))
    assert len(reader.messages) == 10
    assert max(map(len, reader.messages)) <= 500
