"""What a run of a program takes: time, CPU, memory, threads."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAUSE = 0.05


class Failed(Exception):
    """A program of the comparison did not succeed; says what it said."""


@dataclass(frozen=True)
class Use:
    """Seconds on the clock and of CPU, bytes at the peak of memory, threads at most; of one run."""

    seconds: float
    cpu: float = 0.0
    memory: int = 0
    threads: int = 0
    said: str = ""


def use_of(*command: str | Path) -> Use:
    """Run a program to its end. Raises Failed."""
    words = [str(word) for word in command]
    started = time.monotonic()
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    watch = Watch(process.pid)
    assert process.stdout is not None
    try:
        said = process.stdout.read().decode(errors="replace")
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        end(process)
        raise
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    watch.end()
    if process.returncode:
        raise Failed(f"{' '.join(words)} ended with {process.returncode}: {said.strip()}")
    memory = max(usage.ru_maxrss * 1024, watch.memory)
    return Use(seconds, usage.ru_utime + usage.ru_stime, memory, watch.threads, said)


def seconds_of(*commands: Sequence[str | Path]) -> float:
    """Seconds until the last of several programs, run side by side, has come to its end. Raises Failed."""
    started = time.monotonic()
    runs = [
        subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for words in commands
    ]
    try:
        said = [run.communicate()[0].decode(errors="replace") for run in runs]
    except BaseException:
        end(*runs)
        raise
    seconds = time.monotonic() - started
    for run, words in zip(runs, said, strict=True):
        if run.returncode:
            raise Failed(f"{run.args!r} ended with {run.returncode}: {words}")
    return seconds


def end(*runs: subprocess.Popen[bytes]) -> None:
    """So that none goes on where the benchmark itself is ended."""
    for run in runs:
        run.kill()
        run.wait()


class Watch:
    """Looks now and then at a process and its children: the threads, and the memory of all of them."""

    def __init__(self, process: int) -> None:
        self.threads = 0
        self.memory = 0
        self._process = process
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(PAUSE):
            seen = [status for process in family(self._process) if (status := status_of(process))]
            self.threads = max(self.threads, sum(status[0] for status in seen))
            self.memory = max(self.memory, sum(status[1] for status in seen))


def family(process: int) -> list[int]:
    """The process and all that it started; empty where it has ended."""
    found = [process]
    for parent in found:
        try:
            for listed in Path(f"/proc/{parent}/task").glob("*/children"):
                found += [int(child) for child in listed.read_text().split()]
        except OSError:
            continue
    return found


def status_of(process: int) -> tuple[int, int] | None:
    """Threads, and bytes of memory; None where the process has ended."""
    try:
        said = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return None
    threads = re.search(r"^Threads:\s+(\d+)", said, re.M)
    memory = re.search(r"^VmRSS:\s+(\d+)", said, re.M)
    return (int(threads[1]), int(memory[1]) * 1024) if threads and memory else None
