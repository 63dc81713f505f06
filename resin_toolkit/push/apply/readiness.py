"""Whether a container that was just started is ready: still running, or healthy."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resin_toolkit.engine import Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.push.plan.container_spec import ContainerSpec

DEFAULT_GRACE, FIRST_GRACE = 1.0, 0.1
"""Seconds that a new container has to keep running: one that replaces another, and a first one."""
_POLL = 0.1
_HEALTH_TIMEOUT = 600.0
"""Seconds after which a container that is still starting counts as unhealthy."""


@dataclass(frozen=True)
class Readiness:
    """`failure` is the reason why the container is not ready, as a clause; empty if it is."""

    failure: str = ""
    exited: bool = False
    """Whether it exited with code 0, which its restart policy allows."""


def wait_until_ready(engine: Engine, container: str, spec: ContainerSpec, grace: float) -> Readiness:
    """Watch a container until it is healthy if it has a health check, else for `grace` seconds.

    A service that is not always restarted may exit with code 0.
    """
    containers = Containers(engine)
    started = time.monotonic()
    while True:
        details = containers.raw(container)
        found = details.get("State")
        state: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        elapsed = time.monotonic() - started
        if details.get("RestartCount") and not may_exit(spec):
            # Where the engine cannot change a restart policy (API 1.22), it has it from the start.
            readiness: Readiness | None = _exited({**state, "Running": False}, spec)
        else:
            readiness = _check(state, spec, elapsed, grace)
        if readiness is not None:
            return readiness
        time.sleep(min(_POLL, max(0.01, grace - elapsed)))


def may_exit(spec: ContainerSpec) -> bool:
    """Whether the service may exit by itself with code 0."""
    return spec.service.restart.startswith(("no", "on-failure"))


def _check(state: Mapping[str, Any], spec: ContainerSpec, elapsed: float, grace: float) -> Readiness | None:
    """None as long as it is not decided."""
    if not state.get("Running"):
        return _exited(state, spec)
    found = state.get("Health")
    health: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    status = health.get("Status")
    if status == "unhealthy":
        return Readiness(f"its health check fails{_last_check(health)}")
    if status == "starting":
        late = f"it did not become healthy within {_HEALTH_TIMEOUT:.0f} s"
        return Readiness(late) if elapsed > _HEALTH_TIMEOUT else None
    return Readiness() if status == "healthy" or elapsed >= grace else None


def _exited(state: Mapping[str, Any], spec: ContainerSpec) -> Readiness:
    code = state.get("ExitCode")
    if code == 0 and may_exit(spec):
        return Readiness(exited=True)
    error = state.get("Error")
    if isinstance(error, str) and error:
        return Readiness(f"it cannot start: {error}")
    memory = ", out of memory" if state.get("OOMKilled") else ""
    return Readiness(f"it exited with code {code}{memory}")


def _last_check(health: Mapping[str, Any]) -> str:
    """The output of the last health check, on one line."""
    log = health.get("Log")
    last = log[-1] if isinstance(log, list) and log else None
    output = last.get("Output") if isinstance(last, Mapping) else None
    words = " ".join(output.split())[:200] if isinstance(output, str) else ""
    return f": {words}" if words else ""
