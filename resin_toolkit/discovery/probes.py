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
    """The running probes, at most eight at once, in daemon threads."""

    def __init__(self, probe: Probe, wake: Callable[[], None]) -> None:
        self._probe = probe
        self._wake = wake
        self._results: queue.SimpleQueue[tuple[int, Device, DeviceFacts, bool]] = queue.SimpleQueue()
        self._waiting: dict[int, Device] = {}
        """The devices to probe, by number; of a device whose addresses changed meanwhile, the last state."""
        self._threads = 0
        self._lock = threading.Lock()
        self.running = 0

    def start(self, number: int, device: Device) -> None:
        with self._lock:
            if number not in self._waiting:
                self.running += 1
            self._waiting[number] = device
            if self._threads == _MAX_CONCURRENT:
                return
            self._threads += 1
        threading.Thread(target=self._run_waiting, name="probe", daemon=True).start()

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

    def _run_waiting(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                number = next(iter(self._waiting))
                device = self._waiting.pop(number)
            self._run(number, device)

    def _run(self, number: int, device: Device) -> None:
        def on_facts(facts: DeviceFacts) -> None:
            self._put(number, device, facts, complete=False)

        facts = self._probe(device, on_facts)
        self._put(number, device, facts, complete=True)

    def _put(self, number: int, device: Device, facts: DeviceFacts, *, complete: bool) -> None:
        self._results.put((number, device, facts, complete))
        self._wake()
