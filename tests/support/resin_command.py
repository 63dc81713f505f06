"""Running `resin` as a user does: in this process where that will do, else the installed program."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

from resin_toolkit.cli import main

PROGRAM = Path(sys.executable).with_name("resin")
PATIENCE = 60.0
"""Seconds after which a program that says nothing is taken for hung."""


@dataclass(frozen=True)
class Run:
    """How a run ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def envelope(self) -> dict[str, Any]:
        """The JSON object that stdout holds, and nothing else."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self
        envelope = json.loads(lines[0])
        assert list(envelope) == ["schema", "command", "ok", "data", "error"]
        assert envelope["schema"] == 1
        assert envelope["ok"] is (self.code == 0)
        assert (envelope["error"] is None) is envelope["ok"]
        assert (envelope["data"] is None) is not envelope["ok"]
        assert isinstance(envelope, dict)
        return envelope

    @property
    def data(self) -> Any:
        return self.envelope["data"]

    @property
    def error(self) -> dict[str, str]:
        error = self.envelope["error"]
        assert list(error) == ["code", "message", "hint"]
        return dict(error)


def resin(*words: str | Path) -> Run:
    """Run in this process, with neither a terminal nor stdin."""
    out, err = (TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    held, sys.stdin = sys.stdin, open(os.devnull)  # noqa: SIM115, PTH123
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main.run([str(word) for word in words])
    finally:
        sys.stdin.close()
        sys.stdin = held
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
    return Run(code, *texts)


def environment(**changes: str) -> dict[str, str]:
    """The environment without any variable of ours but those given."""
    kept = {name: value for name, value in os.environ.items() if "RESIN" not in name}
    return {**kept, **changes}


def program(
    *words: str | Path,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    command: Sequence[str | Path] = (PROGRAM,),
) -> Run:
    """Run the installed program in a process of its own."""
    done = subprocess.run(
        [*map(str, command), *map(str, words)],
        input=b"" if stdin is None else stdin,
        capture_output=True,
        env=environment() if env is None else env,
        cwd=cwd,
        timeout=PATIENCE,
        check=False,
    )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())


class Terminal:
    """The installed program on a terminal of its own, which a person types into."""

    def __init__(
        self, *words: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.screen = ""
        self._seen = 0
        self.pid, self._terminal = pty.fork()
        if not self.pid:
            os.chdir(cwd or ".")
            os.execve(PROGRAM, [str(PROGRAM), *map(str, words)], dict(environment() if env is None else env))

    def until(self, text: str) -> str:
        """Wait until `text` is shown; what was shown since the last call."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.screen[self._seen :]:
            assert self._read(deadline), f"{text!r} was not shown: {self.screen!r}"
        end = self.screen.index(text, self._seen) + len(text)
        shown, self._seen = self.screen[self._seen : end], end
        return shown

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def command_line(self) -> str:
        """The program's arguments, as every user of the system can see them."""
        return Path(f"/proc/{self.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()

    def end(self) -> int:
        """The exit code, once the program has ended; 128 and the signal's number if one ended it."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        os.close(self._terminal)
        return self.code()

    def code(self) -> int:
        """As `end`, of a program whose terminal has gone."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return code if code >= 0 else 128 - code

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self._terminal)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.type("\x03")

    def resize(self, rows: int, columns: int) -> None:
        """Drag the window's corner: the program is sent SIGWINCH."""
        termios.tcsetwinsize(self._terminal, (rows, columns))

    @property
    def is_cooked(self) -> bool:
        """Whether the terminal echoes, edits lines and takes Ctrl-C, as a shell expects to find it."""
        wanted = termios.ECHO | termios.ICANON | termios.ISIG
        return termios.tcgetattr(self._terminal)[3] & wanted == wanted

    @property
    def plain(self) -> str:
        """What was shown, without control sequences."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", self.screen)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            os.kill(self.pid, signal.SIGKILL)
            raise AssertionError(f"the program hangs after: {self.screen!r}")
        try:
            data = os.read(self._terminal, 65536)
        except OSError:
            return False
        self.screen += data.decode(errors="replace")
        return bool(data)
