"""`resin logs -f` in a process of its own, beside a container of a stand-in device."""

from __future__ import annotations

import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from device.stand_in import Desk, StandIn

from support.resin_command import PROGRAM

COUNTER = "i=0; while :; do i=$((i+1)); echo $i; usleep 5000; done"
PATIENCE = 60.0


class Followed:
    """`resin logs -f` in a process of its own, whose lines are counted."""

    def __init__(self, table: Desk, *words: str) -> None:
        self.process = subprocess.Popen(
            [*table.prefix, str(PROGRAM), "logs", *words, "-f"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=table.environment,
        )
        self.out = b""
        self.said = b""

    def until(self, text: bytes, times: int = 1) -> None:
        """Wait until `text` was shown so many times."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        while self.out.count(text) < times:
            ready, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
            assert ready, f"{text!r} was not shown: {self.out[-300:]!r}"
            data = self.process.stdout.read1()
            assert data, self.process.stderr and self.process.stderr.read().decode()
            self.out += data

    def until_said(self, word: bytes) -> None:
        """Wait until `word` was said beside the lines."""
        assert self.process.stderr is not None
        deadline = time.monotonic() + PATIENCE
        while word not in self.said:
            ready, _, _ = select.select([self.process.stderr], [], [], deadline - time.monotonic())
            assert ready, f"{word!r} was not said: {self.said[-300:]!r}"
            data = self.process.stderr.read1()
            assert data
            self.said += data

    def interrupted(self) -> tuple[int, str]:
        """Ctrl-C: the exit code, and what was said."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=PATIENCE)
        self.out += out
        return self.process.returncode, (self.said + err).decode()

    @property
    def lines(self) -> list[str]:
        return self.out.decode().splitlines()


@contextmanager
def followed(table: Desk, *words: str) -> Iterator[Followed]:
    started = Followed(table, *words)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.communicate()


def until_now(device: StandIn, container: str) -> bytes:
    """The last line that a container has written."""
    return device.docker("logs", "--tail", "1", container).strip().encode() + b"\n"
