"""The engine of this workstation: where Docker's own client would look for it, or Podman's."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.engine.api_client import object_of
from resin_toolkit.engine.connection import open_engine
from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.models import one_line
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket, keep_alive
from resin_toolkit.engine.transport.transports import TcpTransport, UnixTransport
from resin_toolkit.errors import NotPermitted, NotSupported, Unreachable
from resin_toolkit.tcp import connect_any, endpoints

HERE = "this workstation"
_PATIENCE = 10.0
"""Seconds that it has for its first words: systemd may have to start it."""


@dataclass(frozen=True)
class _Wanted:
    """Where an engine should be, and who says so; empty if nobody does."""

    url: str = ""
    source: str = ""


def connect_local() -> Engine:
    """The engine of this workstation: that of DOCKER_HOST, of docker's context, or at a usual socket.

    Raises Unreachable where there is none, NotPermitted where this user may not use it, and NotSupported
    where its place is of a kind that is not known here.
    """
    wanted = _wanted()
    if wanted.url:
        return _named(wanted)
    failure: Unreachable | NotPermitted | None = None
    paths = _sockets()
    for path in filter(_is_socket, paths):
        try:
            return _by_socket(str(path))
        except (Unreachable, NotPermitted) as error:
            # It may be left behind by an engine that is no longer used; the next may be in its place.
            failure = failure or error
    raise failure or Unreachable(
        f"No container engine runs on {HERE}: there is neither {paths[0]} nor another of the usual sockets.",
        hint="Start Docker or Podman here, or let DOCKER_HOST say where one is.",
        cause="no-way",
    )


def _wanted() -> _Wanted:
    url = os.environ.get("DOCKER_HOST", "")
    return _Wanted(url, "DOCKER_HOST") if url else _context()


def _context() -> _Wanted:
    """What docker's current context says (`docker context use`)."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    name = os.environ.get("DOCKER_CONTEXT") or _read(folder / "config.json").get("currentContext")
    if not isinstance(name, str) or name in ("", "default"):
        return _Wanted()
    digest = hashlib.sha256(name.encode()).hexdigest()
    said = _read(folder / "contexts" / "meta" / digest / "meta.json")
    url = object_of(object_of(said, "Endpoints"), "docker").get("Host")
    return _Wanted(url, f"docker's context {one_line(name)}") if isinstance(url, str) else _Wanted()


def _read(path: Path) -> Mapping[str, object]:
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        # Then docker's settings say nothing about it.
        return {}
    return said if isinstance(said, dict) else {}


def _sockets() -> list[Path]:
    own = os.environ.get("XDG_RUNTIME_DIR")
    runtime = [Path(own)] if own else []
    return [
        Path("/var/run/docker.sock"),
        *(folder / "docker.sock" for folder in runtime),
        Path.home() / ".docker" / "run" / "docker.sock",
        *(folder / "podman" / "podman.sock" for folder in runtime),
        Path("/run/podman/podman.sock"),
    ]


def _named(wanted: _Wanted) -> Engine:
    scheme, _, rest = wanted.url.partition("://")
    if scheme == "unix" and rest:
        return _by_socket(rest)
    if scheme == "tcp" and not os.environ.get("DOCKER_TLS_VERIFY"):
        return _by_tcp(wanted)
    raise NotSupported(
        f"{wanted.source} leads to {one_line(wanted.url)}, and resin uses an engine of {HERE} only by a unix "
        "socket, or by TCP without TLS.",
        hint="Set DOCKER_HOST to unix:///PATH/OF/ITS/SOCKET.",
    )


def _is_socket(path: Path) -> bool:
    try:
        return path.is_socket()
    except OSError:
        # In a folder of somebody else.
        return False


def _by_socket(path: str) -> Engine:
    transport = UnixTransport(HERE, path)
    return open_engine(HERE, path, transport, transport.open(), time.monotonic() + _PATIENCE)


def _by_tcp(wanted: _Wanted) -> Engine:
    try:
        place = urlsplit(wanted.url)
        found = socket.getaddrinfo(place.hostname, place.port or 2375, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise Unreachable(
            f"{wanted.source} leads to {one_line(wanted.url)}, which is no host that can be found.",
            hint="Check its spelling.",
            cause="no-route",
        ) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    connection, reached = connect_any(HERE, endpoints(addresses, [int(found[0][4][1])]))
    keep_alive(connection)
    transport = TcpTransport(HERE, reached, AccessMethod.TCP)
    return open_engine(
        HERE, str(reached), transport, DeadlineSocket(connection), time.monotonic() + _PATIENCE
    )
