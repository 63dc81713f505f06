"""ApiClient several devices at once what they are, without holding up the search for others."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

from resin_toolkit.device.facts import DeviceFacts
from resin_toolkit.device.record import Device

Probe = Callable[[Device, Callable[[DeviceFacts], None]], DeviceFacts]
"""Asks a device what it is: hands on what it has learnt so far, and returns all. Raises nothing."""
_AT_ONCE = 8


class Probes:
    """The probes that are under way, each in a thread that nobody waits for."""

    def __init__(self, probe: Probe, wake: Callable[[], None]) -> None:
        self._probe = probe
        self._wake = wake
        self._results: queue.SimpleQueue[tuple[int, Device, DeviceFacts, bool]] = queue.SimpleQueue()
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        self.running = 0

    def start(self, number: int, device: Device) -> None:
        self.running += 1
        threading.Thread(
            target=self._run, args=(number, device), name=f"probe {device.host}", daemon=True
        ).start()

    def results(self) -> Iterator[tuple[int, Device, DeviceFacts, bool]]:
        """What has come since the last call: which device, as it was then, its facts, whether that is all."""
        while True:
            try:
                result = self._results.get_nowait()
            except queue.Empty:
                return
            self.running -= result[-1]
            yield result

    def _run(self, number: int, device: Device) -> None:
        def tell(facts: DeviceFacts) -> None:
            self._put(number, device, facts, complete=False)

        with self._room:
            facts = self._probe(device, tell)
        self._put(number, device, facts, complete=True)

    def _put(self, number: int, device: Device, facts: DeviceFacts, *, complete: bool) -> None:
        self._results.put((number, device, facts, complete))
        self._wake()
