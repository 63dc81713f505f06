"""Fallbacks for settings that the engine refuses, limited to those that the OS gives every single app.

A label on the container lists its fallbacks, and the next container starts with the same.
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
"""The fallbacks of a container, separated by spaces: `privileged`, and targets of mounts."""
_PRIVILEGED = "privileged"
_NO_PRIVILEGES = re.compile(r"apply caps|operation not permitted|privileged", re.IGNORECASE)
_OS_MOUNTS = ("/lib/modules", "/lib/firmware", "/host/run/dbus")


@dataclass(frozen=True)
class Fallback:
    """A setting that is left out: `privileged`, or the target of a mount."""

    what: str

    def notice(self, spec: ContainerSpec, host: str) -> Notice:
        setting = "privileged mode" if self.what == _PRIVILEGED else f"the mount {self.what}"
        return Notice(
            "without",
            f"{host} refuses {setting} for {spec.service.name}, which runs without it.",
        )


def find_fallback(error: EngineFailed, spec: ContainerSpec) -> Fallback | None:
    """The fallback for a container that the engine has refused to start; None if there is none."""
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
    """The fallbacks of the current container."""
    return [Fallback(word) for word in container.labels.get(LABEL, "").split()] if container else []


def apply_fallback(spec: ContainerSpec, fallback: Fallback) -> ContainerSpec:
    """The specification without that setting; its hash stays the same."""
    host = dict(spec.body["HostConfig"])
    if fallback.what == _PRIVILEGED:
        host.pop("Privileged", None)
    else:
        host["Binds"] = [b for b in host.get("Binds", ()) if b.split(":")[1] != fallback.what]
    labels = dict(spec.body["Labels"])
    labels[LABEL] = " ".join([*labels.get(LABEL, "").split(), fallback.what])
    return replace(spec, body={**spec.body, "Labels": labels, "HostConfig": host})
