"""The place in a log is found again, whatever became of the log meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from resin_toolkit.engine.timestamps import stamp_of_nanoseconds
from resin_toolkit.logs.cursor import Cursor
from resin_toolkit.logs.cursor_search import CONTEXT, CursorFinder
from resin_toolkit.logs.records import make_record

Pieces = list[bytes]
TAILS = (3, 10, 40)


def record(time: int, text: str = "x", stream: int = 1) -> bytes:
    return make_record(stream, stamp_of_nanoseconds(1_700_000_000 * 10**9 + time), text.encode() + b"\n")


def numbered(*times: int) -> Pieces:
    return [record(time, f"line {number}") for number, time in enumerate(times)]


@st.composite
def logs(draw: st.DrawFn) -> list[Pieces]:
    """A log as runs of records that share a time; the times go up and down as a board's clock does.

    There are few texts, so that stretches are full of records that are the same.
    """
    times = draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=20, unique=True))
    texts = st.lists(st.sampled_from("ab"), min_size=1, max_size=7)
    return [[record(time, text) for text in draw(texts)] for time in times]


def flat(stretches: Sequence[Pieces]) -> Pieces:
    return [record for stretch in stretches for record in stretch]


def taken(records: Pieces, sizes: Sequence[int], memory: int) -> Cursor:
    """The cursor behind `records`, which came in as many at a time as `sizes` say, again and again."""
    cursor = Cursor(memory=memory)
    start = 0
    while start < len(records):
        size = sizes[start % len(sizes)]
        cursor.advance(records[start : start + size])
        start += size
    return cursor


def resumed(log: Pieces, cursor: Cursor, sizes: Sequence[int]) -> tuple[Pieces, bool]:
    """What follows behind the cursor's place, and whether that was found."""
    for tail in (*TAILS, None):
        if tail is not None and tail > len(log):
            continue
        sent = log if tail is None else log[-tail:]
        finder = CursorFinder(cursor, from_start=tail is None)
        found = fed(finder, sent, sizes)
        if found is not None:
            return sent[found:], True
        if tail is None and (known := finder.known()) is not None:
            found = fed(CursorFinder(known, from_start=True), sent, sizes)
            assert found is not None
            return sent[found:], True
    return log, False


def fed(finder: CursorFinder, sent: Pieces, sizes: Sequence[int]) -> int | None:
    start = 0
    while start < len(sent):
        size = sizes[start % len(sizes)]
        found = finder.feed(sent[start : start + size])
        if found is not None:
            return start + found
        start += size
    return None


SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@given(logs(), st.data(), SIZES, SIZES, st.integers(1, 30))
def test_no_record_is_lost_or_repeated(
    stretches: list[Pieces], data: st.DataObject, sizes: list[int], others: list[int], memory: int
) -> None:
    log = flat(stretches)
    cut = data.draw(st.integers(1, len(log)))
    assert resumed(log, taken(log[:cut], sizes, memory), others) == (log[cut:], True)


@given(logs(), st.data(), SIZES, SIZES)
def test_a_rotated_log(
    stretches: list[Pieces], data: st.DataObject, sizes: list[int], others: list[int]
) -> None:
    """As long as it has the last record, nothing is lost; else that is told, and what is left is shown."""
    log = flat(stretches)
    gone = data.draw(st.integers(0, len(stretches) - 1))
    left = flat(stretches[gone:])
    cut = data.draw(st.integers(1, len(log)))
    cursor = taken(log[:cut], sizes, memory=8)
    seen = cut - (len(log) - len(left))
    assert resumed(left, cursor, others) == (left[max(0, seen) :], seen > 0)


@given(logs(), st.data(), SIZES, SIZES)
def test_a_log_that_has_lost_its_end(
    stretches: list[Pieces], data: st.DataObject, sizes: list[int], others: list[int]
) -> None:
    """A device that lost its power: the records that were seen last are in no file; what follows is new."""
    kept = data.draw(st.integers(1, len(stretches)))
    cursor = taken(flat(stretches), sizes, memory=10_000)
    later = [record(10**7 + time, "new") for time in range(data.draw(st.integers(0, 5)))]
    assert resumed(flat(stretches[:kept]) + later, cursor, others) == (later, True)


@given(logs(), st.data(), SIZES)
def test_the_position_is_not_found_in_another_log(
    stretches: list[Pieces], data: st.DataObject, sizes: list[int]
) -> None:
    split = data.draw(st.integers(1, len(stretches)))
    one, other = flat(stretches[:split]), flat(stretches[split:])
    assert resumed(other, taken(one, sizes, memory=50), sizes) == (other, False)


def test_streams_that_are_stamped_out_of_order() -> None:
    log = numbered(1, 2, 6, 5, 9, 7, 8)
    for cut, _ in enumerate(log, start=1):
        assert resumed(log, taken(log[:cut], [3], memory=9), [2]) == (log[cut:], True)


def test_a_clock_that_is_set_back_by_a_day_and_stands_still() -> None:
    day = 86400 * 10**9
    log = numbered(*range(5 * 10**9, 6 * 10**9, 10**8), *[5 * 10**9 - day] * 30, 6 * 10**9, 6 * 10**9)
    for cut, _ in enumerate(log, start=1):
        assert resumed(log, taken(log[:cut], [4], memory=5), [6]) == (log[cut:], True)


def test_the_same_line_many_times_at_one_time() -> None:
    log = [record(1, "before"), *[record(2)] * 200, record(3, "after")]
    for cut in (1, 2, 100, 150, 201, 202):
        assert resumed(log, taken(log[:cut], [7], memory=20), [50]) == (log[cut:], True)


def test_streams_are_distinguished() -> None:
    cursor = taken([record(0), record(1, stream=1)], [1], memory=9)
    assert resumed([record(0), record(1, stream=2)], cursor, [1]) == ([record(1, stream=2)], True)


def test_a_few_of_the_last_records_are_enough() -> None:
    log = numbered(*range(10_000))
    finder = CursorFinder(taken(log[:-3], [1000], memory=5000), from_start=False)
    assert finder.feed(log[-4 - CONTEXT :]) == CONTEXT + 1


def test_the_length_of_a_run_is_known_once_its_beginning_was_seen() -> None:
    cursor = Cursor()
    runs = []
    for part in ([record(1)], [record(1)], [record(2)], [record(2), record(2)], [record(3), record(4)]):
        cursor.advance(part)
        runs.append((cursor.run, cursor.run_is_complete))
    assert runs == [(1, False), (2, False), (1, True), (3, True), (1, True)]
    assert all(before != after for before, after in pairwise([b"", cursor.stamp]))
