"""When reading a log that is not followed ends although the engine does not end it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from resin_toolkit.errors import EngineFailed, Unreachable
from resin_toolkit.logs.records import stamp_of

SILENCE = 10.0
"""Seconds for which a device may send nothing, or next to nothing, of a log."""
SEARCH_SILENCE = 60.0
"""The same where it has to search the log, which on a worn card takes long."""
_LEAST = 4096
"""Bytes that it sends at least in that time."""
_MAX_STANDING = 100_000
"""Records in a row without a later time than the ones before."""


class ReadLimits:
    """Watches the log of one container while it is read."""

    def __init__(self, host: str, service: str, silence: float) -> None:
        self._host, self._service = host, service
        self._silence = silence
        self._waited = 0.0
        self._received = 0
        self._stamp = b""
        self._standing = 0

    def read(self, receive: Callable[[int], bytes], size: int) -> bytes:
        """Read at most `size` bytes with `receive`. Raises Unreachable if next to nothing arrives."""
        began = time.monotonic()
        data = receive(size)
        # The time in which nobody reads, because stdout is blocked, does not count.
        self._waited += time.monotonic() - began
        self._received += len(data)
        if self._waited > self._silence:
            if data and self._received < _LEAST:
                raise Unreachable(
                    f"{self._host} sends the log of {self._service} too slowly: {self._received} bytes in "
                    f"{self._waited:.0f} s.",
                    hint="The device may be busy, or the network interrupted. Try again.",
                    cause="no-answer",
                )
            self._waited, self._received = 0.0, 0
        return data

    def check_times(self, records: Sequence[bytes]) -> None:
        """Raise EngineFailed if the timestamps do not advance any more."""
        stamp = stamp_of(records[-1])
        self._standing = 0 if stamp > self._stamp else self._standing + len(records)
        self._stamp = stamp
        if self._standing > _MAX_STANDING:
            raise EngineFailed(
                f"The log of {self._service} on {self._host} does not end: its timestamps do not advance.",
                hint="`resin logs --tail N` reads only the last lines.",
            )
