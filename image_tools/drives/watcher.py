"""Watching for drives that are plugged in, changed or removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from image_tools.drives.listing import list_drives
from image_tools.drives.model import Drive

PERIOD = 1.0
"""Seconds between two listings: readers do not report every card, and udev may not run."""


class DriveChangeType(Enum):
    """What happened to a drive since the last listing."""

    PRESENT = "present"
    PLUGGED_IN = "plugged-in"
    CHANGED = "changed"
    GONE = "gone"


@dataclass(frozen=True)
class DriveChange:
    """A change of a drive; of a removed drive, its last known state."""

    what: DriveChangeType
    drive: Drive


def watch(list_now: Callable[[], list[Drive]] = list_drives) -> Iterator[DriveChange]:
    """The present drives, then each change, forever. A card inserted into a reader changes the reader."""
    before = {drive.path: drive for drive in list_now()}
    yield from (DriveChange(DriveChangeType.PRESENT, drive) for drive in before.values())
    wait = _waiter()
    while True:
        wait()
        after = {drive.path: drive for drive in list_now()}
        yield from _changes(before, after)
        before = after


def _changes(before: dict[str, Drive], after: dict[str, Drive]) -> Iterator[DriveChange]:
    yield from (
        DriveChange(DriveChangeType.GONE, drive) for path, drive in before.items() if path not in after
    )
    for path, drive in after.items():
        if path not in before:
            yield DriveChange(DriveChangeType.PLUGGED_IN, drive)
        elif drive != before[path]:
            yield DriveChange(DriveChangeType.CHANGED, drive)


def _waiter() -> Callable[[], object]:
    """A function that waits for a udev event of a block device, or for `PERIOD`."""
    try:
        import pyudev

        monitor = pyudev.Monitor.from_netlink(pyudev.Context())
        monitor.filter_by("block")
        monitor.start()
    except (ImportError, OSError):
        return lambda: time.sleep(PERIOD)
    return lambda: monitor.poll(PERIOD)
