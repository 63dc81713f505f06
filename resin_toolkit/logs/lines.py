"""Lines, assembled from the records of one container's log."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from resin_toolkit.logs.records import SPLIT_SIZE, TEXT, stamp_of, stream_of

MAX_LINE = 8 * 1024 * 1024
"""Bytes after which a line without an end is split."""
MAX_OPEN = 24 * 1024 * 1024
"""Bytes of all lines without an end, of all logs, above which they are split."""


class Line(NamedTuple):
    """A line of a log."""

    stamp: bytes
    """The time of its first record: `2026-01-02T03:04:05.123456789Z`."""
    stream: int
    text: bytes
    """Without the newline."""
    ended: bool
    """Whether it had a newline; the last line of a process may have none."""


class _OpenBytes:
    """Counts the bytes of incomplete lines in all threads."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = Lock()

    def add(self, size: int) -> bool:
        """Count `size` bytes more, or less; whether they are more than `MAX_OPEN` now."""
        with self._lock:
            self._count += size
            return self._count > MAX_OPEN


_open_bytes = _OpenBytes()


class LineAssembler:
    """Joins the records of split lines; each stream of the container has its own lines."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[bytes, list[bytes]]] = {}

    @property
    def has_open_line(self) -> bool:
        """Whether a line is incomplete."""
        return bool(self._open)

    def feed(self, records: Sequence[bytes]) -> list[Line]:
        """Return the lines that are now complete."""
        lines = []
        for record in records:
            if self._open or record[-1] != 0x0A:
                lines += self._append(record)
            else:
                lines.append(Line(stamp_of(record), record[0], record[TEXT:-1], True))
        return lines

    def flush(self) -> list[Line]:
        """Return the incomplete lines, which will not be continued."""
        opened, self._open = self._open, {}
        for _, texts in opened.values():
            _open_bytes.add(-sum(map(len, texts)))
        return [Line(stamp, stream, b"".join(texts), False) for stream, (stamp, texts) in opened.items()]

    def _append(self, record: bytes) -> list[Line]:
        stream, text = stream_of(record), record[TEXT:]
        ended = text.endswith(b"\n")
        stamp, texts = self._open.pop(stream, (stamp_of(record), []))
        before = sum(map(len, texts))
        texts.append(text[:-1] if ended else text)
        # The engine splits only longer lines; a short record without a newline is the last of its process.
        is_complete = ended or len(text) < SPLIT_SIZE or before + len(text) >= MAX_LINE
        if is_complete or _open_bytes.add(len(text)):
            _open_bytes.add(-before if is_complete else -before - len(text))
            return [Line(stamp, stream, b"".join(texts), ended)]
        self._open[stream] = (stamp, texts)
        return []
