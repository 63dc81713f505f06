"""Progress of all writers, displayed by the thread that waits for them."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from image_tools.flash.target_writer import TargetWriter, WriterEvent
from image_tools.source import Source
from resin_toolkit.progress import Progress, Step


class WriterProgress:
    """One progress step per writer; leaving the `with` block ends them."""

    def __init__(self, progress: Progress, source: Source, *, several: bool) -> None:
        self._progress = progress
        self._source = source
        self._several = several
        self._steps: dict[int, Step] = {}
        self._stored: dict[int, int] = {}

    def show(self, event: WriterEvent) -> None:
        writer = event.writer
        if event.name or writer.done:
            self._end(writer)
        if event.name:
            self._begin(event)
        elif id(writer) in self._steps:
            self._steps[id(writer)].advance(self._amount(event))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for step in self._steps.values():
            step.__exit__(kind, error, trace)
        self._steps.clear()

    def _begin(self, event: WriterEvent) -> None:
        name, total = event.name, event.total
        if name == event.writer.step_name:
            total = self._source.size
            if total is None and self._source.stored_size is not None:
                # The size of the image is unknown, but not how much of the compressed file was consumed.
                name, total = f"{name}, by compressed size", self._source.stored_size
                self._stored[id(event.writer)] = 0
        subject = event.writer.target.path if self._several else ""
        step = self._progress.step(name, total, subject=subject)
        step.__enter__()
        self._steps[id(event.writer)] = step

    def _amount(self, event: WriterEvent) -> int:
        before = self._stored.get(id(event.writer))
        if before is None or not event.consumed:
            return event.amount
        self._stored[id(event.writer)] = event.consumed
        return event.consumed - before

    def _end(self, writer: TargetWriter) -> None:
        step = self._steps.pop(id(writer), None)
        if step is not None:
            step.__exit__(None, None, None)
        self._stored.pop(id(writer), None)
