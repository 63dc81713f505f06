"""QEMU's machine protocol (QMP): JSON, an object a line; commands are answered, events come by themselves."""

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


class QmpClosed(Exception):
    """QEMU has ended the connection, and itself with it."""


@dataclass(frozen=True)
class QmpEvent:
    """Something that has next_event to the machine: SHUTDOWN, RESET."""

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
        """What it answers. Raises EmulatorFailed where it refuses, TimeoutError where it says nothing."""
        deadline = time.monotonic() + within
        said = {"execute": command, **({"arguments": arguments} if arguments else {})}
        try:
            self._connection.sendall(json.dumps(said).encode() + b"\n")
        except OSError as error:
            raise QmpClosed from error
        while True:
            answer = self._message(deadline)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                reason = answer["error"].get("desc", "")
                raise EmulatorFailed(
                    f"QEMU refuses {command}: {reason}", hint="Is it a newer QEMU than known?"
                )
            self._keep(answer)

    def event(self, within: float) -> QmpEvent | None:
        """The next thing that happens, None if nothing does within so many seconds."""
        deadline = time.monotonic() + within
        while not self._events:
            try:
                self._keep(self._message(deadline))
            except TimeoutError:
                return None
        return self._events.popleft()

    def close(self) -> None:
        self._connection.close()

    def _keep(self, message: Mapping[str, Any]) -> None:
        if "event" in message:
            self._events.append(QmpEvent(str(message["event"]), message.get("data") or {}))

    def _message(self, deadline: float) -> Any:
        while b"\n" not in self._received:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._connection], [], [], left)[0]:
                raise TimeoutError("QEMU says nothing")
            try:
                more = self._connection.recv(65536)
            except OSError as error:
                raise QmpClosed from error
            if not more:
                raise QmpClosed
            self._received += more
        line, _, self._received = self._received.partition(b"\n")
        return json.loads(line)
