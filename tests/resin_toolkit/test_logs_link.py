"""The connection that logs are read over: what is waited for, and what is not."""

from __future__ import annotations

import json

import pytest
from loopback_server import http, routes, serving

from resin_toolkit.address import Way
from resin_toolkit.device import Device
from resin_toolkit.engine import connect
from resin_toolkit.errors import Unreachable
from resin_toolkit.logs.link import Link


def answers(method: str, path: str) -> bytes:  # noqa: ARG001
    """Greets as an engine does, and lists no containers but an object."""
    return http(json.dumps({"ApiVersion": "1.41", "Version": "25", "ID": "x"}).encode())


def test_what_answers_as_no_engine_would_is_not_waited_for() -> None:
    told: list[object] = []
    with serving(routes(answers)) as place:
        device = Device("board.local", (place.address,), engine_ports=(place.port,), way=Way.TCP)
        link = Link(device, connect, lost=told.append, back=told.append)
        engine, number = link.engine()
        with pytest.raises(Unreachable) as asked:
            engine.containers(all=True)
        with pytest.raises(Unreachable) as caught:
            link.again(number, asked.value)
        link.close()
    assert caught.value is asked.value
    assert told == []
