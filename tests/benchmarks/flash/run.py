"""`resin flash` against dd, bmaptool and Etcher's SDK, on the same loop devices, in one run. Needs root.

    python tests/benchmarks/flash/run.py [--folder DIR] [--runs N] [--rows KEY...] [--quick] [--json FILE]

The `resin` beside the Python that runs this is measured, as an installed program, start-up counted. The
first use makes the images, which takes about eight minutes; with `--folder` they are kept there (20 GiB with
the devices' files) and the next run begins at once. `--list` prints the keys of the rows.

What is compared:
- SD speed: dd with direct I/O and a flush, then cmp, both of a prepared file of just the mapped bytes. The
  device is held to 60 MiB/s writing and 180 reading, which dd verifies.
- as fast as the device is: dd and cmp of everything; bmaptool with a block map.
- Every source lies in the page cache; what the caches hold of the device is dropped before each run and, for
  dd, before cmp. The loop devices do direct I/O, so nothing of them stays in memory (`--cached` turns that
  off).
- Contenders take turns. The first turn is not counted: in it the device is not held back, each of resin's
  runs begins on a device full of 0xA5, and every byte that has to be there is compared afterwards.

Peers come from apt (bmap-tools) and npm (etcher-sdk, with NODE_PATH set). What is not there is "not run".
Ends with 0 if no bar was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import mapped
import report
from contenders import Contender, all_contenders, not_throttled
from device import Device, loop_device, read_into_cache
from images import Image
from measure import Failed, Use
from os_image import MIB, SIZE
from rows import QUICK, ROWS, Row, chosen
from throttle import WRITE, Throttle, speed_of, throttled

DEVICES = 4


def main() -> int:
    options = arguments()
    if options.list:
        print("\n".join(f"{row.key:12} {row.what}" for row in ROWS))
        return 0
    if os.geteuid() != 0:
        print("flash: not run, a loop device needs root", file=sys.stderr)
        return 2
    # Asked to end, it leaves no loop device and no limit behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Programs are measured as they are installed, with their bytecode.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    rows = chosen(options.rows or (QUICK if options.quick else ()))
    runs = options.runs or (1 if options.quick else 3)
    with ExitStack() as stack:
        kept = options.folder or stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp"))
        folder = Path(kept)
        folder.mkdir(parents=True, exist_ok=True)
        devices = [
            stack.enter_context(
                loop_device(folder / f"device{number}.img", SIZE + 4 * MIB, direct=not options.cached)
            )
            for number in range(DEVICES)
        ]
        throttle = stack.enter_context(throttled(devices[0].path))
        facts = conditions(devices[0], throttle, options.cached)
        image, full = Image(folder), Image(folder, full=True)
        facts["mapped MiB"] = round(mapped.total(image.extents) / MIB, 1)
        print(f"mapped: {facts['mapped MiB']} MiB", flush=True)
        everyone = all_contenders(image, full, devices)
        uses, missing = take_turns(everyone, rows, runs, devices, throttle)
        return show(rows, uses, missing, facts, options.json)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", help="where the images and the devices' files are made and kept")
    parser.add_argument("--runs", type=int, help="counted turns; 3, or 1 with --quick")
    parser.add_argument("--rows", nargs="+", help="only these; see --list")
    parser.add_argument("--quick", action="store_true", help="one turn of fewer rows")
    parser.add_argument("--cached", action="store_true", help="loop devices that go through the page cache")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--list", action="store_true", help="print the keys of the rows")
    return parser.parse_args()


def conditions(device: Device, throttle: Throttle | None, cached: bool) -> dict[str, object]:
    """What the device does here; ends the benchmark where it is not held to the speed that was set."""
    free = speed_of(device.path, (), SIZE // 2)
    print(f"loop device, {'cached' if cached else 'direct'}: {free}", flush=True)
    if throttle is None:
        return {"throttle": None, "device": str(free)}
    held = speed_of(device.path, throttle.prefix)
    print(f"SD speed, by {throttle.name}: {held}", flush=True)
    if not held.is_held():
        raise SystemExit("flash: the device is not held to that speed here")
    return {"throttle": throttle.name, "device": str(free), "held": str(held)}


def take_turns(
    everyone: Mapping[str, Contender],
    rows: list[Row],
    runs: int,
    devices: list[Device],
    throttle: Throttle | None,
) -> tuple[dict[str, list[Use]], dict[str, str]]:
    """The uses of everyone whom a row needs, and why the others were not run."""
    needed = [everyone[name] for name in everyone if any(name in row.needs for row in rows)]
    missing = {one.name: why for one in needed if (why := not_throttled(one, throttle))}
    uses: dict[str, list[Use]] = {one.name: [] for one in needed if one.name not in missing}
    for turn in range(runs + 1):
        for contender in needed:
            if contender.name in missing:
                continue
            print(f"turn {turn}: {contender.name}", flush=True)
            prefix = throttle.prefix if turn and contender.is_slow and throttle else ()
            try:
                use = one_run(contender, prefix, devices, check=turn == 0)
            except Failed as failure:
                print(failure, flush=True)
                missing[contender.name] = f"{contender.name} failed"
                continue
            if turn:
                uses[contender.name].append(use)
    return {name: found for name, found in uses.items() if name not in missing}, missing


def one_run(contender: Contender, prefix: tuple[str, ...], devices: list[Device], *, check: bool) -> Use:
    if check and contender.extents:
        for device in contender.devices:
            device.scrub()
    read_into_cache(contender.source())
    for device in devices:
        device.forget()
    use = contender.run(prefix)
    if check and contender.extents:
        compare(contender, contender.extents())
    if prefix and use.seconds < contender.least_bytes() / WRITE:
        raise SystemExit(f"{contender.name}: faster than the device is held to; the limit was passed by")
    return use


def compare(contender: Contender, extents: list[mapped.Extent]) -> None:
    for device in contender.devices:
        device.forget()
        found = mapped.first_difference(contender.image.raw, device.path, extents)
        if found is not None:
            raise Failed(f"{contender.name}: {device.path} differs from the image at byte {found}")


def show(
    rows: list[Row],
    uses: dict[str, list[Use]],
    missing: dict[str, str],
    facts: dict[str, object],
    path: Path | None,
) -> int:
    found = report.lines(rows, uses, missing)
    print(f"\n{report.run_table(uses)}\n\n{report.table(found)}")
    if path:
        path.write_text(json.dumps(report.as_json(facts, found, uses), indent=2) + "\n")
    return 1 if any(line.verdict == "FAIL" for line in found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
