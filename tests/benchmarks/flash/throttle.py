"""Holds a device to the speed of an SD card for the programs that are started through it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import seconds_of
from os_image import MIB

WRITE, READ = 60 * MIB, 180 * MIB
"""Bytes a second."""
BLKIO = Path("/sys/fs/cgroup/blkio")
GROUP = BLKIO / "resin-benchmark"
JOIN = ("sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(GROUP))
TOLERANCE = 0.08
TRIAL = 240 * MIB


@dataclass(frozen=True)
class Throttle:
    """`prefix` goes before the words of a command; `name` says what does the work."""

    name: str
    prefix: tuple[str, ...]


@dataclass(frozen=True)
class Speed:
    """Bytes a second that dd reached, writing and reading."""

    write: float
    read: float

    def is_held(self) -> bool:
        return abs(self.write / WRITE - 1) <= TOLERANCE and abs(self.read / READ - 1) <= TOLERANCE

    def __str__(self) -> str:
        return f"{self.write / MIB:.0f} MiB/s write, {self.read / MIB:.0f} MiB/s read"


@contextmanager
def throttled(device: str) -> Iterator[Throttle | None]:
    """By blkio of cgroup v1, else by systemd-run's limits; None where there is neither."""
    if not (BLKIO / "blkio.throttle.write_bps_device").exists():
        yield by_systemd(device)
        return
    GROUP.mkdir(exist_ok=True)
    number = os.stat(device).st_rdev  # noqa: PTH116
    try:
        for name, speed in (("write", WRITE), ("read", READ)):
            limit = GROUP / f"blkio.throttle.{name}_bps_device"
            limit.write_text(f"{os.major(number)}:{os.minor(number)} {speed}\n")
        yield Throttle("blkio throttle of cgroup v1", JOIN)
    finally:
        GROUP.rmdir()


def by_systemd(device: str) -> Throttle | None:
    if shutil.which("systemd-run") is None or not Path("/run/systemd/system").is_dir():
        return None
    limits = (f"IOWriteBandwidthMax={device} {WRITE}", f"IOReadBandwidthMax={device} {READ}")
    words = ("systemd-run", "--quiet", "--scope", "-p", limits[0], "-p", limits[1], "--")
    return Throttle("IO limits of systemd-run", words)


def speed_of(device: str, prefix: tuple[str, ...], size: int = TRIAL) -> Speed:
    """What dd reaches on the device, past the caches."""
    count = f"count={size // (4 * MIB)}"
    write = (
        "dd",
        "if=/dev/zero",
        f"of={device}",
        "bs=4M",
        count,
        "oflag=direct",
        "conv=fsync",
        "status=none",
    )
    read = ("dd", f"if={device}", "of=/dev/null", "bs=4M", count, "iflag=direct", "status=none")
    return Speed(size / seconds_of((*prefix, *write)), size / seconds_of((*prefix, *read)))
