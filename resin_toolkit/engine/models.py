"""Facts about an engine and its containers, parsed from its answers.

Source: the Docker Engine API, /version, /info, /containers/json and /containers/ID/json, since 1.22.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resin_toolkit.untrusted_json import (
    WrongShape,
    as_object,
    named_texts_of,
    number,
    object_of,
    one_line,
    text,
)

SERVICE_LABEL = "io.resin-toolkit.service"
"""The label that names the service of a container that `resin push` created."""
APP_LABEL = "io.resin-toolkit.app"
"""The label that names the application of a container that `resin push` created."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""The names that an engine accepts for containers, networks and volumes; their IDs match it too."""
_SERVICE_LABELS = (
    SERVICE_LABEL,
    "io.balena.service-name",
    "io.resin.service-name",
    "com.docker.compose.service",
)


@dataclass(frozen=True)
class EngineFacts:
    """An engine and its host."""

    id: str
    """An ID that stays the same as long as the engine keeps its data."""
    name: str
    """The host name of the device."""
    version: str
    api_version: str
    """The newest API version that the engine supports."""
    operating_system: str
    architecture: str
    kernel: str


@dataclass(frozen=True)
class Container:
    """A container in a list of containers. All texts but `labels` are printable and on one line."""

    id: str
    name: str
    service: str
    """The service that its labels name, else its name."""
    image: str
    state: str
    """`created`, `running`, `paused`, `restarting`, `exited`, `dead` or `removing`."""
    status: str
    """The state as the engine describes it: `Up 3 hours`."""
    created: int
    """Seconds since 1970 by the engine's clock."""
    labels: Mapping[str, str]


@dataclass(frozen=True)
class ContainerDetails:
    """The details of one container. Times are in RFC 3339 with nanoseconds."""

    id: str
    tty: bool
    running: bool
    state: str
    started_at: str
    """Empty if it was never started."""
    finished_at: str
    """Empty if it never exited."""
    exit_code: int
    restart_count: int
    log_driver: str
    log_options: Mapping[str, str]
    """The options of its log driver, such as `max-size` and `mode`."""


def facts_of(version: Any, info: Any) -> EngineFacts:
    """Parse the answers of /version and /info. Raises WrongShape."""
    known, more = as_object(version), as_object(info)
    return EngineFacts(
        id=text(more, "ID"),
        name=text(more, "Name"),
        version=text(known, "Version"),
        api_version=text(known, "ApiVersion"),
        operating_system=text(more, "OperatingSystem"),
        architecture=text(more, "Architecture") or text(known, "Arch"),
        kernel=text(more, "KernelVersion") or text(known, "KernelVersion"),
    )


def containers_of(answer: Any) -> list[Container]:
    """Parse the answer of /containers/json. Raises WrongShape."""
    if not isinstance(answer, list):
        raise WrongShape("not a list")
    return [_container(as_object(entry)) for entry in answer]


def details_of(answer: Any) -> ContainerDetails:
    """Parse the answer of /containers/ID/json. Raises WrongShape."""
    known = as_object(answer)
    state, logging = object_of(known, "State"), object_of(object_of(known, "HostConfig"), "LogConfig")
    running = state.get("Running") is True
    return ContainerDetails(
        id=text(known, "Id"),
        tty=object_of(known, "Config").get("Tty") is True,
        running=running,
        state=text(state, "Status") or ("running" if running else "exited"),
        started_at=_time(state, "StartedAt"),
        finished_at=_time(state, "FinishedAt"),
        exit_code=number(state, "ExitCode"),
        restart_count=number(known, "RestartCount"),
        log_driver=text(logging, "Type"),
        log_options=named_texts_of(logging, "Config"),
    )


def service_of(labels: Mapping[str, str], name: str) -> str:
    """The service that a container's labels name, else the container's own name."""
    return next((one_line(labels[label]) for label in _SERVICE_LABELS if labels.get(label)), name)


def _container(known: Mapping[str, Any]) -> Container:
    identity = text(known, "Id")
    if not identity:
        raise WrongShape("a container without an ID")
    labels = named_texts_of(known, "Labels")
    name = _name(known) or identity[:12]
    status = text(known, "Status")
    return Container(
        id=identity,
        name=name,
        service=service_of(labels, name),
        image=text(known, "Image"),
        state=text(known, "State") or _state_in(status),
        status=status,
        created=number(known, "Created"),
        labels=labels,
    )


def _name(known: Mapping[str, Any]) -> str:
    """The container's own name; those with a second slash are names of links."""
    names = known.get("Names")
    listed = names if isinstance(names, list) else []
    texts = [name.removeprefix("/") for name in listed if isinstance(name, str)]
    return one_line(min(texts, key=lambda name: name.count("/"), default=""))


def _state_in(status: str) -> str:
    """The state in a status such as `Up 2 hours (Paused)`: below API 1.23 there is no other source."""
    if status.startswith("Up"):
        return "paused" if status.endswith("(Paused)") else "running"
    first = status.partition(" ")[0].lower()
    return {"removal": "removing", "": "created"}.get(first, first)


def _time(known: Mapping[str, Any], key: str) -> str:
    """A time; empty for Go's zero time, in the year 1, which stands for never."""
    value = text(known, key)
    return "" if value.startswith("0001-") else value
