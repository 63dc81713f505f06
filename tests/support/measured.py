"""The time that a program takes and its peak memory."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from support.resin_command import Run, environment

_SAMPLE = 0.02
_PATIENCE = 60.0
MIB = 1 << 20


@dataclass(frozen=True)
class Measured:
    """How a program ended, in how many seconds, and the bytes of memory that it had at most."""

    run: Run
    seconds: float
    peak: int


def measured(
    words: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Measured:
    """Run a program to its end."""
    began = time.monotonic()
    peak = 0
    with TemporaryFile() as out, TemporaryFile() as err:
        with subprocess.Popen(
            [*map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=environment() if env is None else env,
            cwd=cwd,
        ) as process:
            while process.poll() is None:
                peak = max(peak, _peak_of(process.pid))
                if time.monotonic() - began > _PATIENCE:
                    process.kill()
                time.sleep(_SAMPLE)
        seconds = time.monotonic() - began
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(10 * MIB).decode(errors="replace"))
    return Measured(Run(process.returncode, *texts), seconds, peak)


def _peak_of(pid: int) -> int:
    """VmHWM of proc(5); 0 once the process has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
