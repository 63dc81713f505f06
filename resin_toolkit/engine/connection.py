"""Reaching a device's engine: its own port, else through SSH; or the reason why neither can be had."""

from __future__ import annotations

import time
from collections.abc import Callable

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.record import Device
from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.insecure_warning import insecure_warning
from resin_toolkit.engine.transport.connection_pool import ConnectionPool
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket
from resin_toolkit.engine.transport.ssh_transport import open_ssh_transport
from resin_toolkit.engine.transport.transports import EngineTransport, TcpTransport
from resin_toolkit.engine.version_negotiation import NegotiatedVersion, negotiate_version
from resin_toolkit.errors import Notice, Unreachable
from resin_toolkit.tcp import PATIENCE, Endpoint, connect_any, endpoints, keep_alive

_CONNECTING = 2.0
"""Seconds that opening a connection may take: a lost first packet is sent again after one. It leaves a busy
workstation a second of the three within which a dead device is to be told of, to start and end a program."""
_GRACE = 0.5
"""Seconds that the last step has in any case, so that a connection made late is not given up at once."""
_INFO = 15.0
"""Seconds for what an engine says of itself: once it has open_engine, it is there, and may be slow."""


def connect(
    device: Device,
    *,
    within: float = PATIENCE,
    ask: Callable[[str], str] | None = None,
    warn: Callable[[Notice], object] | None = None,
    tell: Callable[[str], object] | None = None,
) -> Engine:
    """The engine of `device`: by TCP where it listens, else through SSH, unless the device's way says which.

    `ask` is asked for what an SSH server wants to know, without echo; `warn` is told what the user should
    know, `tell` of an SSH host key that is new. Raises Unreachable within about `within` seconds (causes
    refused, no-answer, no-route, not-an-engine, tls; no-way where SSH leads to no engine), EngineFailed where
    its version is not served, and what `shell.connect` raises.
    """
    deadline = time.monotonic() + within
    if device.access_method is AccessMethod.SSH or not device.addresses:
        return _through_ssh(device, deadline, ask, tell)
    failure: Unreachable | None = None
    left = _places(device)
    while left:
        try:
            connection, place = connect_any(device.host, left, within=_within(deadline))
        except Unreachable as error:
            raise failure or error from error
        if place.port not in device.engine_ports:
            connection.close()
            return _through_ssh(device, deadline, ask, tell)
        keep_alive(connection)
        try:
            return _by_tcp(device, place, DeadlineSocket(connection), deadline, warn)
        except Unreachable as error:
            failure = failure or error
            left = [other for other in left if other != place]
    raise failure or Unreachable(f"{device.host} has no address.", cause="no-route")


def _places(device: Device) -> list[Endpoint]:
    """Where to try: the engine's ports, and behind them SSH's where it may serve instead."""
    ports = (
        device.engine_ports
        if device.access_method is AccessMethod.TCP
        else (*device.engine_ports, device.ssh_port)
    )
    return endpoints(device.addresses, ports)


def _by_tcp(
    device: Device,
    place: Endpoint,
    wire: DeadlineSocket,
    deadline: float,
    warn: Callable[[Notice], object] | None,
) -> Engine:
    transport = TcpTransport(device.host, place)
    engine = open_engine(device.host, str(place), transport, wire, deadline)
    notice = insecure_warning(device.host, place, engine.facts) if warn else None
    if warn and notice:
        warn(notice)
    return engine


def _through_ssh(
    device: Device,
    deadline: float,
    ask: Callable[[str], str] | None,
    tell: Callable[[str], object] | None,
) -> Engine:
    transport, wire, negotiated = open_ssh_transport(device, _within(deadline), ask, tell)
    return _engine(device.host, transport, wire, negotiated)


def open_engine(
    host: str, where: str, transport: EngineTransport, wire: DeadlineSocket, deadline: float
) -> Engine:
    """Open the engine behind `wire`, the first connection of `transport`. Raises as `negotiate_version`."""
    try:
        negotiated = negotiate_version(host, where, wire, max(deadline, time.monotonic() + _GRACE))
    except BaseException:
        wire.close()
        raise
    return _engine(host, transport, wire, negotiated)


def _engine(
    host: str, transport: EngineTransport, wire: DeadlineSocket, negotiated: NegotiatedVersion
) -> Engine:
    connections = ConnectionPool(host, transport)
    connections.give_back(wire)
    try:
        return Engine(connections, negotiated, within=_INFO)
    except BaseException:
        connections.close()
        raise


def _within(deadline: float) -> float:
    return round(max(0.1, min(_CONNECTING, deadline - time.monotonic())), 1)
