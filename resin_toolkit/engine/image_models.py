"""Facts about images, parsed from an engine's answers. Source: the Docker Engine API, /images, since 1.22."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resin_toolkit.untrusted_json import (
    WrongShape,
    as_object,
    as_objects,
    named_texts_of,
    object_of,
    one_line,
    text,
    texts_of,
)

_UNTAGGED = "<none>:<none>"


@dataclass(frozen=True)
class Image:
    """An image in a list of images."""

    id: str
    """The ID with its hash algorithm: `sha256:…`."""
    tags: tuple[str, ...]
    """Each NAME:TAG."""
    labels: Mapping[str, str]


@dataclass(frozen=True)
class ImageDetails:
    """The details of one image."""

    id: str
    tags: tuple[str, ...]
    architecture: str
    """As Go names it: `arm`, `arm64`, `amd64`, `386`."""
    layers: tuple[str, ...]
    """The digests of the unpacked layers, the lowest first; empty below API 1.23."""
    config: Mapping[str, Any]
    """The whole configuration as the engine's API has it (`Config`)."""


def images_of(answer: Any) -> list[Image]:
    """Parse the answer of /images/json. Raises WrongShape."""
    return [
        Image(
            id=_identity(known),
            tags=_tags(known),
            labels=named_texts_of(known, "Labels"),
        )
        for known in as_objects(answer)
    ]


def image_details_of(answer: Any) -> ImageDetails:
    """Parse the answer of /images/NAME/json. Raises WrongShape."""
    known = as_object(answer)
    return ImageDetails(
        id=_identity(known),
        tags=_tags(known),
        architecture=text(known, "Architecture"),
        layers=texts_of(object_of(known, "RootFS"), "Layers"),
        config=object_of(known, "Config"),
    )


def _tags(known: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(one_line(tag) for tag in texts_of(known, "RepoTags") if tag != _UNTAGGED)


def _identity(known: Mapping[str, Any]) -> str:
    identity = text(known, "Id")
    if not identity:
        raise WrongShape("an image without an ID")
    return identity
