"""Waiting until a device responds."""

from __future__ import annotations

import socket

import pytest

from resin_toolkit.device.address import parse_address
from resin_toolkit.device.record import Device
from resin_toolkit.errors import ResinError, Unreachable
from resin_toolkit.reach import readiness
from resin_toolkit.reach.readiness import check_reachable, wait_until_ready


def closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def test_an_open_port_is_reachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_reachable(
            Device("lamp", ("127.0.0.1",), ssh_port=server.getsockname()[1], engine_ports=(closed_port(),))
        )


def test_attempts_are_repeated_and_the_last_error_is_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_RETRY_INTERVAL", 0.01)
    failures: list[tuple[float, ResinError]] = []
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1 did not respond within 1\.5 s: ") as caught:
        wait_until_ready(
            parse_address(f"127.0.0.1:{closed_port()}"),
            within=1.5,
            ssh_port=closed_port(),
            on_failure=lambda seconds, error: failures.append((seconds, error)),
        )
    assert caught.value.facts["cause"] == "refused"
    assert isinstance(caught.value.__cause__, Unreachable)
    assert failures
