"""Records a terminal: what a program writes and when, with long waits shortened."""

from __future__ import annotations

import os
import pty
import random
import select
import signal
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pyte

Cell = tuple[str, str, bool]
"""A character, the name of its colour, and whether it is bold."""
BLANK: Cell = (" ", "default", False)
_PROMPT = "\x1b[32m$\x1b[0m "
_LONGEST_GAP = 0.7
_SAME_MOMENT = 0.04
_PATIENCE = 60.0


@dataclass(frozen=True)
class Frame:
    """What the screen shows from `at` seconds on: its rows, and the cursor (None if hidden)."""

    at: float
    rows: tuple[tuple[Cell, ...], ...]
    cursor: tuple[int, int] | None

    @property
    def text(self) -> str:
        return "\n".join("".join(cell[0] for cell in row).rstrip() for row in self.rows).rstrip()


@dataclass
class Scene:
    """The frames between two clearings of the screen."""

    frames: list[Frame] = field(default_factory=list)


@dataclass(frozen=True)
class Cue:
    """When the program has shown `after`: wait, then type `keys`, call a function, or `leave`."""

    after: str
    keys: str = ""
    do: Callable[[], object] | None = None
    wait: float = 0.6
    leave: bool = False
    """Stop recording, and end the program as Ctrl-C does."""


class Camera:
    """Records one terminal into `scenes`; `now` is the current time of the recording, in seconds."""

    def __init__(self, columns: int = 96, rows: int = 22, seed: int = 2017) -> None:
        self.columns, self.rows = columns, rows
        self.now = 0.0
        self.scenes: list[Scene] = []
        self._fingers = random.Random(seed)

    def cut(self) -> Self:
        """Start a scene with a clear screen."""
        self._screen = pyte.Screen(self.columns, self.rows)
        self._stream = pyte.Stream(self._screen)
        self.scenes.append(Scene())
        self._show(_PROMPT)
        return self

    def hold(self, seconds: float) -> None:
        """Pause, so that a viewer can read."""
        self.now += seconds

    def type(self, text: str) -> None:
        """Type a line at human speed."""
        for character in text:
            self.now += self._fingers.uniform(0.045, 0.075) * (1.6 if character in " -/'" else 1)
            self._show(character)

    def run(
        self,
        line: str,
        words: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        folder: Path,
        cues: Sequence[Cue] = (),
    ) -> str:
        """Type `line`, run `words` for it, and film what comes. What it has written, so far as it was filmed.

        Ends with a prompt, where no cue has left the program before.
        """
        self.type(line)
        self.hold(0.35)
        self._show("\r\n")
        pid, terminal = pty.fork()
        if not pid:
            termios.tcsetwinsize(0, (self.rows, self.columns))
            os.chdir(folder)
            os.execvpe(str(words[0]), list(map(str, words)), dict(environment))
        try:
            written = self._film(terminal, list(cues))
        finally:
            os.kill(pid, signal.SIGINT)
            while _read(terminal):
                pass
            os.close(terminal)
            os.waitpid(pid, 0)
        if not any(cue.leave for cue in cues):
            self._show(_PROMPT)
        return written

    def _film(self, terminal: int, cues: list[Cue]) -> str:
        written, seen, last = "", 0, time.monotonic()
        while True:
            if not select.select([terminal], [], [], _PATIENCE)[0]:
                raise TimeoutError(f"the program hangs after {written!r}")
            data = _read(terminal)
            if not data:
                return written
            self.now += min(time.monotonic() - last, _LONGEST_GAP)
            last = time.monotonic()
            text = data.decode(errors="replace")
            written += text
            self._show(text)
            if cues and cues[0].after in written[seen:]:
                seen = len(written)
                cue = cues.pop(0)
                _take(cue, terminal, self)
                if cue.leave:
                    return written
                last = time.monotonic()

    def _show(self, text: str) -> None:
        self._stream.feed(text)
        cursor = self._screen.cursor
        rows = tuple(
            tuple(_cell(self._screen.buffer[y][x]) for x in range(self.columns)) for y in range(self.rows)
        )
        place = None if cursor.hidden else (min(cursor.x, self.columns - 1), cursor.y)
        frames = self.scenes[-1].frames
        if frames and self.now - frames[-1].at < _SAME_MOMENT:
            frames[-1] = Frame(frames[-1].at, rows, place)
        else:
            frames.append(Frame(self.now, rows, place))


def _take(cue: Cue, terminal: int, camera: Camera) -> None:
    camera.hold(cue.wait)
    if cue.do:
        cue.do()
    os.write(terminal, cue.keys.encode())


def _cell(character: pyte.screens.Char) -> Cell:
    return (character.data, character.fg, character.bold) if character.data.strip() else BLANK


def _read(terminal: int) -> bytes:
    """Read what is available; empty once the program has ended."""
    # A program that writes a table in pieces is filmed once, when it has paused.
    time.sleep(_SAME_MOMENT / 2)
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""
