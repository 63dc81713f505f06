"""What is to run on a device: the services of a project, whichever file they were described in.

`resin.toml` (one service) and compose files (several) are both read into these records, and
`resin_toolkit.push` makes containers of them. Paths are absolute and on the workstation unless said
otherwise; times are in seconds.
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
    """What a service waits for in one that it depends on."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


class WatchAction(StrEnum):
    """What follows where a watched file was saved."""

    SYNC = "sync"
    SYNC_RESTART = "sync+restart"
    RESTART = "restart"
    REBUILD = "rebuild"


@dataclass(frozen=True)
class Build:
    """How the image of a service is built."""

    context: Path
    """The folder that is sent."""
    dockerfile: str | None = None
    """Relative to the context; None is whichever `recipe` chooses."""
    target: str = ""
    """The stage that is wanted; the last one if empty."""
    args: Mapping[str, str] = field(default_factory=dict)
    cache_from: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    network: str = ""
    """The network of its RUN instructions, as `docker build --network` takes it."""


@dataclass(frozen=True)
class Mount:
    """Something that lies at `target` in the container.

    `source` is a path on the device, the name of a volume (a key of `Application.volumes`, or one that is
    there already), or empty for an anonymous volume; with kind `tmpfs` it is empty.
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
    """None is one that the engine chooses."""
    protocol: str = "tcp"
    host_ip: str = ""


@dataclass(frozen=True)
class NetworkUse:
    """How a service takes part in a network of `Application.networks`."""

    aliases: tuple[str, ...] = ()
    ipv4: str = ""
    ipv6: str = ""


@dataclass(frozen=True)
class HealthCheck:
    """As Docker's HEALTHCHECK; `test` is its words behind CMD, CMD-SHELL or NONE. Zero is the default."""

    test: tuple[str, ...]
    interval: float = 0.0
    timeout: float = 0.0
    retries: int = 0
    start_period: float = 0.0


@dataclass(frozen=True)
class WatchRule:
    """What happens where files below `path` are saved (compose's `develop.watch`)."""

    action: WatchAction
    path: Path
    target: str = ""
    """A path in the container."""
    ignore: tuple[str, ...] = ()
    include: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeviceNode:
    """A device file of the board that the container gets."""

    host: str
    container: str
    permissions: str = "rwm"


@dataclass(frozen=True)
class Service:
    """One container of an application. None and empty are the image's own, or the engine's default."""

    name: str
    build: Build | None = None
    image: str | None = None
    """A reference; of a service that is built too, the further name that its image gets."""
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
    """Where the engine's own socket lies in the container, wherever the device has it; empty for nowhere."""
    watch: tuple[WatchRule, ...] = ()


@dataclass(frozen=True)
class Network:
    """A network of the application; an `external` one must be there already, under `name`."""

    name: str
    """Its name on the engine; empty for one made of the application's and the key."""
    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    internal: bool = False
    external: bool = False
    subnets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Volume:
    """A volume of the application; an `external` one must be there already, under `name`."""

    name: str
    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    external: bool = False


@dataclass(frozen=True)
class Application:
    """All that belongs together on a device; services in the order of their file."""

    name: str
    services: tuple[Service, ...]
    networks: Mapping[str, Network] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    """The files that it was read from, compose's or `resin.toml`: a change of one means to read it anew."""
    notices: tuple[Notice, ...] = ()
    """What the user should know of these files."""
