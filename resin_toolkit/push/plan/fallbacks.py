"""What a container can do without where the engine cannot give it: only what the OS gives every single app.

A container that was made so says so by a label, and the next one begins with the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from resin_toolkit.engine import Container
from resin_toolkit.errors import EngineFailed, Notice
from resin_toolkit.push.plan.container_spec import ContainerSpec

LABEL = "io.resin-toolkit.without"
"""What a container is without, with spaces between: `privileged`, and targets of mounts."""
_PRIVILEGED = "privileged"
_NO_PRIVILEGES = re.compile(r"apply caps|operation not permitted|privileged", re.IGNORECASE)
_OS_MOUNTS = ("/lib/modules", "/lib/firmware", "/host/run/dbus")


@dataclass(frozen=True)
class Fallback:
    """One thing that is left out."""

    what: str

    def notice(self, spec: ContainerSpec, host: str) -> Notice:
        given = "all privileges" if self.what == _PRIVILEGED else self.what
        return Notice(
            "without",
            f"The engine of {host} cannot give {spec.service.name} {given}; it runs without.",
        )


def find_fallback(error: EngineFailed, spec: ContainerSpec) -> Fallback | None:
    """What would let the container start that the engine has refused; None if nothing would."""
    host: Mapping[str, Any] = spec.body["HostConfig"]
    words = str(error.facts.get("words") or error.message)
    for target in _OS_MOUNTS:
        source = next((b.split(":")[0] for b in host.get("Binds", ()) if b.split(":")[1] == target), "")
        if source and source in words:
            return Fallback(target)
    if host.get("Privileged") and _NO_PRIVILEGES.search(words):
        return Fallback(_PRIVILEGED)
    return None


def fallbacks_in_use(container: Container | None) -> list[Fallback]:
    """What the container that is there is without."""
    return [Fallback(word) for word in container.labels.get(LABEL, "").split()] if container else []


def apply_fallback(spec: ContainerSpec, fallback: Fallback) -> ContainerSpec:
    """The same container without it; what it is known by stays."""
    host = dict(spec.body["HostConfig"])
    if fallback.what == _PRIVILEGED:
        host.pop("Privileged", None)
    else:
        host["Binds"] = [b for b in host.get("Binds", ()) if b.split(":")[1] != fallback.what]
    labels = dict(spec.body["Labels"])
    labels[LABEL] = " ".join([*labels.get(LABEL, "").split(), fallback.what])
    return replace(spec, body={**spec.body, "Labels": labels, "HostConfig": host})
