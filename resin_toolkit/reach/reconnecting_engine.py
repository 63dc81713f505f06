"""A connection to a device's engine that reconnects whenever it is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event, Lock

from resin_toolkit.device.address import Address
from resin_toolkit.device.record import Device
from resin_toolkit.engine import Engine
from resin_toolkit.errors import (
    DeviceAmbiguous,
    DeviceNotFound,
    EngineFailed,
    HostKeyUnverified,
    Refused,
    ResinError,
    Unreachable,
)

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds between two attempts, doubled each time."""
_STABLE_AFTER = 2.0
"""Seconds after which a connection is considered stable."""
_MAX_FAILURES = 10
"""Connections in a row that are lost without any progress, where patience is limited."""
NOT_AN_ENGINE = "not-an-engine"
"""The `cause` of Unreachable if what responded is not an engine."""

Connect = Callable[[Device], Engine]


class ConnectionClosed(Exception):
    """The connection was closed during a wait."""


class ReconnectingEngine:
    """A device's engine, reconnected when the connection fails. All methods are thread-safe.

    `lost` is called with the error each time the connection fails, `back` with the seconds until it was back.
    `patience` is how many seconds to wait for the device; None is forever.
    """

    def __init__(
        self,
        device: Device,
        connect: Connect,
        *,
        lost: Callable[[ResinError], None],
        back: Callable[[float], None],
        patience: float | None = None,
    ) -> None:
        self._device = device
        self._connect = connect
        self._lost = lost
        self._back = back
        self._patience = patience
        self._has_answered = False
        self._closed = Event()
        self._lock = Lock()
        self._engine = connect(device)
        self._number = 0
        self._connected_at = self._failing_since = time.monotonic()
        self._pause = 0.0
        self._failures = 0
        self._identity = self._engine.facts.id
        self.containers: set[str] = set()
        """The IDs of containers known to be on the device; another device has none of them."""

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def engine(self) -> tuple[Engine, int]:
        """The engine, and the number of its connection. Raises ConnectionClosed."""
        with self._lock:
            if self.closed:
                raise ConnectionClosed
            return self._engine, self._number

    def progress(self) -> None:
        """Note that the engine has answered a request."""
        self._failures = 0
        self._has_answered = True

    def reconnect(self, number: int, cause: ResinError) -> None:
        """Replace connection `number`, which failed with `cause`; returns once there is a new one.

        Raises ConnectionClosed; Refused if a different device answers now; the last error once `patience` is
        over; and `cause` itself if what responded is not an engine, or does not respond and never has. Where
        patience is limited, it also raises `cause` if the engine does not respond any more, or if ten
        connections in a row were lost without `progress`.
        """
        with self._lock:
            if self.closed:
                raise ConnectionClosed
            if number != self._number:
                return
            if cause.facts.get("cause") == NOT_AN_ENGINE:
                # Reconnecting would get the same answer, at once and forever.
                raise cause
            self._failures += 1
            is_hung = cause.facts.get("cause") == "no-answer"
            if is_hung and not self._has_answered:
                raise cause
            if self._patience is not None and (is_hung or self._failures > _MAX_FAILURES):
                raise cause
            self._lost(cause)
            started = time.monotonic()
            self._engine.close()
            self._back_off(started, cause)
            self._engine = self._retry(self._failing_since)
            self._connected_at = time.monotonic()
            self._number += 1
            self._back(self._connected_at - started)

    def pause(self, seconds: float) -> None:
        """Sleep. Raises ConnectionClosed as soon as the connection is closed."""
        if self._closed.wait(seconds):
            raise ConnectionClosed

    def close(self) -> None:
        """Close the connection and end all waits."""
        self._closed.set()
        with self._lock:
            self._engine.close()

    def _back_off(self, now: float, cause: ResinError) -> None:
        """Sleep if connections fail as soon as they are made. Raises `cause` when patience ends."""
        if now - self._connected_at > _STABLE_AFTER:
            self._failing_since, self._pause = now, 0.0
            return
        if self._patience is not None and now - self._failing_since > self._patience:
            raise cause
        self.pause(self._pause)
        self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)

    def _retry(self, started: float) -> Engine:
        pause = FIRST_PAUSE
        while True:
            if self.closed:
                raise ConnectionClosed
            try:
                return self._attempt()
            except (Unreachable, DeviceNotFound, EngineFailed, HostKeyUnverified) as error:
                if self._patience is not None and time.monotonic() - started > self._patience:
                    raise error
            self.pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _attempt(self) -> Engine:
        """Connect to the engine at the known addresses, or where its name resolves to now."""
        try:
            engine = self._connect(self._device)
        except (HostKeyUnverified, Unreachable) as error:
            return self._attempt_elsewhere(error)
        if self._is_same(engine):
            return engine
        engine.close()
        return self._attempt_elsewhere(self._different_device())

    def _attempt_elsewhere(self, failure: ResinError) -> Engine:
        from resin_toolkit.reach.resolver import resolve_device

        try:
            found = resolve_device(
                Address(self._device.host), ssh_port=self._device.ssh_port, host_key=self._device.host_key
            )
        except (DeviceAmbiguous, DeviceNotFound):
            raise failure from None
        if set(found.addresses) <= set(self._device.addresses):
            raise failure
        device = replace(self._device, addresses=found.addresses)
        engine = self._connect(device)
        if not self._is_same(engine):
            engine.close()
            raise self._different_device()
        self._device = device
        return engine

    def _is_same(self, engine: Engine) -> bool:
        if engine.facts.id and engine.facts.id == self._identity:
            return True
        present = {container.id for container in engine.containers(all=True)}
        return bool(present & self.containers)

    def _different_device(self) -> Refused:
        return Refused(
            f"A different device now answers as {self._device.host}: its engine ID differs and none of "
            "the containers exists there.",
            hint="If the device was flashed again, run the command again.",
        )
