"""Lines, put together from the records of one container's log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from resin_toolkit.logs.records import PART, TEXT, stamp_of, stream_of

LONGEST_LINE = 8 * 1024 * 1024
"""The bytes after which a line that does not end is shown as several."""


class Line(NamedTuple):
    """A line of a log."""

    stamp: bytes
    """When it began: `2026-01-02T03:04:05.123456789Z`."""
    stream: int
    text: bytes
    """Without the newline."""
    ended: bool
    """Whether it had a newline; the last one of a process may have none."""


class LineAssembler:
    """Puts records together; each stream of the container has its own lines."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[bytes, list[bytes]]] = {}

    @property
    def is_amid(self) -> bool:
        """Whether there is a line of which more is to come."""
        return bool(self._open)

    def feed(self, records: Sequence[bytes]) -> list[Line]:
        """The lines that are complete by now."""
        lines = []
        for record in records:
            if self._open or record[-1] != 0x0A:
                lines += self._joined(record)
            else:
                lines.append(Line(stamp_of(record), record[0], record[TEXT:-1], True))
        return lines

    def end(self) -> list[Line]:
        """What was begun and will not go on."""
        opened, self._open = self._open, {}
        return [Line(stamp, stream, b"".join(texts), False) for stream, (stamp, texts) in opened.items()]

    def _joined(self, record: bytes) -> list[Line]:
        stream, text = stream_of(record), record[TEXT:]
        ended = text.endswith(b"\n")
        stamp, texts = self._open.pop(stream, (stamp_of(record), []))
        texts.append(text[:-1] if ended else text)
        # The engine cuts only what is longer; a short record without an end is the last of its process.
        if ended or len(text) < PART or sum(map(len, texts)) >= LONGEST_LINE:
            return [Line(stamp, stream, b"".join(texts), ended)]
        self._open[stream] = (stamp, texts)
        return []
