"""Progress of all lanes, shown by the one thread that waits for them."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from image_tools.flash.target_writer import Event, Lane
from image_tools.source import Source
from resin_toolkit.progress import Progress, Step


class LaneProgress:
    """A step for what each lane does at the time; leaving the `with` block ends them."""

    def __init__(self, progress: Progress, source: Source, *, several: bool) -> None:
        self._progress = progress
        self._source = source
        self._several = several
        self._steps: dict[int, Step] = {}
        self._stored: dict[int, int] = {}

    def show(self, event: Event) -> None:
        lane = event.lane
        if event.name or lane.done:
            self._end(lane)
        if event.name:
            self._begin(event)
        elif id(lane) in self._steps:
            self._steps[id(lane)].advance(self._amount(event))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for step in self._steps.values():
            step.__exit__(kind, error, trace)
        self._steps.clear()

    def _begin(self, event: Event) -> None:
        name, total = event.name, event.total
        if name == event.lane.step_name:
            total = self._source.size
            if total is None and self._source.stored_size is not None:
                # Nothing tells the image's own size, but how much of its file is used is known.
                name, total = f"{name}, by compressed size", self._source.stored_size
                self._stored[id(event.lane)] = 0
        subject = event.lane.target.path if self._several else ""
        step = self._progress.step(name, total, subject=subject)
        step.__enter__()
        self._steps[id(event.lane)] = step

    def _amount(self, event: Event) -> int:
        before = self._stored.get(id(event.lane))
        if before is None or not event.consumed:
            return event.amount
        self._stored[id(event.lane)] = event.consumed
        return event.consumed - before

    def _end(self, lane: Lane) -> None:
        step = self._steps.pop(id(lane), None)
        if step is not None:
            step.__exit__(None, None, None)
        self._stored.pop(id(lane), None)
