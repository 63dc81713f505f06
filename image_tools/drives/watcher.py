"""Drives that come and go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from image_tools.drives.listing import list_drives
from image_tools.drives.model import Drive

PERIOD = 1.0
"""Seconds between two looks: readers do not tell of every card, and udev may not run."""


class ChangeKind(Enum):
    """What has become of a drive since the last look."""

    PRESENT = "present"
    PLUGGED_IN = "plugged-in"
    CHANGED = "changed"
    GONE = "gone"


@dataclass(frozen=True)
class Change:
    """One thing that happened; of a drive that is gone, what was known of it last."""

    what: ChangeKind
    drive: Drive


def watch(listed: Callable[[], list[Drive]] = list_drives) -> Iterator[Change]:
    """The drives that are there, then each change, for ever. A card put into a reader changes the reader."""
    before = {drive.path: drive for drive in listed()}
    yield from (Change(ChangeKind.PRESENT, drive) for drive in before.values())
    wait = _waiter()
    while True:
        wait()
        after = {drive.path: drive for drive in listed()}
        yield from _changes(before, after)
        before = after


def _changes(before: dict[str, Drive], after: dict[str, Drive]) -> Iterator[Change]:
    yield from (Change(ChangeKind.GONE, drive) for path, drive in before.items() if path not in after)
    for path, drive in after.items():
        if path not in before:
            yield Change(ChangeKind.PLUGGED_IN, drive)
        elif drive != before[path]:
            yield Change(ChangeKind.CHANGED, drive)


def _waiter() -> Callable[[], object]:
    """Waits until udev tells of a block device, or for a while."""
    try:
        import pyudev

        monitor = pyudev.Monitor.from_netlink(pyudev.Context())
        monitor.filter_by("block")
        monitor.start()
    except (ImportError, OSError):
        return lambda: time.sleep(PERIOD)
    return lambda: monitor.poll(PERIOD)
