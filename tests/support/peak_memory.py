"""Running commands in one process of their own, and the most memory that it took."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.resin_command import PATIENCE, Run, environment

_PROGRAM = """
import json, sys
from support.resin_command import resin

runs = [resin(*words) for words in json.loads(sys.argv[1])]
status = open("/proc/self/status").read().splitlines()
peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
print(json.dumps([peak * 1024, [[run.code, run.out, run.err] for run in runs]]))
"""
_TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Measured:
    """What commands printed, and the peak of resident memory in bytes."""

    runs: list[Run]
    peak: int


def measured(*commands: Sequence[str | Path], program: str = _PROGRAM) -> Measured:
    """Run the commands one after the other."""
    words = json.dumps([[str(word) for word in command] for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", program, words],
        capture_output=True,
        env=environment(PYTHONPATH=str(_TESTS)),
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done
    peak, runs = json.loads(done.stdout)
    return Measured([Run(*run) for run in runs], peak)
