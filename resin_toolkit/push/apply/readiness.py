"""Whether a container that was just started holds out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resin_toolkit.engine import Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.push.plan.container_spec import ContainerSpec

_PAUSE = 0.1
_HEALTH = 600.0
"""Seconds after which a container that is still neither healthy nor unhealthy is taken for unhealthy."""


@dataclass(frozen=True)
class Readiness:
    """`failure` says why it did not hold out; empty if it did."""

    failure: str = ""
    ended: bool = False
    """Whether it has ended, with exit code 0, as it may."""


def wait_until_ready(engine: Engine, container: str, spec: ContainerSpec, seconds: float) -> Readiness:
    """Watch a container for its grace period: until it is healthy where it has a health check, else for
    `seconds`. A service that need not be restarted may end, with exit code 0.
    """
    containers = Containers(engine)
    started = time.monotonic()
    while True:
        said = containers.raw(container)
        state = said.get("State")
        known: Mapping[str, Any] = state if isinstance(state, Mapping) else {}
        passed = time.monotonic() - started
        if said.get("RestartCount") and not may_exit(spec):
            # Where the engine cannot change a restart policy (API 1.22), it has it from the start.
            readiness: Readiness | None = _ended({**known, "Running": False}, spec)
        else:
            readiness = _judged(known, spec, passed, seconds)
        if readiness is not None:
            return readiness
        time.sleep(min(_PAUSE, max(0.01, seconds - passed)))


def may_exit(spec: ContainerSpec) -> bool:
    """Whether the service may end by itself, with exit code 0."""
    return spec.service.restart.startswith(("no", "on-failure"))


def _judged(state: Mapping[str, Any], spec: ContainerSpec, passed: float, seconds: float) -> Readiness | None:
    """None where it has to be watched further."""
    if not state.get("Running"):
        return _ended(state, spec)
    health = state.get("Health")
    checks: Mapping[str, Any] = health if isinstance(health, Mapping) else {}
    status = checks.get("Status")
    if status == "unhealthy":
        return Readiness(f"its health check fails{_last_check(checks)}")
    if status == "starting":
        return Readiness("its health check did not succeed in time") if passed > _HEALTH else None
    return Readiness() if status == "healthy" or passed >= seconds else None


def _ended(state: Mapping[str, Any], spec: ContainerSpec) -> Readiness:
    code = state.get("ExitCode")
    if code == 0 and may_exit(spec):
        return Readiness(ended=True)
    memory = ", for want of memory" if state.get("OOMKilled") else ""
    error = state.get("Error")
    if isinstance(error, str) and error:
        return Readiness(f"it does not start: {error}")
    return Readiness(f"it ended at once, with exit code {code}{memory}")


def _last_check(health: Mapping[str, Any]) -> str:
    """What the last run of a health check has put out, in one line."""
    log = health.get("Log")
    last = log[-1] if isinstance(log, list) and log else None
    output = last.get("Output") if isinstance(last, Mapping) else None
    words = " ".join(output.split())[:200] if isinstance(output, str) else ""
    return f": {words}" if words else ""
