"""The networks and volumes of an application on a device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from resin_toolkit.engine import Engine
from resin_toolkit.engine.networks import Networks
from resin_toolkit.engine.volumes import Volumes
from resin_toolkit.errors import ServiceNotFound
from resin_toolkit.project.application import Application, Service
from resin_toolkit.project.names import APP_LABEL
from resin_toolkit.push.plan.container_spec import engine_network_name, engine_volume_name


def create_missing(engine: Engine, application: Application, services: Iterable[Service]) -> None:
    """Create the networks and volumes that `services` use and that do not exist.

    Raises ServiceNotFound for one that is missing and external, EngineFailed, Unreachable.
    """
    chosen = list(services)
    _create_networks(engine, application, [key for service in chosen for key in service.networks])
    _create_volumes(
        engine,
        application,
        [m.source for s in chosen for m in s.mounts if m.kind == "volume" and m.source],
    )


def remove_unused_networks(engine: Engine, application: Application) -> None:
    """Remove the networks of the application that its files no longer define."""
    named = {
        engine_network_name(application, key) for service in application.services for key in service.networks
    }
    networks = Networks(engine)
    for network in networks.list([f"{APP_LABEL}={application.name}"]):
        if network.name not in named:
            networks.remove(network.id)


def _create_networks(engine: Engine, application: Application, keys: Iterable[str]) -> None:
    wanted = {engine_network_name(application, key): key for key in keys}
    if not wanted:
        return
    networks = Networks(engine)
    existing = {network.name for network in networks.list()}
    for name, key in wanted.items():
        if name in existing:
            continue
        network = application.networks.get(key)
        if network is not None and network.external:
            raise _missing("network", name, engine.host)
        networks.create(
            name,
            driver=network.driver if network else "",
            options=network.options if network else {},
            labels=_labels(application, network.labels if network else {}),
            internal=network.internal if network else False,
            subnets=network.subnets if network else (),
        )


def _create_volumes(engine: Engine, application: Application, keys: Iterable[str]) -> None:
    volumes = Volumes(engine)
    for key in dict.fromkeys(keys):
        volume = application.volumes.get(key)
        if volume is None:
            # The engine creates it on demand, as for `docker run --volume NAME:/path`.
            continue
        name = engine_volume_name(application, key)
        if volumes.inspect(name) is not None:
            continue
        if volume.external:
            raise _missing("volume", name, engine.host)
        volumes.create(
            name,
            driver=volume.driver,
            options=volume.options,
            labels=_labels(application, volume.labels),
        )


def _labels(application: Application, own: Mapping[str, str]) -> dict[str, str]:
    return {**own, APP_LABEL: application.name}


def _missing(kind: str, name: str, host: str) -> ServiceNotFound:
    return ServiceNotFound(
        f"{host} has no {kind} {name}, which the project declares as external.",
        hint=f"Create it on the device, or remove `external` from this {kind}.",
    )
