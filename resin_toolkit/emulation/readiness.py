"""Probes of the services in an emulated machine.

QEMU accepts every connection to a forwarded port, so only a response shows that a service is up.
"""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection, HTTPException
from typing import Any

from resin_toolkit.emulation.port_forwarding import LOOPBACK
from resin_toolkit.terminal.screen import clean

_TIMEOUT = 1.0
_MAX_LENGTH = 64


def ssh_version(port: int) -> str | None:
    """Return the version of the SSH server at a local port, such as `OpenSSH_7.2`; None without one."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_TIMEOUT) as connection:
            line = connection.recv(256).partition(b"\n")[0].decode(errors="replace").strip()
    except OSError:
        return None
    return clean(line.split("-", 2)[-1].partition(" ")[0])[:_MAX_LENGTH] if line.startswith("SSH-") else None


def engine_version(port: int) -> str | None:
    """Return the version of the engine at a local port; None without one."""
    connection = HTTPConnection(LOOPBACK, port, timeout=_TIMEOUT)
    try:
        connection.request("GET", "/version")
        response = connection.getresponse()
        about: Any = json.loads(response.read(65536)) if response.status == 200 else None
    except (OSError, HTTPException, ValueError, RecursionError):
        return None
    finally:
        connection.close()
    version = about.get("Version") if isinstance(about, dict) and "ApiVersion" in about else None
    return clean(str(version))[:_MAX_LENGTH] if version is not None else None
