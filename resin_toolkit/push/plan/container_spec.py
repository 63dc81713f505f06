"""The specification of a service's container, in the terms of the engine's API.

Source: the Docker Engine API, POST /containers/create.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resin_toolkit.project.application import Application, HealthCheck, Mount, Network, Port, Service
from resin_toolkit.project.names import (
    APP_LABEL,
    HASH_LABEL,
    RESTART_LABEL,
    SERVICE_LABEL,
    network_name,
)

_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class ContainerSpec:
    """A container that a deployment wants."""

    service: Service
    image: str
    """The ID of its image."""
    body: Mapping[str, Any]
    """The body of the request that creates it, without the restart policy, which is set by its promotion."""
    further_networks: Mapping[str, Mapping[str, Any]]
    """Networks to connect it to before it starts, with the settings of each endpoint."""

    @property
    def definition(self) -> str:
        """The hash of the specification: a container with the same hash needs no change."""
        labels: Mapping[str, str] = self.body["Labels"]
        return labels[HASH_LABEL]


def container_spec(
    application: Application,
    service: Service,
    image: str,
    *,
    network_container: str = "",
    engine_socket: str = "",
) -> ContainerSpec:
    """The specification of a service. `network_container` is the ID of a container whose network it joins.

    `engine_socket` is the path of the engine's socket on the device, for a service that mounts it.
    """
    mounts = [*service.mounts]
    if service.engine_socket and engine_socket:
        mounts.append(Mount("bind", service.engine_socket, engine_socket))
    first, further = _networks(application, service, network_container)
    body = {
        **_container(service),
        "Image": image,
        **_anonymous(mounts),
        "Labels": {
            **service.labels,
            APP_LABEL: application.name,
            SERVICE_LABEL: service.name,
            RESTART_LABEL: service.restart,
        },
        "HostConfig": {**_host(service), **_mounted(application, mounts), **first["HostConfig"]},
        "NetworkingConfig": first["NetworkingConfig"],
    }
    digest = hashlib.sha256(json.dumps([body, further], sort_keys=True).encode()).hexdigest()
    body["Labels"] = {**body["Labels"], HASH_LABEL: digest}
    return ContainerSpec(service, image, body, further)


def _container(service: Service) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "Cmd": _words(service.command),
        "Entrypoint": _words(service.entrypoint),
        "Env": [f"{name}={value}" for name, value in sorted(service.environment.items())],
        "User": service.user,
        "WorkingDir": service.working_dir,
        "Hostname": service.hostname,
        "StopSignal": service.stop_signal,
        "StopTimeout": None if service.stop_grace_period is None else round(service.stop_grace_period),
        "Tty": service.tty,
        "OpenStdin": service.stdin_open,
        "Healthcheck": _healthcheck(service.healthcheck),
        "ExposedPorts": {f"{port.container}/{port.protocol}": {} for port in service.ports},
    }
    return {key: value for key, value in settings.items() if value not in (None, "", [], {}, False)}


def _host(service: Service) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "Privileged": service.privileged,
        "PortBindings": _port_bindings(service.ports),
        "CapAdd": list(service.cap_add),
        "CapDrop": list(service.cap_drop),
        "Devices": [
            {"PathOnHost": d.host, "PathInContainer": d.container, "CgroupPermissions": d.permissions}
            for d in service.devices
        ],
        "ExtraHosts": list(service.extra_hosts),
        "Dns": list(service.dns),
        "SecurityOpt": list(service.security_opt),
        "ShmSize": service.shm_size,
        "GroupAdd": list(service.group_add),
        "Sysctls": dict(service.sysctls),
        "PidMode": service.pid,
        "IpcMode": service.ipc,
        "ReadonlyRootfs": service.read_only,
        "Init": service.init,
        "LogConfig": {"Type": service.logging_driver, "Config": dict(service.logging_options)}
        if service.logging_driver or service.logging_options
        else None,
    }
    return {key: value for key, value in settings.items() if value not in (None, "", [], {}, False)}


def _words(words: tuple[str, ...] | None) -> list[str] | None:
    """An empty list overrides that of the image; the engine expects a list with an empty string for it."""
    if words is None:
        return None
    return list(words) or [""]


def _healthcheck(check: HealthCheck | None) -> dict[str, Any] | None:
    if check is None:
        return None
    times = {
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
    }
    return {
        "Test": list(check.test),
        "Retries": check.retries,
        **{name: int(seconds * _NANOSECONDS) for name, seconds in times.items() if seconds},
    }


def _port_bindings(ports: tuple[Port, ...]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        host = "" if port.host is None else str(port.host)
        bindings.setdefault(f"{port.container}/{port.protocol}", []).append(
            {"HostIp": port.host_ip, "HostPort": host}
        )
    return bindings


def _mounted(application: Application, mounts: list[Mount]) -> dict[str, Any]:
    binds, tmpfs = [], {}
    for mount in mounts:
        if mount.kind == "tmpfs":
            tmpfs[mount.target] = ",".join(f"{name}={value}" for name, value in mount.options.items())
        elif mount.source:
            source = mount.source if mount.kind == "bind" else engine_volume_name(application, mount.source)
            binds.append(":".join([source, mount.target, *_bind_options(mount)]))
    settings: dict[str, Any] = {"Binds": binds, "Tmpfs": tmpfs}
    return {key: value for key, value in settings.items() if value}


def _anonymous(mounts: list[Mount]) -> dict[str, Any]:
    targets = [mount.target for mount in mounts if mount.kind != "tmpfs" and not mount.source]
    return {"Volumes": {target: {} for target in targets}} if targets else {}


def _bind_options(mount: Mount) -> list[str]:
    options = ["ro"] if mount.read_only else []
    if mount.options.get("propagation"):
        options.append(mount.options["propagation"])
    if mount.options.get("nocopy") == "true":
        options.append("nocopy")
    return [",".join(options)] if options else []


def engine_volume_name(application: Application, key: str) -> str:
    """The name of a volume of the application on the device."""
    volume = application.volumes.get(key)
    if volume is None:
        return key
    return volume.name or network_name(application.name, key)


def engine_network_name(application: Application, key: str) -> str:
    """The name of a network of the application on the device."""
    network = application.networks.get(key, Network(""))
    return network.name or network_name(application.name, key)


def _networks(
    application: Application, service: Service, network_container: str
) -> tuple[dict[str, Any], dict[str, Mapping[str, Any]]]:
    """Its first network, for its creation, and the others: the engine accepts one network at creation."""
    if network_container:
        return {"HostConfig": {"NetworkMode": f"container:{network_container}"}, "NetworkingConfig": {}}, {}
    if service.network_mode or not service.networks:
        mode = service.network_mode or "default"
        return {"HostConfig": {"NetworkMode": mode}, "NetworkingConfig": {}}, {}
    endpoints = {}
    for key, use in service.networks.items():
        addresses = {"IPv4Address": use.ipv4, "IPv6Address": use.ipv6}
        given = {name: value for name, value in addresses.items() if value}
        aliases = list(dict.fromkeys([service.name, *use.aliases]))
        endpoints[engine_network_name(application, key)] = {
            "Aliases": aliases,
            **({"IPAMConfig": given} if given else {}),
        }
    name, *others = endpoints
    return (
        {
            "HostConfig": {"NetworkMode": name},
            "NetworkingConfig": {"EndpointsConfig": {name: endpoints[name]}},
        },
        {other: endpoints[other] for other in others},
    )
