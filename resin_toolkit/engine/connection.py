"""Connecting to the engine of a device: to its own port, or else through SSH."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.cache import cache_contact, cached_device
from resin_toolkit.device.record import Device
from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.insecure_warning import insecure_warning
from resin_toolkit.engine.tcp_permission import Agree, agree_to_tcp, is_tcp_permitted
from resin_toolkit.engine.transport.connection_pool import ConnectionPool
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket
from resin_toolkit.engine.transport.ssh_transport import open_ssh_transport
from resin_toolkit.engine.transport.transports import EngineTransport, TcpTransport
from resin_toolkit.engine.version_negotiation import NegotiatedVersion, negotiate_version
from resin_toolkit.errors import HostKeyChanged, HostKeyUnverified, Notice, ResinError, Unreachable
from resin_toolkit.ssh.host_keys import expected_fingerprint
from resin_toolkit.tcp import PATIENCE, Endpoint, connect_any, endpoints, keep_alive

_CONNECT_TIMEOUT = 2.0
"""Seconds for opening a connection: a lost first packet is sent again after one. A dead device has to be
reported within three, of which a busy workstation needs one to start and end a program."""
_LAST_STEP = 0.5
"""Seconds that the negotiation has in any case, so that a connection made late is not given up at once."""
_MORE_ADDRESSES = 2.0
"""Seconds after the deadline in which the remaining addresses and ports are still tried."""
_VERIFY_TIMEOUT = 6.0
"""Seconds after which no further address is verified: an answer may list any number."""
_INFO_TIMEOUT = 8.0
"""Seconds for the first request to an engine that has answered before, and may be slow."""


def connect(
    device: Device,
    *,
    within: float = PATIENCE,
    ask: Callable[[str], str] | None = None,
    warn: Callable[[Notice], object] | None = None,
    tell: Callable[[str], object] | None = None,
    agree: Agree | None = None,
) -> Engine:
    """Connect to the engine of `device`: by TCP if it listens, else through SSH. What answers is remembered.

    The access method of the device may require one of the two. A device whose host key is known has to prove
    it, by SSH or before plain TCP is used; `tcp_permission` says when. `ask` prompts for what an SSH server
    asks, without echo; `warn` gets warnings, `tell` the news that an SSH host key is new; `agree` asks
    whether to use plain TCP without verification.

    Raises Unreachable after about `within` seconds (causes refused, no-answer, no-route, not-an-engine, tls;
    no-way if there is no engine behind SSH), EngineFailed if its API version is not supported, what
    `ssh.connect` raises, and HostKeyUnverified.
    """
    options = _Options(ask, tell)
    try:
        engine, endpoint = _connect(device, within, options)
    except HostKeyUnverified as refusal:
        agree_to_tcp(device, refusal, agree)
        engine, endpoint = _connect(device, within, options)
    with ExitStack() as on_failure:
        on_failure.callback(engine.close)
        notices = note_contact(device, endpoint.address if endpoint else "", engine.facts.id)
        if warn:
            insecure = insecure_warning(device.host, endpoint, engine.facts) if endpoint else None
            for notice in (*notices, *([insecure] if insecure else ())):
                warn(notice)
        on_failure.pop_all()
    return engine


def connect_unverified(device: Device, *, within: float = PATIENCE) -> Engine:
    """Connect to the engine of `device` to find out what it is: nothing is verified, pinned or remembered.

    Whoever answers learns the requests that are sent. Raises as `connect`.
    """
    return _connect(device, within, _Options(probing=True))[0]


@dataclass(frozen=True)
class _Options:
    ask: Callable[[str], str] | None = None
    tell: Callable[[str], object] | None = None
    probing: bool = False


def _connect(device: Device, within: float, options: _Options) -> tuple[Engine, Endpoint | None]:
    """The engine, and its endpoint if it was reached by TCP."""
    deadline = time.monotonic() + within
    if device.access_method is AccessMethod.SSH or not device.addresses:
        return _connect_through_ssh(device, deadline, options), None
    failure: Unreachable | None = None
    refusal: HostKeyChanged | HostKeyUnverified | None = None
    left = _candidates(device)
    while left:
        try:
            connection, endpoint = connect_any(device.host, left, within=_time_left(deadline))
        except Unreachable as error:
            raise refusal or failure or error from error
        if endpoint.port not in device.engine_ports:
            connection.close()
            return _connect_through_ssh(device, deadline, options), None
        keep_alive(connection)
        if not options.probing:
            started = time.monotonic()
            try:
                if not is_tcp_permitted(device, endpoint.address):
                    connection.close()
                    return _connect_through_ssh(device, deadline + _VERIFY_TIMEOUT, options), None
            except (HostKeyChanged, HostKeyUnverified) as error:
                connection.close()
                refusal = error if refusal is None or isinstance(error, HostKeyChanged) else refusal
                if time.monotonic() > deadline + _VERIFY_TIMEOUT:
                    raise refusal from error
                left = [other for other in left if other.address != endpoint.address]
                continue
            except ResinError:
                connection.close()
                raise
            deadline += time.monotonic() - started
        try:
            return _connect_by_tcp(device, endpoint, DeadlineSocket(connection), deadline), endpoint
        except Unreachable as error:
            failure = failure or error
            if time.monotonic() > deadline + _MORE_ADDRESSES:
                break
            left = [other for other in left if other != endpoint]
    raise refusal or failure or Unreachable(f"{device.host} has no address.", cause="no-route")


def _candidates(device: Device) -> list[Endpoint]:
    """The ports of the engine at each address, and then SSH's if it may serve instead."""
    ports = (
        device.engine_ports
        if device.access_method is AccessMethod.TCP
        else (*device.engine_ports, device.ssh_port)
    )
    return endpoints(device.addresses, ports)


def _connect_by_tcp(
    device: Device, endpoint: Endpoint, connection: DeadlineSocket, deadline: float
) -> Engine:
    transport = TcpTransport(device.host, endpoint)
    return open_engine(device.host, str(endpoint), transport, connection, deadline)


def _connect_through_ssh(device: Device, deadline: float, options: _Options) -> Engine:
    transport, connection, negotiated = open_ssh_transport(
        device, _time_left(deadline), options.ask, options.tell, pin=not options.probing
    )
    return _engine(device.host, transport, connection, negotiated)


def note_contact(device: Device, address: str, engine_id: str) -> list[Notice]:
    """Remember where `device` was reached, after it was verified; the notice if its engine is another one.

    An address is empty through a jump host, and an engine ID if it is unknown. Raises StateDamaged.
    """
    before = cached_device(device.host)
    # A folder that cannot be written is no reason to warn at each command: less is recognized then.
    cache_contact(device.host, address, engine_id)
    known = before.engine_id if before else None
    if not known or not engine_id or known == engine_id or expected_fingerprint(device):
        return []
    return [
        Notice(
            "engine-changed",
            f"The engine of {device.host} has another ID than last time. If the device was not flashed or "
            "reset, another one may be answering to its name.",
        )
    ]


def open_engine(
    host: str, where: str, transport: EngineTransport, connection: DeadlineSocket, deadline: float
) -> Engine:
    """Open the engine behind `connection`, the first one of `transport`. Raises as `negotiate_version`."""
    with ExitStack() as on_failure:
        on_failure.callback(connection.close)
        timeout = max(deadline, time.monotonic() + _LAST_STEP)
        negotiated = negotiate_version(host, where, connection, timeout)
        on_failure.pop_all()
    return _engine(host, transport, connection, negotiated)


def _engine(
    host: str, transport: EngineTransport, connection: DeadlineSocket, negotiated: NegotiatedVersion
) -> Engine:
    connections = ConnectionPool(host, transport)
    connections.add(connection)
    with ExitStack() as on_failure:
        on_failure.callback(connections.close)
        engine = Engine(connections, negotiated, within=_INFO_TIMEOUT)
        on_failure.pop_all()
    return engine


def _time_left(deadline: float) -> float:
    return round(max(0.1, min(_CONNECT_TIMEOUT, deadline - time.monotonic())), 1)
