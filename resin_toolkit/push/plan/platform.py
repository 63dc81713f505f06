"""The platform of a device: its board, its architecture, and where its engine's socket is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from resin_toolkit.device.types import device_type, os_architecture
from resin_toolkit.engine import Engine, EngineFacts
from resin_toolkit.errors import BadValue

_DOCKER_SOCKET, _BALENA_SOCKET = "/var/run/docker.sock", "/var/run/balena-engine.sock"


@dataclass(frozen=True)
class Platform:
    """`machines` are the names of the board, its own first; empty if only the engine is known."""

    machines: tuple[str, ...]
    arch: str
    """As the OS names it, such as armv7hf."""

    @property
    def machine(self) -> str:
        """The board's own name; empty if it is unknown."""
        return self.machines[0] if self.machines else ""


def detect_platform(engine: Engine, device_type_name: str, detect_type: Callable[[], str]) -> Platform:
    """The platform of the device type with this name, else of the one that `detect_type` returns.

    If both are empty, only the architecture of the engine is known. Raises BadValue for an unknown name.
    """
    arch = os_architecture(engine.facts.architecture)
    if device_type_name:
        known = device_type(device_type_name)
        return Platform((known.slug, *known.aliases), known.arch)
    slug = detect_type()
    if not slug:
        return Platform((), arch)
    try:
        known = device_type(slug)
    except BadValue:
        # A board that is newer than the table, or a custom one.
        return Platform((slug,), arch)
    return Platform(tuple(dict.fromkeys((slug, known.slug, *known.aliases))), known.arch)


def is_device_os(facts: EngineFacts) -> bool:
    """Whether the engine says that it runs on resinOS, which also calls itself `Resin OS`, or on balenaOS."""
    name = "".join(facts.operating_system.lower().split())
    return name.startswith(("resinos", "balenaos"))


def engine_socket_path(facts: EngineFacts) -> str:
    """The path of the engine's socket on the device; that of balenaEngine differs from docker's."""
    names = f"{facts.operating_system} {facts.version}".lower()
    return _BALENA_SOCKET if "balena" in names else _DOCKER_SOCKET
