"""From the images of an application to its running containers: only what differs is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum

from resin_toolkit.engine import Container, Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.errors import EngineFailed, PushFailed
from resin_toolkit.project.application import Application, Condition, Service
from resin_toolkit.push.apply.container_control import remove
from resin_toolkit.push.apply.failures import dependency_failed, network_service_missing, no_command
from resin_toolkit.push.apply.networks_and_volumes import create_missing, remove_unused_networks
from resin_toolkit.push.apply.readiness import wait_until_ready
from resin_toolkit.push.apply.replacement import FIRST_GRACE, ContainerReplacer
from resin_toolkit.push.plan.container_spec import ContainerSpec, container_spec
from resin_toolkit.push.plan.engine_socket import engine_socket_path
from resin_toolkit.push.plan.fallbacks import apply_fallback, fallbacks_in_use
from resin_toolkit.push.plan.observed_state import ObservedService
from resin_toolkit.push.plan.start_order import network_service, start_levels

_SIDE_BY_SIDE = 4
_COMPLETES = 3600.0
_NO_COMMAND = "o command specified"


class ServiceChange(Enum):
    """What became of a service."""

    UNCHANGED = "unchanged"
    STARTED = "started"
    REPLACED = "replaced"
    CREATED = "created"
    REMOVED = "removed"


@dataclass(frozen=True)
class ServiceDeployment:
    """A service as it is now."""

    service: str
    change: ServiceChange
    container: str
    """The ID of its container; empty where it was removed."""
    image: str = ""


@dataclass
class Reconciler:
    """One application on its way to a device. `replacer_for` gives the replacer of a service."""

    engine: Engine
    application: Application
    images: Mapping[str, str]
    """The ID of the image of each service that is to be brought."""
    observed: Mapping[str, ObservedService]
    replacer_for: Callable[[Service], ContainerReplacer]
    tell: Callable[[str, str], object]
    grace: float | None

    def __post_init__(self) -> None:
        self._now: dict[str, str] = {
            name: each.current.id for name, each in self.observed.items() if each.current
        }

    def run(self, *, only: frozenset[str] = frozenset()) -> list[ServiceDeployment]:
        """Bring all services, or `only` some; those that the application no longer has are removed.

        Raises the first failure once what goes on beside it has ended; what was brought stays.
        """
        self.images = {**self.images, **self._of_followers()}
        chosen = [service for service in self.application.services if service.name in self.images]
        create_missing(self.engine, self.application, chosen)
        brought: list[ServiceDeployment] = []
        if not only:
            brought += self._remove_gone()
        for level in start_levels(chosen):
            brought += self._level(level)
        if not only:
            remove_unused_networks(self.engine, self.application)
        return brought

    def _level(self, services: list[Service]) -> list[ServiceDeployment]:
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            futures = [pool.submit(self._deploy, service) for service in services]
        errors = [error for future in futures if (error := future.exception()) is not None]
        if errors:
            raise errors[0]
        return [future.result() for future in futures]

    def _deploy(self, service: Service) -> ServiceDeployment:
        self._wait_for(service)
        joined = network_service(service)
        plan = container_spec(
            self.application,
            service,
            self.images[service.name],
            network_container=self._joined(service, joined) if joined else "",
            engine_socket=engine_socket_path(self.engine.facts),
        )
        observed = self.observed.get(service.name, ObservedService(service.name, None, None))
        current = observed.current
        if current is not None and observed.definition == plan.definition:
            return ServiceDeployment(service.name, self._kept(service, current, plan), current.id, plan.image)
        for fallback in fallbacks_in_use(current):
            plan = apply_fallback(plan, fallback)
        try:
            outcome = self.replacer_for(service).replace(plan, observed)
        except EngineFailed as error:
            if _NO_COMMAND in error.message:
                raise no_command(service.name) from error
            raise
        self._now[service.name] = outcome.container
        change = ServiceChange.REPLACED if current is not None else ServiceChange.CREATED
        return ServiceDeployment(service.name, change, outcome.container, plan.image)

    def _of_followers(self) -> dict[str, str]:
        """The images of services that are not to be brought, and must be made anew with the same image: they
        have joined the network of one that is, which goes with its container."""
        found: dict[str, str] = {}
        for level in start_levels(self.application.services):
            for service in level:
                joined = network_service(service)
                current = self.observed.get(service.name, ObservedService(service.name, None, None)).current
                is_brought = joined in self.images or joined in found
                if current is not None and service.name not in self.images and is_brought:
                    found[service.name] = str(Containers(self.engine).raw(current.id)["Image"])
        return found

    def _joined(self, service: Service, other: str) -> str:
        """The container whose network a service joins."""
        container = self._now.get(other, "")
        if not container:
            raise network_service_missing(service.name, other, self.engine.host)
        return container

    def _kept(self, service: Service, current: Container, plan: ContainerSpec) -> ServiceChange:
        """What is there is what is wanted; it may only have to be started."""
        if current.state in ("running", "restarting") or _may_have_ended(service, current):
            return ServiceChange.UNCHANGED
        self.tell(service.name, "starting it")
        Containers(self.engine).start(current.id)
        readiness = wait_until_ready(
            self.engine, current.id, plan, FIRST_GRACE if self.grace is None else self.grace
        )
        if readiness.failure:
            raise PushFailed(
                f"{service.name} did not hold out: {readiness.failure}.",
                hint=f"`resin logs --service {service.name}` shows what it writes.",
            )
        return ServiceChange.STARTED

    def _wait_for(self, service: Service) -> None:
        """Until those that it depends on are as it wants them."""
        for name, condition in service.depends_on.items():
            container = self._now.get(name)
            if container is None or condition is Condition.STARTED:
                continue
            self.tell(service.name, f"waiting for {name}")
            if condition is Condition.COMPLETED:
                code = Containers(self.engine).wait(container, _COMPLETES)
                if code:
                    raise dependency_failed(service.name, name, f"ended with exit code {code}")
                continue
            known = next(s for s in self.application.services if s.name == name)
            health = replace(container_spec(self.application, known, ""), service=known)
            readiness = wait_until_ready(self.engine, container, health, 0.0)
            if readiness.failure or readiness.ended:
                raise dependency_failed(service.name, name, readiness.failure or "has ended")

    def _remove_gone(self) -> list[ServiceDeployment]:
        wanted = {service.name for service in self.application.services}
        gone = [observed for name, observed in self.observed.items() if name not in wanted]
        removed = []
        for observed in gone:
            if observed.current is None:
                continue
            self.tell(observed.service, "removing it: the project has it no more")
            remove(self.engine, observed.current)
            removed.append(ServiceDeployment(observed.service, ServiceChange.REMOVED, ""))
        return removed


def _may_have_ended(service: Service, current: Container) -> bool:
    return service.restart == "no" and current.state == "exited" and "(0)" in current.status
