"""Docker engines: a client for those of devices, from API 1.22 on, and this machine's own engine.

`connect` returns an Engine, by TCP or through SSH, of a device that was verified as far as it is known;
`connect_unverified` one of anybody, to read what it is. Its answers are the records of `models`.
"""

from __future__ import annotations

from resin_toolkit.engine.connection import connect, connect_unverified
from resin_toolkit.engine.container_exec import ExecSession, Output
from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.models import APP_LABEL, SERVICE_LABEL, Container, ContainerDetails, EngineFacts
from resin_toolkit.engine.transport.raw_stream import RawStream

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
    "connect_unverified",
]
