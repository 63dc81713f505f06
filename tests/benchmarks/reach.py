"""How soon a device that cannot be reached is told of, and why, beside docker's own command.

    python tests/benchmarks/reach.py [--runs N]

Needs root, for a network of its own. Each run is a whole process, from its start to its end. Bar: 3 s for a
host that is off, one that takes no packets, a closed port, and a name that nobody has.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

from device.desk import Desk, desk

from resin_toolkit.errors import Exit

BAR = 3.0
COMMANDS = (("ps",), ("env",), ("logs",))
TOO_LONG = 200.0
"""Seconds after which a peer is ended."""


@dataclass(frozen=True)
class Case:
    name: str
    word: str
    """The DEVICE word."""
    host: str
    """What docker's command is given: it resolves no `.local` names by itself."""


@dataclass(frozen=True)
class Told:
    seconds: float
    code: int
    message: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-peer", action="store_true", help="without docker's own command")
    options = parser.parse_args()
    with desk() as table:
        met = [judge(table, case, options.runs, peer=not options.no_peer) for case in cases(table)]
    return 0 if all(met) else 1


def cases(table: Desk) -> list[Case]:
    off, silent = (f"10.91.{table.number}.{last}" for last in (250, 251))
    # Somebody has that address, as far as this machine knows, and never answers.
    table.run("ip", "neighbour", "add", silent, "lladdr", "02:00:00:00:00:01", "dev", table.interface)
    return [
        Case("host is off", off, f"tcp://{off}:2377"),
        Case("host takes no packets", silent, f"tcp://{silent}:2377"),
        Case("closed port", table.address, f"tcp://{table.address}:2377"),
        Case("closed port, tcp://", f"tcp://{table.address}:2377", f"tcp://{table.address}:2377"),
        Case("closed port, ssh://", f"ssh://root@{table.address}", f"ssh://root@{table.address}:22222"),
        Case("wrong name, .local", "no-such-board.local", "tcp://no-such-board.local:2377"),
        Case("wrong name", "no-such-board", "tcp://no-such-board:2377"),
    ]


def judge(table: Desk, case: Case, runs: int, *, peer: bool) -> bool:
    """Measure a case, print it; whether every verb met the bar and said why."""
    met = True
    for verb in COMMANDS:
        told = [timed(table, ("resin", *verb, case.word)) for _ in range(runs)]
        seconds, worst = median(one.seconds for one in told), max(one.seconds for one in told)
        good = worst <= BAR and all(one.code in (Exit.UNREACHABLE, Exit.NOT_FOUND) for one in told)
        met = met and good
        verdict = "met" if good else "MISSED"
        times = f"{seconds:7.2f} s, worst {worst:5.2f}  {verdict:6}"
        print(f"{case.name:24}{verb[0]:8}{times}  {told[0].message}")
    if peer:
        told_by_docker = timed(table, ("docker", "-H", case.host, "ps"))
        print(f"{case.name:24}{'docker':8}{told_by_docker.seconds:7.2f} s{'':22}{told_by_docker.message}")
    return met


def timed(table: Desk, words: tuple[str, ...]) -> Told:
    program = str(Path(sys.executable).with_name(words[0])) if words[0] == "resin" else words[0]
    started = time.monotonic()
    try:
        done = subprocess.run(
            [*table.prefix, program, *words[1:]],
            env=table.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TOO_LONG,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Told(TOO_LONG, -1, "still nothing")
    lines = done.stderr.strip().splitlines() or [""]
    return Told(time.monotonic() - started, done.returncode, lines[0][:150])


if __name__ == "__main__":
    sys.exit(main())
