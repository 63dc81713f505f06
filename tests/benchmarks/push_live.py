"""Time from a save to the new process of the app, under `resin push` on the stand-in device (needs root).

    python tests/benchmarks/push_live.py [--saves N]
    python tests/benchmarks/push_live.py --edits 1000 [--seed N]

A save of one file that is copied in: until the restarted app has written its first line, and it is there.
The app stops at once. The bars are 0.5 s for the median and 1 s for 95 of 100.

With --edits: random edits of the folder in groups. After each, the container's files must be those of a fresh
build of the same folder by the docker CLI.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

sys.path.insert(0, str(Path(__file__).parent.parent))

from device.stand_in import Desk, StandIn, desk, stand_in
from support.live_edits import Edits
from support.live_pushing import Pushed, fresh, live, write_project

MEDIAN, MOST = 0.5, 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--saves", type=int, default=50)
    parser.add_argument("--edits", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        desk() as table,
        stand_in(table, "kitchen", announces=False) as kitchen,
    ):
        kitchen.start("first", "true")
        kitchen.docker("rm", "-f", "first")
        project = write_project(Path(folder) / "garden")
        if words.edits:
            return edited(table, kitchen, project, words.edits, words.seed)
        return saved(table, kitchen, project, words.saves)


def saved(table: Desk, kitchen: StandIn, project: Path, saves: int) -> int:
    with live(table, kitchen, project) as pushed:
        pushed.begun()
        pushed.quiet()
        stops = [stopped(kitchen, pushed) for _ in range(5)]
        seconds = [once(pushed, number) for number in range(saves)]
    hundred = quantiles(seconds, n=100, method="inclusive")
    median, most = hundred[49], hundred[94]
    print(f"{saves} saves of one file, to the first line of the new process")
    good = shown("median", median, MEDIAN) & shown("95 of 100", most, MOST)
    print(f"{'worst':<36} {max(seconds):6.3f} s")
    print(f"{'of it, the app takes to stop, about':<36} {sorted(stops)[2]:6.3f} s")
    return 0 if good else 1


def once(pushed: Pushed, number: int) -> float:
    """From the save to the line that the new process writes, as soon as resin shows it."""
    started = time.monotonic()
    (pushed.project / "text").write_text(f"save {number}.")
    pushed.until("line", text=f"started save {number}.")
    seconds = time.monotonic() - started
    time.sleep(0.1 + random.random() / 5)
    return seconds


def stopped(kitchen: StandIn, pushed: Pushed) -> float:
    """How long the engine itself takes to stop the app, without what the docker CLI takes to start."""
    container = pushed.container()
    started = time.monotonic()
    kitchen.docker("version")
    between = time.monotonic()
    kitchen.docker("stop", container)
    seconds = time.monotonic() - between - (between - started)
    kitchen.docker("start", container)
    pushed.until("line", text="started")
    return max(seconds, 0)


def edited(table: Desk, kitchen: StandIn, project: Path, wanted: int, seed: int) -> int:
    chance = random.Random(seed)
    edits = Edits(project, chance)
    made = pauses = 0
    started = time.monotonic()
    with live(table, kitchen, project) as pushed:
        pushed.begun()
        while made < wanted:
            for _ in range(min(chance.randint(1, 16), wanted - made)):
                edits.one()
                made += 1
                if chance.random() < 0.05:
                    # Long enough for a batch to begin amid the edits.
                    time.sleep(chance.random() / 4)
            pauses += 1
            pushed.in_step_with(pauses)
            held, wanted_files = pushed.holds(), fresh(kitchen, project)
            if held != wanted_files:
                other = sorted(
                    path for path in {*held, *wanted_files} if held.get(path) != wanted_files.get(path)
                )
                print(f"after {made} edits (seed {seed}) these differ from a fresh build: {', '.join(other)}")
                return 1
        rebuilt = sum(event.get("done") == "rebuilt main" for event in pushed.events)
        batches = sum(event.get("event") == "batch" for event in pushed.events)
    seconds = time.monotonic() - started
    print(f"{made} edits (seed {seed}), {pauses} pauses: as a fresh build at each of them")
    print(f"{batches} batches, of which {rebuilt} were rebuilds; {seconds:.0f} s")
    return 0


def shown(name: str, seconds: float, bar: float) -> bool:
    """Print a figure; whether it keeps to the bar."""
    good = seconds <= bar
    print(f"{name:<36} {seconds:6.3f} s  at most {bar:g}: {'good' if good else 'MISSED'}")
    return good


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("needs root: for network namespaces")
    sys.exit(main())
