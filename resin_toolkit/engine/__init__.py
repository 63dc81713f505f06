"""The engine of a device: connected by its own port or through SSH, from API 1.22 on.

`connect` gives an Engine; what it knows comes as the records of `model`. This package is the only place that
knows docker, requests and urllib3, and they are loaded by `open_client` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resin_toolkit.engine.connection import connect
from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.executed import ExecSession, Output
from resin_toolkit.engine.model import APP_LABEL, SERVICE_LABEL, Container, ContainerDetails, EngineFacts
from resin_toolkit.engine.raw_stream import RawStream

if TYPE_CHECKING:
    from docker.api.client import APIClient

__all__ = [
    "APP_LABEL",
    "SERVICE_LABEL",
    "Container",
    "ContainerDetails",
    "Engine",
    "EngineFacts",
    "ExecSession",
    "Output",
    "RawStream",
    "connect",
    "open_client",
]


def open_client(engine: Engine, *, timeout: int = 60) -> APIClient:
    """Docker's low-level client on the connection of `engine`, to be closed by the caller, before it."""
    from resin_toolkit.engine.sdk import Client

    return Client(engine.connections, engine.api_version, timeout)
