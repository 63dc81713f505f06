"""What is fuzzed: for each reader of untrusted input, a function that takes bytes.

A target may raise ResinError, which a user sees as one sentence. Anything else is a fault, and so is an input
that takes long.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from fuzz.targets import engine, images, ssh, text, wire
from resin_toolkit.errors import InternalError, ResinError

Target = Callable[[bytes], object]
TARGETS: dict[str, Target] = {
    target.__name__: target for module in (images, text, wire, engine, ssh) for target in module.TARGETS
}
LONGEST = 1.0
"""Seconds of processor time that an input may take."""


class TooSlow(Exception):
    """An input takes longer than any of its size may."""


def run(name: str, data: bytes, longest: float = LONGEST) -> None:
    """Give `data` to a target. Raises whatever is a fault."""
    used = _seconds(name, data)
    if used > longest:
        # The first input that needs a module also loads it.
        used = _seconds(name, data)
    if used > longest:
        raise TooSlow(f"{name} takes {used:.1f} s for {len(data)} bytes")


def _seconds(name: str, data: bytes) -> float:
    """The processor time that a target takes for an input."""
    started = time.process_time()
    try:
        TARGETS[name](data)
    except InternalError:
        raise
    except ResinError:
        pass
    return time.process_time() - started
