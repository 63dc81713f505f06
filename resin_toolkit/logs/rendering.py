"""How lines are shown: which of them, with what in front, as text, bytes or JSON."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from resin_toolkit.logs.lines import Line, LineAssembler
from resin_toolkit.logs.records import STREAMS, record_texts
from resin_toolkit.terminal.ansi import strip_colours, strip_control_sequences
from resin_toolkit.terminal.screen import clean

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_RESET = b"\x1b[0m"


@dataclass(frozen=True)
class LogFormat:
    """What the user asked to see, and how."""

    timestamps: bool = False
    raw: bool = False
    json: bool = False
    colour: bool = False
    grep: re.Pattern[str] | None = None
    since: bytes = b""
    """The stamp before which no line is shown; empty is any."""
    until: bytes = b""
    """The stamp after which no line is shown; empty is any."""

    @property
    def asks_nothing(self) -> bool:
        """Whether a line can be shown without being looked at."""
        return not (self.timestamps or self.json or self.grep or self.since or self.until)


class ServiceLabels:
    """The names in front of the lines, which stand there once there is more than one."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    @property
    def shown(self) -> bool:
        return len(self._names) > 1

    def add(self, name: str) -> None:
        self._names.add(name)


@dataclass(frozen=True)
class RenderedLines:
    """Bytes for stdout."""

    data: bytes
    lines: int
    ended: bool = True
    """Whether the next line needs no newline before it."""


class Renderer:
    """The lines of one log as they are shown. `service` names what they are of."""

    def __init__(self, view: LogFormat, labels: ServiceLabels, service: str, container: str | None) -> None:
        self._view = view
        self._labels = labels
        self._service = service
        self._container = container
        self._maker = LineAssembler()
        labels.add(service)
        prefix = f"{clean(service)} | "
        if view.colour:
            prefix = f"\x1b[{colour_of(service)}m{prefix}\x1b[0m"
        self._prefix = prefix.encode()

    def records(self, records: Sequence[bytes]) -> RenderedLines:
        """What is to be shown of the next records of the log."""
        view = self._view
        if view.asks_nothing and not self._labels.shown and not self._maker.is_amid:
            texts = b"".join(record_texts(records))
            if view.raw:
                return RenderedLines(texts, len(records))
            if texts.count(b"\n") == len(records):
                return RenderedLines(strip_control_sequences(texts), len(records))
        return self.lines(self._maker.feed(records))

    def made(self, records: Sequence[bytes]) -> list[Line]:
        """The lines that are complete by these records, to be given to `lines` later."""
        return self._maker.feed(records)

    def rest(self) -> list[Line]:
        """The lines that were begun and will not go on."""
        return self._maker.end()

    def lines(self, lines: Iterable[Line]) -> RenderedLines:
        chosen = [line for line in lines if self._is_wanted(line)]
        if not chosen:
            return RenderedLines(b"", 0)
        if self._view.json:
            return RenderedLines(b"".join(map(self._event, chosen)), len(chosen))
        shown = [self._text(line) + b"\n" for line in chosen]
        if not chosen[-1].ended:
            shown[-1] = shown[-1][:-1]
        exact = self._view.raw and not self._labels.shown
        return RenderedLines(b"".join(shown), len(chosen), chosen[-1].ended or exact)

    def _is_wanted(self, line: Line) -> bool:
        view = self._view
        if line.stamp < view.since or (view.until and line.stamp > view.until):
            return False
        if view.grep is None:
            return True
        return view.grep.search(strip_colours(line.text.decode(errors="replace"))) is not None

    def _text(self, line: Line) -> bytes:
        text = line.text if self._view.raw else strip_control_sequences(line.text)
        if self._view.timestamps:
            text = line.stamp + b" " + text
        if not self._labels.shown:
            return text
        # A colour that is left on must not reach the name in front of the next line.
        end = _RESET if b"\x1b[" in text and not text.endswith((_RESET, b"\x1b[m")) else b""
        return self._prefix + text + end

    def _event(self, line: Line) -> bytes:
        text = line.text.removesuffix(b"\r") if line.stream == 0 else line.text
        return event(
            "line",
            service=self._service,
            container=self._container,
            stream=STREAMS.get(line.stream, "journal"),
            time=line.stamp.decode("ascii"),
            text=text.decode(errors="replace"),
        )


def event(name: str, **fields: object) -> bytes:
    """A line of the JSON stream."""
    return json.dumps({"event": name, **fields}).encode() + b"\n"


def colour_of(name: str) -> int:
    """The colour that a name has on every run."""
    return _COLOURS[zlib.crc32(name.encode()) % len(_COLOURS)]
