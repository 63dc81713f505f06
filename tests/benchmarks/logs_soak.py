"""`resin logs -f` of a counter while its device is broken: every number has to come once, in order.

    sudo python tests/benchmarks/logs_soak.py [--times N] [--down SECONDS] [--rate LINES] [BREAK...]

Breaks: sockets, engine, link, address, clock (all by default), each `--times` times (10), the link for
`--down` seconds (90). The device is the stand-in of tests/device.
Ends with 1 where a number is missing or double.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from device.stand_in import StandIn, desk, stand_in

RESIN = Path(sys.executable).with_name("resin")
COUNTER = "i=0; while :; do i=$((i+1)); echo $i; usleep {pause}; done"
PATIENCE = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("breaks", nargs="*", choices=["sockets", "engine", "link", "address", "clock", []])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--down", type=float, default=90.0)
    parser.add_argument("--rate", type=int, default=200)
    options = parser.parse_args()
    good = True
    for name in options.breaks or ["sockets", "engine", "link", "address", "clock"]:
        good &= soak(name, options.times, options.down, options.rate)
    return 0 if good else 1


def soak(name: str, times: int, down: float, rate: int) -> bool:
    with desk() as table, stand_in(table, "soak") as device, tempfile.TemporaryDirectory() as folder:
        device.start("counter", COUNTER.format(pause=1_000_000 // rate))
        shown, said = Path(folder, "out"), Path(folder, "err")
        command = [*table.prefix, str(RESIN), "logs", "soak", "-f"]
        with shown.open("wb") as out, said.open("wb") as err:
            process = subprocess.Popen(command, stdout=out, stderr=err, env=table.environment)
            try:
                reach(shown, 1)
                for turn in range(times):
                    time.sleep(1)
                    broken(name, device, down, turn)
                    reach(shown, count_in(device))
            finally:
                process.terminate()
                process.wait()
        numbers = shown.read_text().split()
        wanted = [str(number) for number in range(1, len(numbers) + 1)]
        good = numbers == wanted
        print(f"{name:<8} {times} times: {len(numbers)} lines, {'good' if good else 'MISSED'}", flush=True)
        if not good:
            at = next(n for n, (a, b) in enumerate(zip(numbers, wanted, strict=True)) if a != b)
            print(f"  at {at}: {numbers[max(0, at - 3) : at + 4]}\n{said.read_text()[-2000:]}")
        return good


def broken(name: str, device: StandIn, down: float, turn: int) -> None:
    """Break it, and mend it where it does not mend itself."""
    breaks: dict[str, Callable[[], object]] = {
        "sockets": lambda: device.kill_sockets(device.engine_port or 0),
        "engine": device.restart_engine,
        "link": lambda: (device.link(False), time.sleep(down), device.link(True)),
        "address": device.change_address,
        # Back by a day and forth again, and each time a cut, so that the log is gone on with.
        "clock": lambda: (
            device.set_engine_clock(-86400 if turn % 2 == 0 else 0),
            time.sleep(0.5),
            device.kill_sockets(device.engine_port or 0),
        ),
    }
    breaks[name]()


def count_in(device: StandIn) -> int:
    return int(device.docker("logs", "--tail", "1", "counter").strip() or 0)


def reach(shown: Path, number: int) -> None:
    """Wait until so many lines were shown."""
    deadline = time.monotonic() + PATIENCE
    while shown.read_bytes().count(b"\n") < number:
        if time.monotonic() > deadline:
            print(f"  {number} lines did not come in time")
            return
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
