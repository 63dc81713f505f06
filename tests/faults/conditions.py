"""Adverse conditions for tests: a full disk, a read-only directory, a command that is interrupted."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.loop_devices import run as tool
from support.resin_command import PATIENCE, PROGRAM, Run, environment

POWERLESS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""Root without capabilities: subject to file permissions, but owner of the program's files."""
NO_NETWORK = ("unshare", "--net", "--")
_SAMPLES = 8


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system with room for `size` bytes."""
    point = folder / "disk"
    point.mkdir()
    tool("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", point)
    try:
        yield point
    finally:
        tool("umount", "--lazy", point)


@contextmanager
def locked(folder: Path) -> Iterator[Path]:
    """Make a directory read-only, for root too, while the block runs."""
    tool("mount", "--bind", folder, folder)
    try:
        tool("mount", "-o", "remount,bind,ro", folder)
        yield folder
    finally:
        tool("umount", "--lazy", folder)


def into(
    stdout: str, *words: str | Path, env: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
) -> Run:
    """Run `resin` with a redirection as the shell writes it: `>/dev/full`, `>&-`, `| head -c 0`."""
    script = f'"$@" {stdout}; exit ${{PIPESTATUS[0]}}'
    command = ["bash", "-c", script, "bash", *prefix, PROGRAM, *words]
    done = subprocess.run(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment() if env is None else env,
        timeout=PATIENCE,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)


class RunningCommand:
    """A `resin` process that keeps running. Its stdin is a pipe that stays open."""

    def __init__(
        self,
        *words: str | Path,
        prefix: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes = b"",
    ) -> None:
        self.process = subprocess.Popen(
            [*prefix, str(PROGRAM), *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment() if env is None else dict(env),
            cwd=cwd,
        )
        assert self.process.stdin is not None
        if stdin:
            self.process.stdin.write(stdin)
            self.process.stdin.flush()
        self.shown = {"out": b"", "err": b""}

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert self.process.poll() is None, self.end()
            assert time.monotonic() < deadline, "the condition did not become true"
            time.sleep(0.02)

    def until_shown(self, text: str, stream: str = "err") -> None:
        """Wait until it prints a text, to `out` or `err`."""
        source = self.process.stderr if stream == "err" else self.process.stdout
        assert source is not None
        while text.encode() not in self.shown[stream]:
            ready, _, _ = select.select([source], [], [], PATIENCE)
            assert ready, f"{text!r} was not shown: {self.shown}"
            data = os.read(source.fileno(), 65536)
            assert data, self.end()
            self.shown[stream] += data

    def until_read(self) -> None:
        """Wait until it has read all of its stdin."""
        assert self.process.stdin is not None
        descriptor = self.process.stdin.fileno()
        self.until(lambda: not struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))[0])

    def until_asleep(self) -> None:
        """Wait until it handles signals, and no thread of it has run between several samples."""
        self.until(lambda: _catches(self.process.pid, signal.SIGTERM))
        unchanged, before = 0, ""
        while unchanged < _SAMPLES:
            assert self.process.poll() is None, self.end()
            now = _sleeping_threads(self.process.pid)
            unchanged = unchanged + 1 if now and now == before else 0
            before = now
            time.sleep(0.05)

    def signalled(self, number: signal.Signals = signal.SIGINT) -> Run:
        """Send it a signal, and return how it ended."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> Run:
        """Wait for its end; return its exit code and output."""
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        out, err = self.shown["out"] + out, self.shown["err"] + err
        return Run(self.process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def __enter__(self) -> RunningCommand:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


def _sleeping_threads(pid: int) -> str:
    """How long each thread has run so far (proc(5), schedstat); empty if one of them is not asleep."""
    found = []
    for thread in sorted(Path(f"/proc/{pid}/task").iterdir()):
        try:
            state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
            ran = (thread / "schedstat").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        if state != "S":
            return ""
        found.append(f"{thread.name}:{ran}")
    return " ".join(found)


def _catches(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> (number - 1) & 1)
