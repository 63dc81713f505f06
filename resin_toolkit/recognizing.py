"""Knowing a device again at an address where it was before."""

from __future__ import annotations

import threading
from dataclasses import replace

from resin_toolkit.address import Way
from resin_toolkit.device import Device
from resin_toolkit.errors import ResinError
from resin_toolkit.remembered import Remembered

_WITHIN = 1.5


class Recognizing:
    """A look, in a thread that nobody waits for, at whether the device is where it was.

    It is, only where the engine there has the ID that is remembered, or the SSH server the host key.
    """

    def __init__(self, known: Remembered, device: Device) -> None:
        """`device` says which ports to try; its addresses do not count."""
        self.known = known
        self.succeeded = False
        self._device = replace(device, host=known.host, addresses=known.addresses)
        threading.Thread(target=self._look, name=f"recognize {known.host}", daemon=True).start()

    def _look(self) -> None:
        try:
            self.succeeded = self._by_engine() or self._by_key()
        except (ResinError, OSError):
            # Somebody else is there, or nobody: then it is not where it was, whatever the reason.
            self.succeeded = False

    def _by_engine(self) -> bool:
        from resin_toolkit.engine import connect

        if not self.known.engine_id:
            return False
        try:
            with connect(replace(self._device, way=Way.TCP), within=_WITHIN) as engine:
                return engine.facts.id == self.known.engine_id
        except ResinError:
            return False

    def _by_key(self) -> bool:
        from resin_toolkit.shell import connect
        from resin_toolkit.shell.host_keys import pinned_key

        pinned = pinned_key(self._device)
        if pinned is None or pinned.fingerprint != self.known.host_key:
            return False
        # Another key than the pinned one is refused before anybody logs in.
        with connect(self._device, within=_WITHIN) as shell:
            return shell.host_key.fingerprint == self.known.host_key
