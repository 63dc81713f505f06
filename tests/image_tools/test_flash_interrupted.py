"""A flash that is interrupted, or of which one thread fails: it ends, and says what state it leaves."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from pathlib import Path
from typing import Self

import pytest
from support.card_images import MIB
from support.flash_runs import IMAGE, SIZE, image_file, to_target
from support.left_threads import no_thread_is_left  # noqa: F401 - fixture
from support.loop_devices import blank_loop

from image_tools.flash import FlashJob, flash
from image_tools.flash.direct_io import CHUNK
from image_tools.flash.pipeline import Pipeline
from image_tools.flash.target import open_drive, open_file
from image_tools.source import Source
from resin_toolkit.errors import Interrupted
from resin_toolkit.progress import SilentProgress, SilentStep


class StopAt(SilentProgress):
    """Progress that acts like a Ctrl-C after so many bytes of a step."""

    def __init__(self, name: str, at: int) -> None:
        self._name = name
        self._at = at

    def step(self, name: str, total: int | None, *, subject: str = "") -> SilentStep:
        return _StopStep(self._at) if name == self._name else super().step(name, total, subject=subject)


class _StopStep(SilentStep):
    def __init__(self, at: int) -> None:
        self._left = at

    def advance(self, amount: int) -> None:
        self._left -= amount
        if self._left <= 0:
            signal.raise_signal(signal.SIGINT)

    def __enter__(self) -> Self:
        return self


@pytest.mark.root
@pytest.mark.parametrize("step", ["writing", "verifying"])
def test_an_interrupt_says_what_state_the_drive_is_in(step: str, tmp_path: Path) -> None:
    with (
        blank_loop(tmp_path, 2 * SIZE) as device,
        pytest.raises(Interrupted, match="does not hold a usable image"),
        open_drive(device) as target,
    ):
        to_target(image_file(tmp_path), target, progress=StopAt(step, CHUNK))


def test_an_interrupt_while_a_pipe_gives_nothing_does_not_hang(tmp_path: Path) -> None:
    end, start = os.pipe()
    over = threading.Event()

    def feed() -> None:
        with open(start, "wb", buffering=0) as pipe:  # noqa: PTH123
            pipe.write(IMAGE[: CHUNK + MIB])
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)
            over.wait()

    others = set(threading.enumerate())
    feeder = threading.Thread(target=feed)
    goal = tmp_path / "card.img"
    try:
        with pytest.raises(Interrupted, match="was removed"):  # noqa: PT012
            feeder.start()
            with Source(io.FileIO(end), "stdin") as source, open_file(str(goal)) as target:
                flash(source, [FlashJob(target)], SilentProgress())
    finally:
        over.set()
        for thread in set(threading.enumerate()) - others:
            thread.join()
    assert not goal.exists()


def test_a_stage_that_fails_stops_the_others() -> None:
    def run_stages() -> None:
        with Pipeline() as pipeline:
            channel = pipeline.channel(int)
            pipeline.stage("waits", lambda: print(channel.get()))
            pipeline.stage("fails", lambda: channel.put(1 // 0))
            channel.get()

    with pytest.raises(ZeroDivisionError):
        run_stages()
