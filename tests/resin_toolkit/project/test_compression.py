"""When a body is compressed: where the link is slower than that, and there is something to gain."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator

import pytest

from resin_toolkit.project.compression import SAMPLE_SIZE, choose_compression, compress_if_faster, gzip_stream

TEXT = b"".join(b"line %d of a file that compresses well\n" % number for number in range(30_000))[
    :SAMPLE_SIZE
]
NOISE = random.Random(1).randbytes(SAMPLE_SIZE)


@pytest.mark.parametrize(
    ("rate", "sample", "chosen"),
    [
        (1e6, TEXT, True),
        (12e6, TEXT, True),
        (None, TEXT, True),
        (110e6, TEXT, False),
        (1e6, NOISE, False),
        (None, NOISE, False),
        (1e6, b"", False),
    ],
)
def test_choice(rate: float | None, sample: bytes, chosen: bool) -> None:
    assert choose_compression(rate, sample) is chosen


@pytest.mark.parametrize(("rate", "is_gzip"), [(1e6, True), (1e9, False)])
@pytest.mark.parametrize("size", [100_000, 5 * SAMPLE_SIZE])
def test_the_whole_stream_arrives(rate: float, is_gzip: bool, size: int) -> None:
    data = (TEXT * 6)[:size]
    body = b"".join(compress_if_faster((data[at : at + 65536] for at in range(0, size, 65536)), rate))
    assert (body[:2] == b"\x1f\x8b") is is_gzip
    assert (zlib.decompress(body, 31) if is_gzip else body) == data


def test_no_more_is_read_than_is_asked_for() -> None:
    """One piece of a MiB decides; what is sent starts long before the last one is made."""
    made: list[int] = []

    def stream() -> Iterator[bytes]:
        for number in range(8):
            made.append(number)
            yield TEXT

    body = compress_if_faster(stream(), 1e6)
    assert made == []
    assert next(body)
    assert len(made) < 4


@pytest.mark.parametrize("level", [1, 2, 3])
def test_levels(level: int) -> None:
    assert zlib.decompress(b"".join(gzip_stream(iter([TEXT]), level)), 31) == TEXT
