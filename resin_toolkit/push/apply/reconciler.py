"""Reconciling the containers on a device with an application: only what differs is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial

from resin_toolkit.engine import Container, Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.errors import EngineFailed, PushFailed, ServiceNotFound
from resin_toolkit.project.application import Application, DependencyCondition, Service
from resin_toolkit.push.apply.container_control import remove
from resin_toolkit.push.apply.failures import (
    dependency_failed,
    network_service_missing,
    no_command,
    show_output_hint,
)
from resin_toolkit.push.apply.networks_and_volumes import create_missing, remove_unused_networks
from resin_toolkit.push.apply.readiness import FIRST_GRACE, wait_until_ready
from resin_toolkit.push.apply.replacement import ContainerReplacer
from resin_toolkit.push.plan.container_spec import ContainerSpec, container_spec
from resin_toolkit.push.plan.fallbacks import apply_fallback, fallbacks_in_use
from resin_toolkit.push.plan.observed_state import ObservedService
from resin_toolkit.push.plan.platform import engine_socket_path
from resin_toolkit.push.plan.start_order import network_service, start_levels

_PARALLEL = 4
_COMPLETION_TIMEOUT = 3600.0
_NO_COMMAND = "o command specified"


class ServiceChange(Enum):
    """What a deployment has done to a service."""

    UNCHANGED = "unchanged"
    STARTED = "started"
    REPLACED = "replaced"
    CREATED = "created"
    REMOVED = "removed"


@dataclass(frozen=True)
class ServiceDeployment:
    """A service after a deployment."""

    service: str
    change: ServiceChange
    container: str
    """The ID of its container; empty if it was removed."""
    image: str = ""
    """The ID of its image."""

    def data(self) -> dict[str, object]:
        """The record for JSON."""
        return {
            "service": self.service,
            "change": self.change.value,
            "container": self.container or None,
            "image": self.image or None,
        }


@dataclass
class Reconciler:
    """Brings the containers of one application to the state its services describe."""

    engine: Engine
    application: Application
    images: Mapping[str, str]
    """The image ID of each service that is to be deployed."""
    observed: Mapping[str, ObservedService]
    replacer: ContainerReplacer
    source_hash: Callable[[Service], str]
    """The hash of the sources of a service's image."""
    report: Callable[[str, str], object]
    """Takes a service and the step that begins for it."""
    grace: float | None

    def __post_init__(self) -> None:
        self._containers: dict[str, str] = {
            name: each.current.id for name, each in self.observed.items() if each.current
        }

    def run(self, *, only: frozenset[str] = frozenset()) -> list[ServiceDeployment]:
        """Deploy all services, or `only` some; remove those that the application no longer has.

        Raises the first failure once the deployments beside it have ended; what is deployed stays.
        """
        self.images = {**self.images, **self.replacer.retry(self._images_of_followers)}
        selected = [service for service in self.application.services if service.name in self.images]
        self.replacer.retry(lambda: create_missing(self.engine, self.application, selected))
        deployed: list[ServiceDeployment] = []
        if not only:
            deployed += self._remove_obsolete()
        for level in start_levels(selected):
            deployed += self._deploy_level(level)
        if not only:
            self.replacer.retry(lambda: remove_unused_networks(self.engine, self.application))
        return deployed

    def _deploy_level(self, services: list[Service]) -> list[ServiceDeployment]:
        with ThreadPoolExecutor(_PARALLEL) as pool:
            futures = [pool.submit(self._deploy, service) for service in services]
        errors = [error for future in futures if (error := future.exception()) is not None]
        if errors:
            raise errors[0]
        return [future.result() for future in futures]

    def _deploy(self, service: Service) -> ServiceDeployment:
        self._wait_for_dependencies(service)
        joined = network_service(service)
        spec = container_spec(
            self.application,
            service,
            self.images[service.name],
            network_container=self._network_container(service, joined) if joined else "",
            engine_socket=engine_socket_path(self.engine.facts),
        )
        observed = self.observed.get(service.name, ObservedService(service.name, None, None))
        current = observed.current
        if current is not None and observed.definition == spec.definition:
            change = self._start_if_stopped(service, current, spec)
            return ServiceDeployment(service.name, change, current.id, spec.image)
        for fallback in fallbacks_in_use(current):
            spec = apply_fallback(spec, fallback)
        replacer = self.replacer.with_source_hash(self.source_hash(service))
        try:
            outcome = replacer.replace(spec, observed)
        except EngineFailed as error:
            if _NO_COMMAND in error.message:
                raise no_command(service.name) from error
            raise
        self._containers[service.name] = outcome.container
        change = ServiceChange.REPLACED if current is not None else ServiceChange.CREATED
        return ServiceDeployment(service.name, change, outcome.container, spec.image)

    def _images_of_followers(self) -> dict[str, str]:
        """The images of services that are recreated although they are not to be deployed.

        They have joined the network of a service that is deployed, and lose it with its old container.
        """
        found: dict[str, str] = {}
        for level in start_levels(self.application.services):
            for service in level:
                joined = network_service(service)
                current = self.observed.get(service.name, ObservedService(service.name, None, None)).current
                is_deployed = joined in self.images or joined in found
                if current is not None and service.name not in self.images and is_deployed:
                    found[service.name] = str(Containers(self.engine).raw(current.id)["Image"])
        return found

    def _network_container(self, service: Service, joined: str) -> str:
        """The container whose network a service joins."""
        container = self._containers.get(joined, "")
        if not container:
            raise network_service_missing(service.name, joined, self.engine.host)
        return container

    def _start_if_stopped(self, service: Service, current: Container, spec: ContainerSpec) -> ServiceChange:
        if current.state in ("running", "restarting") or _is_completed(service, current):
            return ServiceChange.UNCHANGED
        self.report(service.name, "starting the container")
        self.replacer.retry(lambda: Containers(self.engine).start(current.id))
        grace = FIRST_GRACE if self.grace is None else self.grace
        readiness = self.replacer.retry(lambda: wait_until_ready(self.engine, current.id, spec, grace))
        if readiness.failure:
            raise PushFailed(
                f"{service.name} failed: {readiness.failure}.", hint=show_output_hint(service.name)
            )
        return ServiceChange.STARTED

    def _wait_for_dependencies(self, service: Service) -> None:
        """Wait until the conditions of `depends_on` are met. Raises PushFailed."""
        containers = Containers(self.engine)
        for name, condition in service.depends_on.items():
            container = self._containers.get(name)
            if container is None or condition is DependencyCondition.STARTED:
                continue
            self.report(service.name, f"waiting for {name}")
            if condition is DependencyCondition.COMPLETED:
                code = self.replacer.retry(partial(containers.wait, container, _COMPLETION_TIMEOUT))
                if code:
                    raise dependency_failed(service.name, name, f"it exited with code {code}")
                continue
            dependency = next(s for s in self.application.services if s.name == name)
            spec = container_spec(self.application, dependency, "")
            readiness = self.replacer.retry(partial(wait_until_ready, self.engine, container, spec, 0.0))
            if readiness.failure or readiness.exited:
                reason = readiness.failure or "it has exited"
                raise dependency_failed(service.name, name, reason)

    def _remove_obsolete(self) -> list[ServiceDeployment]:
        wanted = {service.name for service in self.application.services}
        removed = []
        for name, observed in self.observed.items():
            if name in wanted or observed.current is None:
                continue
            self.report(observed.service, "removing the container: the project no longer has this service")
            with suppress(ServiceNotFound):
                self.replacer.retry(partial(remove, self.engine, observed.current))
            removed.append(ServiceDeployment(observed.service, ServiceChange.REMOVED, ""))
        return removed


def _is_completed(service: Service, current: Container) -> bool:
    """Whether it is a task that has exited with code 0."""
    return service.restart == "no" and current.state == "exited" and "(0)" in current.status
