"""Where the socket of a device's own engine lies, for services that ask for it."""

from __future__ import annotations

from resin_toolkit.engine import EngineFacts

DOCKER, BALENA = "/var/run/docker.sock", "/var/run/balena-engine.sock"


def engine_socket_path(facts: EngineFacts) -> str:
    """The path on the device: balena's engine has another one, and its OS, or its version, says balena."""
    said = f"{facts.operating_system} {facts.version}".lower()
    return BALENA if "balena" in said else DOCKER
