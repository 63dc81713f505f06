"""Requests to an engine: over connections that are used again, from any thread, failures put into words."""

from __future__ import annotations

from collections import deque
from http.client import HTTPResponse
from typing import Any

from resin_toolkit.engine.http import (
    NETWORK_ERRORS,
    Answer,
    NotJson,
    exchange,
    later,
    parse_json,
    receive,
    send,
)
from resin_toolkit.engine.links import Link
from resin_toolkit.engine.model import one_line
from resin_toolkit.engine.wire import Wire, connection_lost
from resin_toolkit.errors import EngineFailed, ResinError, ServiceNotFound, Unreachable

PATIENCE = 60.0
"""Seconds that an engine has for an answer: a board with a worn card is slow."""
LIMIT = 64 * 1024 * 1024
"""Bytes that an answer may have: far more than a list of a thousand containers."""
_ERROR_LIMIT = 64 * 1024
_UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}


class Connections:
    """Requests to the engine at the end of `link`; every method may be called from any thread."""

    def __init__(self, host: str, link: Link) -> None:
        self.host = host
        self.link = link
        self._idle: deque[Wire] = deque()

    def give_back(self, wire: Wire) -> None:
        """Keep a connection whose last answer was read to its end for the next request."""
        self._idle.append(wire)

    def call(self, method: str, path: str, content: object = None, *, within: float = PATIENCE) -> Any:
        """The JSON that the engine answers with; None where it answers with nothing.

        Raises ServiceNotFound where it has no such container, EngineFailed with its own words where it
        refuses, and Unreachable where the connection breaks.
        """
        answer = self._exchange(method, path, content, within)
        if answer.status >= 300:
            raise refusal(self.host, answer.status, answer.body)
        if not answer.body.strip():
            return None
        try:
            return parse_json(answer.body)
        except NotJson as error:
            raise strange_answer(self.host) from error

    def stream(self, path: str) -> tuple[Wire, HTTPResponse]:
        """A GET whose answer is read bit by bit; no read is limited in time. Raises as `call` does."""
        return self._begun("GET", path, None)

    def upgraded(self, path: str, content: object) -> tuple[Wire, HTTPResponse]:
        """A POST after which the connection carries bytes both ways; nothing of them is read ahead."""
        return self._begun("POST", path, content, upgrade=True)

    def close(self) -> None:
        """End the idle connections and the way to the engine; what is open ends with its own `close`."""
        while self._idle:
            self._idle.pop().close()
        self.link.close()

    def _exchange(self, method: str, path: str, content: object, within: float) -> Answer:
        """One request; sent again over a new connection where an old one turns out to have ended."""
        deadline = later(within)
        wire = self._kept()
        while True:
            was_kept = wire is not None
            wire = wire or self.link.open()
            try:
                answer = exchange(wire, method, path, content, deadline=deadline, limit=LIMIT)
            except NETWORK_ERRORS as error:
                wire.close()
                if was_kept and method == "GET" and not isinstance(error, TimeoutError):
                    wire = None
                    continue
                raise connection_lost(self.host, error) from error
            except BaseException:
                wire.close()
                raise
            self._keep(wire, answer)
            return answer

    def _kept(self) -> Wire | None:
        while True:
            try:
                wire = self._idle.pop()
            except IndexError:
                return None
            if wire.is_idle():
                return wire
            wire.close()

    def _keep(self, wire: Wire, answer: Answer) -> None:
        if answer.reusable:
            self._idle.append(wire)
        else:
            wire.close()

    def _begun(
        self, method: str, path: str, content: object, *, upgrade: bool = False
    ) -> tuple[Wire, HTTPResponse]:
        wire = self.link.open()
        response = None
        try:
            wire.deadline = later(PATIENCE)
            if upgrade:
                wire.buffer_size = 1
            send(wire, method, path, content, _UPGRADE if upgrade else None)
            response = receive(wire, method)
            if response.status >= 300:
                wire.budget = _ERROR_LIMIT
                raise refusal(self.host, response.status, response.read())
            wire.unlimited()
        except BaseException as error:
            if response is not None:
                response.close()
            wire.close()
            if isinstance(error, NETWORK_ERRORS):
                raise connection_lost(self.host, error) from error
            raise
        return wire, response


def refusal(host: str, status: int, body: bytes) -> ResinError:
    """The failure that an engine's answer with an error status stands for, in the engine's own words.

    Since API 1.24 they come as JSON, before as plain text.
    """
    try:
        said = parse_json(body)
    except NotJson:
        said = body.decode(errors="replace")
    if isinstance(said, dict):
        said = said.get("message")
    words = one_line(" ".join(said.split()) if isinstance(said, str) else "", 500).rstrip(".")
    if status == 404 and "no such" in words.lower():
        return ServiceNotFound(
            f"{host}: {words}.", hint="`resin ps --all` lists what is there.", status=status
        )
    return EngineFailed(
        f"The engine of {host} refuses: {words or f'HTTP status {status}'}.",
        hint="The words are the engine's own; `resin ssh` lets you look on the device.",
        status=status,
    )


def strange_answer(host: str) -> Unreachable:
    """Where JSON was due and something else came."""
    return Unreachable(
        f"{host} answers as no engine would.",
        hint="Does something else listen on that port, or is there a proxy between?",
        cause="not-an-engine",
    )
