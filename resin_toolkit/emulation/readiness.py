"""Whether what runs in the emulated machine answers already.

QEMU takes every connection to a port that it leads on, so that only what is said there counts.
"""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection, HTTPException
from typing import Any

from resin_toolkit.emulation.port_forwarding import LOOPBACK
from resin_toolkit.terminal.screen import clean

_PATIENCE = 1.0
_LONGEST = 64


def ssh_version(port: int) -> str | None:
    """What the SSH server behind a port calls itself: `OpenSSH_7.2`; None where none answers."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_PATIENCE) as connection:
            line = connection.recv(256).partition(b"\n")[0].decode(errors="replace").strip()
    except OSError:
        return None
    return clean(line.split("-", 2)[-1].partition(" ")[0])[:_LONGEST] if line.startswith("SSH-") else None


def engine_version(port: int) -> str | None:
    """The version of the engine behind a port; None where none answers."""
    connection = HTTPConnection(LOOPBACK, port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/version")
        answer = connection.getresponse()
        told: Any = json.loads(answer.read(65536)) if answer.status == 200 else None
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()
    version = told.get("Version") if isinstance(told, dict) and "ApiVersion" in told else None
    return clean(str(version))[:_LONGEST] if version is not None else None
