"""The engine of a device: connected by its own port or through SSH, from API 1.22 on.

`connect` gives an Engine; what it knows comes as the records of `model`. The engine's API is spoken
here, by no library.
"""

from __future__ import annotations

from resin_toolkit.engine.connection import connect
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
]
