"""What an engine says of its images, out of JSON that anybody may have written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resin_toolkit.engine.api_client import labels_of, list_of, object_of, texts_of
from resin_toolkit.engine.models import WrongShape, as_object, number, one_line, text

_UNNAMED = "<none>:<none>"


@dataclass(frozen=True)
class Image:
    """An image, as the list of images shows it."""

    id: str
    """With its kind: `sha256:…`."""
    tags: tuple[str, ...]
    """Its names, each NAME:TAG; none where it has none."""
    labels: Mapping[str, str]
    created: int
    """Seconds since 1970."""
    size: int
    """Bytes, with those that it shares with others."""
    parent: str
    """The ID of the image that it was built on; empty where that is not here."""


@dataclass(frozen=True)
class ImageDetails:
    """An image, as looking into it alone shows it. What its maker did not say is empty.

    The words of its configuration are as they are; `tags`, `architecture`, `os` and `variant` are printable.
    """

    id: str
    tags: tuple[str, ...]
    architecture: str
    """As Go says it: arm, arm64, amd64, 386."""
    os: str
    variant: str
    """Of the architecture: `v7`; also empty below API 1.41."""
    layers: tuple[str, ...]
    """The digests of its layers when unpacked, the lowest first; empty below API 1.23."""
    labels: Mapping[str, str]
    command: tuple[str, ...]
    entrypoint: tuple[str, ...]
    environment: tuple[str, ...]
    """Each NAME=VALUE."""
    working_dir: str
    user: str
    stop_signal: str
    exposed_ports: tuple[str, ...]
    """Each PORT/PROTOCOL."""
    has_healthcheck: bool
    volumes: tuple[str, ...]
    config: Mapping[str, Any]
    """All of its configuration, in the engine's own form."""
    created: str
    """RFC 3339."""


def images_of(answer: Any) -> list[Image]:
    """What /images/json says. Raises WrongShape."""
    return [
        Image(
            id=_identity(known),
            tags=_tags(known),
            labels=labels_of(known),
            created=number(known, "Created"),
            size=number(known, "Size"),
            parent=text(known, "ParentId"),
        )
        for known in list_of(answer)
    ]


def details_of(answer: Any) -> ImageDetails:
    """What /images/NAME/json says. Raises WrongShape."""
    known = as_object(answer)
    config = object_of(known, "Config")
    return ImageDetails(
        id=_identity(known),
        tags=_tags(known),
        architecture=text(known, "Architecture"),
        os=text(known, "Os"),
        variant=text(known, "Variant"),
        layers=texts_of(object_of(known, "RootFS"), "Layers"),
        labels=labels_of(config),
        command=texts_of(config, "Cmd"),
        entrypoint=texts_of(config, "Entrypoint"),
        environment=texts_of(config, "Env"),
        working_dir=_as_it_is(config, "WorkingDir"),
        user=_as_it_is(config, "User"),
        stop_signal=_as_it_is(config, "StopSignal"),
        exposed_ports=tuple(object_of(config, "ExposedPorts")),
        has_healthcheck=texts_of(object_of(config, "Healthcheck"), "Test")[:1] not in ((), ("NONE",)),
        volumes=tuple(object_of(config, "Volumes")),
        config=config,
        created=text(known, "Created"),
    )


def _tags(known: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(one_line(tag) for tag in texts_of(known, "RepoTags") if tag != _UNNAMED)


def _as_it_is(known: Mapping[str, Any], key: str) -> str:
    value = known.get(key)
    return value if isinstance(value, str) else ""


def _identity(known: Mapping[str, Any]) -> str:
    identity = text(known, "Id")
    if not identity:
        raise WrongShape("an image without an ID")
    return identity
