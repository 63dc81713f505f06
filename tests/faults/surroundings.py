"""Places where nothing goes well: a full disk, one that may not be written to, a process that is stopped."""

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
"""Root without any of its powers: bound by the modes of files like everybody, but can read the program."""
NO_NETWORK = ("unshare", "--net", "--")


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
    """The folder while nobody, not even root, may write into it."""
    tool("mount", "--bind", folder, folder)
    try:
        tool("mount", "-o", "remount,bind,ro", folder)
        yield folder
    finally:
        tool("umount", "--lazy", folder)


def into(
    stdout: str, *words: str | Path, env: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
) -> Run:
    """Run `resin` with its stdout led to `/dev/full`, or as a shell says it: `>&-`, `| head -c 0`."""
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


class Begun:
    """A run of `resin` that goes on, to be disturbed. Its stdin is an open pipe that nothing comes from."""

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
        """Wait for something that the run brings about."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert self.process.poll() is None, self.end()
            assert time.monotonic() < deadline, "that did not come about"
            time.sleep(0.02)

    def until_shown(self, text: str, stream: str = "err") -> None:
        """Wait until it says something, on `out` or on `err`."""
        source = self.process.stderr if stream == "err" else self.process.stdout
        assert source is not None
        while text.encode() not in self.shown[stream]:
            ready, _, _ = select.select([source], [], [], PATIENCE)
            assert ready, f"{text!r} was not shown: {self.shown}"
            data = os.read(source.fileno(), 65536)
            assert data, self.end()
            self.shown[stream] += data

    def until_read(self) -> None:
        """Wait until it has taken all of its stdin."""
        assert self.process.stdin is not None
        descriptor = self.process.stdin.fileno()
        self.until(lambda: not struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))[0])

    def until_asleep(self) -> None:
        """Wait until it has started, takes signals, and waits for something outside."""
        self.until(lambda: _catches(self.process.pid, signal.SIGTERM))
        time.sleep(0.4)

    def signalled(self, number: signal.Signals = signal.SIGINT) -> Run:
        """Send it a signal; how it ended."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> Run:
        """How it ended, and all that it said."""
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        out, err = self.shown["out"] + out, self.shown["err"] + err
        return Run(self.process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def __enter__(self) -> Begun:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


def _catches(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> (number - 1) & 1)
