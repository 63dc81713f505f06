"""Merging the lines of several logs by time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

from resin_toolkit.logs.lines import Line
from resin_toolkit.logs.rendering import Renderer
from resin_toolkit.logs.writer import LogWriter

TimedLines = Iterator[tuple[Line, Renderer]]
"""Lines, each with its renderer."""
_BATCH = 512


def write_merged(writer: LogWriter, sources: Sequence[TimedLines]) -> None:
    """Write the lines of all sources by time, keeping the order of each source."""
    for renderer, lines in _runs(heapq.merge(*sources, key=lambda entry: entry[0].stamp)):
        writer.write(renderer.render(lines))


def _runs(entries: Iterable[tuple[Line, Renderer]]) -> Iterator[tuple[Renderer, list[Line]]]:
    """Group consecutive lines of the same log."""
    held: list[Line] = []
    last: Renderer | None = None
    for line, renderer in entries:
        if last is not None and (renderer is not last or len(held) == _BATCH):
            yield last, held
            held = []
        last = renderer
        held.append(line)
    if last is not None:
        yield last, held
