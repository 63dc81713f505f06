"""Waiting so that no signal is missed.

Python runs the handlers of signals before it begins to wait, and when a signal interrupts the wait. One that
arrives in between ends no wait, and Ctrl-C would have to be pressed again. So a wait of the main thread that
has no limit is made of many that have one.
"""

from __future__ import annotations

import select
from collections.abc import Sequence

TICK = 1.0
"""Seconds after which a signal is noticed at the latest."""


def wait_for_descriptors(reading: Sequence[int], writing: Sequence[int] = ()) -> set[int]:
    """Wait until some of the file descriptors are ready, and return these."""
    poll = select.poll()
    for descriptor in {*reading, *writing}:
        wanted = select.POLLIN if descriptor in reading else 0
        wanted |= select.POLLOUT if descriptor in writing else 0
        poll.register(descriptor, wanted)
    while not (ready := poll.poll(TICK * 1000)):
        continue
    return {descriptor for descriptor, _ in ready}
