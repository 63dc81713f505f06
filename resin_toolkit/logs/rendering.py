"""Rendering log lines: filtered, with labels and timestamps, as text, raw bytes or JSON."""

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
    """Which lines are shown, and how."""

    timestamps: bool = False
    raw: bool = False
    json: bool = False
    colour: bool = False
    grep: re.Pattern[str] | None = None
    since: bytes = b""
    """The timestamp before which no line is shown; empty for none."""
    until: bytes = b""
    """The timestamp after which no line is shown; empty for none."""

    @property
    def passes_unchanged(self) -> bool:
        """Whether lines are shown without being parsed."""
        return not (self.timestamps or self.json or self.grep or self.since or self.until)


class ServiceLabels:
    """The service names before the lines, which are shown as soon as there are two."""

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
    """False if a newline has to be written before the next line."""


class Renderer:
    """Renders the lines of one log, labelled `service`."""

    def __init__(self, view: LogFormat, labels: ServiceLabels, service: str, container: str | None) -> None:
        self._view = view
        self._labels = labels
        self._service = service
        self._container = container
        self._assembler = LineAssembler()
        labels.add(service)
        prefix = f"{clean(service)} | "
        if view.colour:
            prefix = f"\x1b[{colour_of(service)}m{prefix}\x1b[0m"
        self._prefix = prefix.encode()

    def render_records(self, records: Sequence[bytes]) -> RenderedLines:
        """Render the next records of the log."""
        view = self._view
        if view.passes_unchanged and not self._labels.shown and not self._assembler.has_open_line:
            texts = b"".join(record_texts(records))
            if view.raw:
                return RenderedLines(texts, len(records))
            if texts.count(b"\n") == len(records):
                return RenderedLines(strip_control_sequences(texts), len(records))
        return self.render(self._assembler.feed(records))

    def assemble(self, records: Sequence[bytes]) -> list[Line]:
        """Return the lines that these records complete, to be rendered later."""
        return self._assembler.feed(records)

    def flush(self) -> list[Line]:
        """Return the incomplete lines, which will not be continued."""
        return self._assembler.flush()

    def render(self, lines: Iterable[Line]) -> RenderedLines:
        chosen = [line for line in lines if self._matches(line)]
        if not chosen:
            return RenderedLines(b"", 0)
        if self._view.json:
            return RenderedLines(b"".join(map(self._event, chosen)), len(chosen))
        shown = [self._text(line) + b"\n" for line in chosen]
        if not chosen[-1].ended:
            shown[-1] = shown[-1][:-1]
        exact = self._view.raw and not self._labels.shown
        return RenderedLines(b"".join(shown), len(chosen), chosen[-1].ended or exact)

    def _matches(self, line: Line) -> bool:
        view = self._view
        if line.stamp < view.since or (view.until and line.stamp > view.until):
            return False
        if view.grep is None:
            return True
        return view.grep.search(strip_colours(line.text.decode(errors="replace"))) is not None

    def _text(self, line: Line) -> bytes:
        text = line.text if self._view.raw else strip_control_sequences(line.text)
        if self._view.timestamps:
            # For the sake of speed, what has the length of a timestamp is taken for one.
            text = strip_control_sequences(line.stamp) + b" " + text
        if not self._labels.shown:
            return text
        # A colour that is not reset must not apply to the label of the next line.
        end = _RESET if b"\x1b[" in text and not text.endswith((_RESET, b"\x1b[m")) else b""
        return self._prefix + text + end

    def _event(self, line: Line) -> bytes:
        text = line.text.removesuffix(b"\r") if line.stream == 0 else line.text
        return json_event(
            "line",
            service=self._service,
            container=self._container,
            stream=STREAMS.get(line.stream, "journal"),
            time=line.stamp.decode("ascii", errors="replace"),
            text=text.decode(errors="replace"),
        )


def json_event(name: str, **fields: object) -> bytes:
    """One event of the JSON stream, as a line."""
    return json.dumps({"event": name, **fields}).encode() + b"\n"


def colour_of(name: str) -> int:
    """The SGR code of the colour of a label, the same in every run."""
    return _COLOURS[zlib.crc32(name.encode()) % len(_COLOURS)]
