"""Time from the start of `resin scan` to the first device on the screen, on the stand-in (needs root).

    python tests/benchmarks/scan.py [--runs N]

The bar is 0.6 s, beside `avahi-browse` where it is installed, and the fixed 4.9 s that another toolkit takes.
Then how long a dead host, a closed port and a wrong name take to be told by `resin wait --timeout 1.5` and
`resin env`: at most 3 s.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

from device.stand_in import Desk, StandIn, desk, stand_in

FIRST, MESSAGE = 0.6, 3.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    with desk() as table, stand_in(table, "kitchen") as kitchen:
        first_shown(table)
        first = [first_shown(table) for _ in range(runs)]
        good = shown("first device on the screen", first, FIRST)
        browse = shutil.which("avahi-browse")
        if browse:
            shown("avahi-browse -rpt", [browsed(kitchen) for _ in range(runs)], None)
        print("balena-cli, `device detect`           4.900 s, as stated")
        kitchen.stop_ssh()
        for name, words in {
            "wrong name, env": ("env", "no-such-device"),
            "wrong name, wait": ("wait", "no-such-device", "--timeout", "1.5"),
            "dead host, env": ("env", "10.91.255.254"),
            "dead host, wait": ("wait", "10.91.255.254", "--timeout", "1.5"),
            "closed port, env": ("env", f"{kitchen.address}:1"),
            "closed port, wait": ("wait", f"{kitchen.address}:1", "--timeout", "1.5"),
        }.items():
            good &= shown(name, [told(table, *words) for _ in range(3)], MESSAGE)
    return 0 if good else 1


def first_shown(table: Desk) -> float:
    started = time.monotonic()
    terminal = table.terminal("scan")
    terminal.until("kitchen")
    seconds = time.monotonic() - started
    if terminal.end():
        sys.exit(terminal.screen)
    return seconds


def browsed(kitchen: StandIn) -> float:
    """On the device itself, whose avahi-daemon it asks."""
    started = time.monotonic()
    words = [*kitchen.prefix, "avahi-browse", "-rpt", "_ssh._tcp"]
    subprocess.run(words, capture_output=True, check=False, timeout=60)
    return time.monotonic() - started


def told(table: Desk, *words: str) -> float:
    started = time.monotonic()
    run = table.resin(*words)
    if not run.code:
        sys.exit(f"{words} came through: {run}")
    return time.monotonic() - started


def shown(name: str, seconds: list[float], bar: float | None) -> bool:
    """Print the median and the worst; whether the median keeps to the bar."""
    good = bar is None or median(seconds) <= bar
    verdict = "" if bar is None else f"  at most {bar:g}: {'good' if good else 'MISSED'}"
    print(f"{name:<36} {median(seconds):6.3f} s, worst {max(seconds):.3f} s{verdict}")
    return good


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("needs root: for network namespaces")
    sys.exit(main())
