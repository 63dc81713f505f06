"""`resin logs` beside `docker logs` of the docker CLI, on the same engine; and how soon a line is shown.

    sudo python tests/benchmarks/logs.py [--lines N] [--runs N] [--samples N]

A container of the stand-in has written a million lines; both clients write them to a file, in turns. Bars:
the median of `resin logs` at most 1.1 of the other's, its memory at most 80 MiB; a line that is followed is
shown within 50 ms in the median, and 99 of 100 within 200 ms.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).parent.parent))

from device.stand_in import Desk, StandIn, desk, stand_in

RESIN = str(Path(sys.executable).with_name("resin"))
RATIO, MEMORY, HALF, MOST = 1.1, 80, 0.05, 0.2


@dataclass
class Use:
    """Seconds of wall time, MiB at the peak, bytes that were written."""

    wall: float
    memory: float
    size: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=300)
    options = parser.parse_args()
    with desk() as table, stand_in(table, "bench") as device:
        good = latency(table, device, options.samples)
        return 0 if throughput(table, device, options.lines, options.runs) and good else 1


def throughput(table: Desk, device: StandIn, lines: int, runs: int) -> bool:
    device.start(
        "many", f"i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo line $i of a log, and more; done"
    )
    device.docker("wait", "many")
    engine = f"tcp://{device.address}:{device.engine_port}"
    contenders = {
        "docker logs": ["docker", "--host", engine, "logs", "many"],
        "resin logs": [RESIN, "logs", device.address, "--service", "many"],
    }
    uses: dict[str, list[Use]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, words in contenders.items():
            uses[name].append(used_by(table, words))
            if uses[name][-1].size != uses["docker logs"][0].size:
                sys.exit(f"{name} wrote {uses[name][-1].size} bytes")
    wall = {name: median(use.wall for use in found) for name, found in uses.items()}
    peak = max(use.memory for use in uses["resin logs"])
    ratio = wall["resin logs"] / wall["docker logs"]
    for name, seconds in wall.items():
        print(f"{name:<12} {lines} lines {seconds:6.2f} s, {max(u.memory for u in uses[name]):5.1f} MiB")
    good = ratio <= RATIO and peak <= MEMORY
    print(f"ratio {ratio:.2f}, at most {RATIO}; {peak:.0f} MiB, at most {MEMORY}: {verdict(good)}")
    return good


def used_by(table: Desk, words: list[str]) -> Use:
    with tempfile.TemporaryFile(dir="/var/tmp") as out:
        started = time.monotonic()
        process = subprocess.Popen(
            [*table.prefix, *words], stdout=out, stderr=subprocess.DEVNULL, env=table.environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{' '.join(words)}: {process.returncode}")
        return Use(wall, usage.ru_maxrss / 1024, out.seek(0, os.SEEK_END))


def latency(table: Desk, device: StandIn, samples: int) -> bool:
    """A line holds the time since boot at which it was written, cut to hundredths of a second."""
    device.start("clock", "while read up rest </proc/uptime; do echo $up; usleep 23000; done")
    words = [*table.prefix, RESIN, "logs", device.address, "-f", "--tail", "0"]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=table.environment
    )
    assert process.stdout is not None
    took = []
    for _ in range(samples):
        line = process.stdout.readline()
        took.append(time.clock_gettime(time.CLOCK_BOOTTIME) - float(line))
    process.terminate()
    process.communicate()
    half, most = median(took), quantiles(took, n=100)[98]
    good = half <= HALF and most <= MOST
    print(
        f"a line is shown after {half * 1000:.1f} ms, 99 of 100 within {most * 1000:.1f} ms: {verdict(good)}"
    )
    return good


def verdict(good: bool) -> str:
    return "good" if good else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
