"""The services of a project and what they use.

`resin.toml` (one service) and compose files (several) are read into these records, and `resin_toolkit.push`
creates containers from them. Unless stated otherwise, paths are absolute local paths, and times are in
seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from resin_toolkit.errors import Notice

RESTART_POLICIES = "no, always, unless-stopped, on-failure or on-failure:N"
_RESTART_POLICY = re.compile(r"no|always|unless-stopped|on-failure(:[0-9]+)?")


def is_restart_policy(text: str) -> bool:
    """Whether `text` is one of RESTART_POLICIES, as compose and `docker run --restart` write them."""
    return _RESTART_POLICY.fullmatch(text) is not None


class DependencyCondition(StrEnum):
    """The state that a service waits for in a dependency."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


class WatchAction(StrEnum):
    """What happens when a watched file changes."""

    SYNC = "sync"
    SYNC_RESTART = "sync+restart"
    RESTART = "restart"
    REBUILD = "rebuild"


@dataclass(frozen=True)
class Build:
    """How the image of a service is built."""

    context: Path
    """The folder of the build context."""
    dockerfile: str | None = None
    """Relative to the context; if None, `choose_dockerfile` chooses."""
    target: str = ""
    """The stage to build; the last one if empty."""
    args: Mapping[str, str] = field(default_factory=dict)
    cache_from: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    network: str = ""
    """The network mode of RUN instructions, as for `docker build --network`."""


@dataclass(frozen=True)
class Mount:
    """A mount at the path `target` in the container.

    `source` is a path on the device, the name of a volume (a key of `Application.volumes`, or an existing
    one), or empty for an anonymous volume and for kind `tmpfs`.
    """

    kind: str
    """bind, volume or tmpfs."""
    target: str
    source: str = ""
    read_only: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    """`propagation` of a bind, `nocopy` ("true") of a volume, `size` (bytes) and octal `mode` of a tmpfs."""


@dataclass(frozen=True)
class Port:
    """A port of the container that the device publishes."""

    container: int
    host: int | None = None
    """None if the engine chooses it."""
    protocol: str = "tcp"
    host_ip: str = ""


@dataclass(frozen=True)
class NetworkUse:
    """The connection of a service to a network of `Application.networks`."""

    aliases: tuple[str, ...] = ()
    ipv4: str = ""
    ipv6: str = ""


@dataclass(frozen=True)
class HealthCheck:
    """As in Docker's HEALTHCHECK; `test` begins with CMD, CMD-SHELL or NONE. Zero means the default."""

    test: tuple[str, ...]
    interval: float = 0.0
    timeout: float = 0.0
    retries: int = 0
    start_period: float = 0.0


@dataclass(frozen=True)
class WatchRule:
    """What happens when a file in `path` changes (`develop.watch` of compose)."""

    action: WatchAction
    path: Path
    target: str = ""
    """A path in the container."""
    ignore: tuple[str, ...] = ()
    include: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeviceNode:
    """A device file of the host that the container can access."""

    host: str
    container: str
    permissions: str = "rwm"


@dataclass(frozen=True)
class Service:
    """One container of an application. None and empty mean the image's value or the engine's default."""

    name: str
    build: Build | None = None
    image: str | None = None
    """A reference; if the service is built, an additional tag of its image."""
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    networks: Mapping[str, NetworkUse] = field(default_factory=dict)
    """By the key in `Application.networks`; not together with `network_mode`."""
    network_mode: str = ""
    """host, bridge, none, or `service:NAME`."""
    depends_on: Mapping[str, DependencyCondition] = field(default_factory=dict)
    restart: str = "no"
    """no, always, unless-stopped, on-failure or on-failure:N."""
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    devices: tuple[DeviceNode, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    healthcheck: HealthCheck | None = None
    user: str = ""
    working_dir: str = ""
    hostname: str = ""
    stop_signal: str = ""
    stop_grace_period: float | None = None
    tty: bool = False
    stdin_open: bool = False
    init: bool | None = None
    read_only: bool = False
    extra_hosts: tuple[str, ...] = ()
    """`name:address`."""
    dns: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    shm_size: int | None = None
    group_add: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    pid: str = ""
    ipc: str = ""
    logging_driver: str = ""
    logging_options: Mapping[str, str] = field(default_factory=dict)
    engine_socket: str = ""
    """The path of the engine's socket in the container; empty if it is not mounted."""
    watch: tuple[WatchRule, ...] = ()


@dataclass(frozen=True)
class Network:
    """A network of the application; an `external` one must exist already, as `name`."""

    name: str
    """Its name on the engine; if empty, it is derived from the application's name and the key."""
    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    internal: bool = False
    external: bool = False
    subnets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Volume:
    """A volume of the application; an `external` one must exist already, as `name`."""

    name: str
    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    external: bool = False


@dataclass(frozen=True)
class Application:
    """The services that are deployed together, in the order of their file."""

    name: str
    services: tuple[Service, ...]
    networks: Mapping[str, Network] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    """The files that it was read from; it must be read again when one changes."""
    notices: tuple[Notice, ...] = ()
    """Warnings about these files."""
