"""Probing several devices at once while the search goes on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

from resin_toolkit.device.facts import DeviceFacts
from resin_toolkit.device.record import Device

Probe = Callable[[Device, Callable[[DeviceFacts], None]], DeviceFacts]
"""Reads the facts of a device: passes on what is known so far, and returns all of it. Raises nothing."""
_MAX_CONCURRENT = 8


class Probes:
    """The running probes, each in a daemon thread."""

    def __init__(self, probe: Probe, wake: Callable[[], None]) -> None:
        self._probe = probe
        self._wake = wake
        self._results: queue.SimpleQueue[tuple[int, Device, DeviceFacts, bool]] = queue.SimpleQueue()
        self._slots = threading.BoundedSemaphore(_MAX_CONCURRENT)
        self.running = 0

    def start(self, number: int, device: Device) -> None:
        self.running += 1
        threading.Thread(
            target=self._run, args=(number, device), name=f"probe {device.host}", daemon=True
        ).start()

    def results(self) -> Iterator[tuple[int, Device, DeviceFacts, bool]]:
        """The results since the last call: the device's number, the device as it was probed, its facts, and
        whether they are complete.
        """
        while True:
            try:
                result = self._results.get_nowait()
            except queue.Empty:
                return
            self.running -= result[-1]
            yield result

    def _run(self, number: int, device: Device) -> None:
        def on_facts(facts: DeviceFacts) -> None:
            self._put(number, device, facts, complete=False)

        with self._slots:
            facts = self._probe(device, on_facts)
        self._put(number, device, facts, complete=True)

    def _put(self, number: int, device: Device, facts: DeviceFacts, *, complete: bool) -> None:
        self._results.put((number, device, facts, complete))
        self._wake()
