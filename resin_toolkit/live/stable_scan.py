"""A look at files at a moment when nobody is writing to them, as far as times can tell."""

from __future__ import annotations

import time
from collections.abc import Callable

from resin_toolkit.live.snapshot import TICK, FileStamp

_LOOKS = 25


def stable_scan(look: Callable[[], dict[str, FileStamp]]) -> dict[str, FileStamp]:
    """What a look finds. A file that is written to once more afterwards has another stamp then.

    Where one has just been written to it is looked again a moment later; not for ever, where somebody writes
    all the time: then that file's stamp says so.
    """
    for _ in range(_LOOKS):
        found = look()
        if all(stamp.is_stable for stamp in found.values()):
            break
        time.sleep(TICK / 1e9)
    return found
