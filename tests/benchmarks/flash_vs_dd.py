"""`resin flash`, verified, against dd and cmp, on one loop device. Needs root.

    python tests/benchmarks/flash_vs_dd.py [--size MIB] [--runs N] [--folder DIR]

Both write the same incompressible raw image, which lies in the page cache for both, with direct I/O, flush,
and compare all of it with what is read back after the caches are dropped. Start-up is counted. The runs
take turns; the ratio of the medians should be at most 1.0.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

BAR = 1.0
MIB = 1024 * 1024
TABLE = "label: dos\n2048,40960,c\n,,83\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="of the image, in MiB")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", help="where the image and the device's file are made")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("flash_vs_dd: not run, a loop device needs root", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(dir=options.folder or "/var/tmp") as folder:
        return compare(Path(folder), options.size * MIB, options.runs)


def compare(folder: Path, size: int, runs: int) -> int:
    image = make_image(folder / "image.img", size)
    device = attach(folder / "device.img", size + 4 * MIB)
    contenders: dict[str, Callable[[], None]] = {
        "dd and cmp": lambda: dd_and_cmp(image, device, size),
        "resin flash": lambda: resin_flash(image, device),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    try:
        for turn in range(runs + 1):
            for name, run in contenders.items():
                seconds = timed(run, image, device)
                if turn:  # the first turn only warms up
                    times[name].append(seconds)
    finally:
        subprocess.run(["losetup", "-d", device], check=True)
    return show(times, size)


def show(times: dict[str, list[float]], size: int) -> int:
    medians = {name: median(seconds) for name, seconds in times.items()}
    print(f"{size // MIB} MiB, raw, to a loop device, every byte compared")
    for name, seconds in times.items():
        runs = " ".join(f"{second:6.2f}" for second in seconds)
        print(f"  {name:12} median {medians[name]:6.2f} s   runs {runs}")
    ratio = medians["resin flash"] / medians["dd and cmp"]
    print(f"  ratio {ratio:.2f} (bar {BAR})")
    return 0 if ratio <= BAR else 1


def timed(run: Callable[[], None], image: Path, device: str) -> float:
    """Seconds of one run that finds the image in the cache, and of the device nothing."""
    os.sync()
    drop_caches()
    with image.open("rb") as file:
        while file.read(MIB):
            pass
    subprocess.run(["blockdev", "--flushbufs", device], check=True)
    started = time.monotonic()
    run()
    return time.monotonic() - started


def dd_and_cmp(image: Path, device: str, size: int) -> None:
    copy = ["dd", f"if={image}", f"of={device}", "bs=4M", "oflag=direct", "conv=fsync", "status=none"]
    subprocess.run(copy, check=True)
    drop_caches()
    subprocess.run(["cmp", "-n", str(size), str(image), device], check=True)


def resin_flash(image: Path, device: str) -> None:
    command = [resin(), "flash", str(image), device, "--yes", "--allow-fixed", "--quiet"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    if "verified" not in done.stdout:
        raise SystemExit(f"it was not verified: {done.stdout}{done.stderr}")


def resin() -> str:
    """The `resin` beside this Python, else the one on the path."""
    beside = Path(sys.executable).with_name("resin")
    found = str(beside) if beside.exists() else shutil.which("resin")
    if found is None:
        raise SystemExit("resin is not installed")
    return found


def drop_caches() -> None:
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


def make_image(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    subprocess.run(["sfdisk", "-q", str(path)], input=TABLE, text=True, check=True)
    return path


def attach(path: Path, size: int) -> str:
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)
    command = ["losetup", "--find", "--show", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    raise SystemExit(main())
