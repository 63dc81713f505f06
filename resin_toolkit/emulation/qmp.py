"""QEMU's machine protocol (QMP): one JSON object per line; commands are answered, events arrive unasked.

The format: docs/interop/qmp-spec.rst in QEMU's source.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resin_toolkit.errors import EmulatorFailed
from resin_toolkit.untrusted_json import object_of, text


class QmpClosed(Exception):
    """QEMU has closed the connection because it exits."""


@dataclass(frozen=True)
class QmpEvent:
    """Something that happened in the machine, such as SHUTDOWN or RESET."""

    name: str
    data: Mapping[str, Any]


class QmpConnection:
    """The connection to one QEMU; for one thread. Every method raises QmpClosed once QEMU is gone."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""
        self._events: deque[QmpEvent] = deque()

    def negotiate(self, within: float) -> None:
        """Read the greeting and negotiate capabilities. Raises TimeoutError."""
        deadline = time.monotonic() + within
        while "QMP" not in self._message(deadline):
            continue
        self.execute("qmp_capabilities", within=within)

    def execute(self, command: str, *, within: float = 10.0, **arguments: object) -> Any:
        """Run a command and return its result. Raises EmulatorFailed if QEMU refuses, and TimeoutError."""
        deadline = time.monotonic() + within
        request = {"execute": command, **({"arguments": arguments} if arguments else {})}
        try:
            self._connection.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise QmpClosed from error
        while True:
            answer = self._message(deadline)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                reason = text(object_of(answer, "error"), "desc")
                raise EmulatorFailed(
                    f"QEMU rejected the command {command}: {reason}",
                    hint="This QEMU may be newer than this version of resin supports.",
                )
            self._store(answer)

    def wait(self, seconds: float) -> None:
        """Return once something has arrived that is not read yet, at the latest after `seconds`.

        An exception raised by a signal handler meanwhile loses nothing that arrives.
        """
        if not self._events and b"\n" not in self._received:
            select.select([self._connection], [], [], seconds)

    def next_event(self) -> QmpEvent | None:
        """Return an event that has arrived; None if there is none. Does not block."""
        while not self._events:
            try:
                self._store(self._message(time.monotonic()))
            except TimeoutError:
                return None
        return self._events.popleft()

    def close(self) -> None:
        self._connection.close()

    def _store(self, message: Mapping[str, Any]) -> None:
        if "event" in message:
            self._events.append(QmpEvent(str(message["event"]), object_of(message, "data")))

    def _message(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._received:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._connection], [], [], left)[0]:
                raise TimeoutError("QEMU does not respond")
            try:
                more = self._connection.recv(65536)
            except OSError as error:
                raise QmpClosed from error
            if not more:
                raise QmpClosed
            self._received += more
        line, _, self._received = self._received.partition(b"\n")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise EmulatorFailed(
                "QEMU's control socket sent something that is not a message.",
                hint="Start the emulator again.",
            )
        return message
