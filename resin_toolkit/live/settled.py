"""A look at a folder at a moment when nobody is writing to it, as far as times can tell."""

from __future__ import annotations

import os
import time

from resin_toolkit.live.tree import Skip, Stamp, scan

_TICK = 20_000_000
"""Nanoseconds: more than the steps in which a kernel counts a file's times (4 or 10 ms)."""
_LOOKS = 25


def settled_scan(root: str | os.PathLike[str], skip: Skip) -> dict[str, Stamp]:
    """What lies there. A file that is written to once more afterwards has another stamp then.

    A file that has just been written to could be written again within the same tick of its times, and look as
    before: so it is looked at again a moment later; not for ever, where somebody writes all the time.
    """
    for _ in range(_LOOKS):
        started = time.time_ns()
        found = scan(root, skip)
        newest = max((stamp.changed for stamp in found.values()), default=0)
        if not started - _TICK < newest <= time.time_ns():
            break
        time.sleep(_TICK / 1e9)
    return found
