"""What an engine says of itself and of its containers, out of JSON that anybody may have written.

Source: the Docker Engine API, /version, /info, /containers/json and /containers/ID/json, since 1.22.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SERVICE_LABEL = "io.resin-toolkit.service"
"""The service that a container was made for by `resin push`."""
APP_LABEL = "io.resin-toolkit.app"
"""The application that a container was made for by `resin push`."""
_SERVICE_LABELS = (
    SERVICE_LABEL,
    "io.balena.service-name",
    "io.resin.service-name",
    "com.docker.compose.service",
)
_LONGEST = 256
"""Characters of a name or a word that are kept."""


class WrongShape(ValueError):
    """JSON that no engine would send there."""


@dataclass(frozen=True)
class EngineFacts:
    """What an engine says of itself."""

    id: str
    """The same as long as its data is."""
    name: str
    """The host name of its device."""
    version: str
    api_version: str
    """The newest that it speaks."""
    operating_system: str
    architecture: str
    kernel: str


@dataclass(frozen=True)
class Container:
    """A container, as the list of containers shows it. The texts but `labels` are printable, on one line."""

    id: str
    name: str
    service: str
    """The service that its labels name, else its own name."""
    image: str
    state: str
    """One word: created, running, paused, restarting, exited, dead, removing."""
    status: str
    """The same in the engine's words: `Up 3 hours`."""
    created: int
    """Seconds since 1970 by the engine's clock."""
    labels: Mapping[str, str]


@dataclass(frozen=True)
class ContainerDetails:
    """A container, as looking into it alone shows it. The times are RFC 3339, to the nanosecond."""

    id: str
    tty: bool
    running: bool
    state: str
    started_at: str
    """Empty where it was never started."""
    finished_at: str
    """Empty where it never ended."""
    exit_code: int
    restart_count: int
    log_driver: str
    log_options: Mapping[str, str]
    """What its log driver was told: `max-size`, `mode`."""


def facts_of(version: Any, info: Any) -> EngineFacts:
    """What /version and /info say. Raises WrongShape."""
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
    """What /containers/json says. Raises WrongShape."""
    if not isinstance(answer, list):
        raise WrongShape("no list")
    return [_container(as_object(entry)) for entry in answer]


def details_of(answer: Any) -> ContainerDetails:
    """What /containers/ID/json says. Raises WrongShape."""
    known = as_object(answer)
    state, logging = _object(known, "State"), _object(_object(known, "HostConfig"), "LogConfig")
    options = _object(logging, "Config")
    running = state.get("Running") is True
    return ContainerDetails(
        id=text(known, "Id"),
        tty=_object(known, "Config").get("Tty") is True,
        running=running,
        state=text(state, "Status") or ("running" if running else "exited"),
        started_at=_time(state, "StartedAt"),
        finished_at=_time(state, "FinishedAt"),
        exit_code=number(state, "ExitCode"),
        restart_count=number(known, "RestartCount"),
        log_driver=text(logging, "Type"),
        log_options={name: value for name, value in options.items() if isinstance(value, str)},
    )


def service_of(labels: Mapping[str, str], name: str) -> str:
    """The service that a container's labels name, else the container's own name."""
    return next((one_line(labels[label]) for label in _SERVICE_LABELS if labels.get(label)), name)


def one_line(value: str, longest: int = _LONGEST) -> str:
    """`value` as it can be shown anywhere: what does not print is replaced, what is too long is cut."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in value[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def as_object(value: Any) -> dict[str, Any]:
    """`value` if it is a JSON object. Raises WrongShape."""
    if not isinstance(value, dict):
        raise WrongShape("no object")
    return value


def text(known: Mapping[str, Any], key: str) -> str:
    """The printable text under `key`; empty where there is none."""
    value = known.get(key)
    return one_line(value) if isinstance(value, str) else ""


def number(known: Mapping[str, Any], key: str) -> int:
    """The whole number under `key`; 0 where there is none."""
    value = known.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _container(known: Mapping[str, Any]) -> Container:
    identity = text(known, "Id")
    if not identity:
        raise WrongShape("a container without an ID")
    labels = {name: value for name, value in _object(known, "Labels").items() if isinstance(value, str)}
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
    """Its own name: the one without a second slash, which is a link's."""
    names = known.get("Names")
    listed = names if isinstance(names, list) else []
    texts = [name.removeprefix("/") for name in listed if isinstance(name, str)]
    return one_line(min(texts, key=lambda name: name.count("/"), default=""))


def _state_in(status: str) -> str:
    """The state in the words that engines below API 1.23 have alone: `Up 2 hours (Paused)`."""
    if status.startswith("Up"):
        return "paused" if status.endswith("(Paused)") else "running"
    first = status.partition(" ")[0].lower()
    return {"removal": "removing", "": "created"}.get(first, first)


def _object(known: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = known.get(key)
    return value if isinstance(value, dict) else {}


def _time(known: Mapping[str, Any], key: str) -> str:
    """A time; empty where it is Go's zero, in the year 1, which means never."""
    value = text(known, key)
    return "" if value.startswith("0001-") else value
