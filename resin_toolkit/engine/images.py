"""The images of an engine. Source: the Docker Engine API, /images, since 1.22."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from resin_toolkit.engine.api_client import SLOW, ApiClient, filters
from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.error_responses import no_such_image
from resin_toolkit.engine.image_models import Image, ImageDetails, image_details_of, images_of
from resin_toolkit.engine.progress_messages import (
    FailureMessage,
    ProgressMessage,
    parse_messages,
    read_objects,
)
from resin_toolkit.engine.transport.raw_stream import RawStream
from resin_toolkit.errors import EngineFailed, ImageNotFound, ServiceNotFound
from resin_toolkit.untrusted_json import one_line

_REFERENCE = re.compile(r"[A-Za-z0-9][\w.:/@-]*", re.ASCII)
_ABSENT = re.compile(r"not found|manifest unknown|access denied|does not exist", re.IGNORECASE)
"""What registries report for an image that they do not have, or only for certain users."""

__all__ = ["Image", "ImageDetails", "Images", "is_reference"]


class Images:
    """The images of `engine`, by ID, NAME:TAG or NAME@DIGEST.

    All methods raise EngineFailed and Unreachable.
    """

    def __init__(self, engine: Engine) -> None:
        self._api = ApiClient(engine)

    def list(
        self, labels: Sequence[str] = (), *, dangling: bool | None = None, all: bool = False
    ) -> list[Image]:
        """The images that have all of `labels`, each `name` or `name=value`.

        `dangling` selects images without a tag, or with one; `all` includes intermediate images of builds.
        """
        wanted = () if dangling is None else ("true" if dangling else "false",)
        return self._api.get(
            "/images/json",
            images_of,
            filters=filters(label=labels, dangling=wanted),
            all="1" if all else "",
        )

    def inspect(self, reference: str) -> ImageDetails | None:
        """The details of an image; None if it does not exist."""
        try:
            return self._api.get(self._path(reference, "/json"), image_details_of)
        except ImageNotFound:
            return None

    def tag(self, reference: str, repository: str, tag: str) -> None:
        """Tag an image as `repository:tag`; the image that had this tag loses it. Raises ImageNotFound."""
        self._api.post(self._path(reference, "/tag"), repo=repository, tag=tag)

    def remove(self, reference: str, *, force: bool = False) -> None:
        """Remove a tag, and with the last one the image and its untagged parents, if it exists.

        `force` also removes an image with several tags, or that a stopped container uses. Raises EngineFailed
        with status 409 if a container or another image needs it.
        """
        try:
            self._api.delete(self._path(reference), force="1" if force else "")
        except ImageNotFound:
            return

    def pull(self, reference: str, *, credentials: str = "") -> Iterator[ProgressMessage]:
        """Pull an image from its registry; closing the iterator cancels it. Raises ImageNotFound.

        `credentials` are those of `Credentials.for_pull`.
        """
        name, tag = _split_reference(reference)
        path = self._api.path("/images/create", fromImage=name, tag=tag)
        headers = {"X-Registry-Auth": credentials} if credentials else {}
        try:
            stream = self._api.connections.stream(path, "POST", within=SLOW, headers=headers)
        except (EngineFailed, ServiceNotFound) as error:
            if error.facts.get("status") != 404:
                raise
            raise ImageNotFound(error.message, hint=error.hint, status=404) from error
        with stream:
            for known in read_objects(stream.read, self._api.host):
                yield from self._messages(known, reference)

    def load(self, body: Iterable[bytes]) -> Iterator[ProgressMessage]:
        """Load images from an archive as `save` returns it; closing the iterator cancels it.

        Below API 1.23 there are no messages. Raises what `body` raises.
        """
        path = self._api.path("/images/load", quiet="0")
        with self._api.connections.upload("POST", path, body) as uploading:
            for known in read_objects(uploading.read, self._api.host):
                yield from self._messages(known, "")

    def save(self, references: Sequence[str]) -> RawStream:
        """Open images as one archive (`docker save`). Raises ImageNotFound."""
        names = urlencode([("names", reference) for reference in references])
        path = f"{self._api.path('/images/get')}?{names}"
        # The engine writes the whole archive to a file first.
        try:
            return self._api.connections.stream(path, within=None)
        except EngineFailed as error:
            if "does not exist" not in error.message:
                raise
            raise ImageNotFound(
                f"{self._api.host} does not have all of the images {one_line(', '.join(references))}.",
                hint="Check the spelling of their names.",
                status=error.facts.get("status"),
            ) from error

    def _messages(self, known: Mapping[str, Any], reference: str) -> Iterator[ProgressMessage]:
        for message in parse_messages(known):
            if not isinstance(message, FailureMessage):
                yield message
                continue
            if reference and _ABSENT.search(message.words):
                raise ImageNotFound(
                    f"There is no image {one_line(reference)} for {self._api.host}: {message.words}.",
                    hint="Check the spelling of its name. A private image requires a `docker login` here.",
                )
            raise EngineFailed(
                f"The engine of {self._api.host} reports: {message.words}.",
                hint="The message is the engine's own.",
                words=message.words,
            )

    def _path(self, reference: str, action: str = "") -> str:
        if not is_reference(reference):
            raise no_such_image(self._api.host, f"no such image: {one_line(reference)}")
        return f"/images/{reference}{action}"


def is_reference(text: str) -> bool:
    """Whether `text` can be the name or ID of an image, and is safe in a path."""
    return bool(_REFERENCE.fullmatch(text)) and ".." not in text and "//" not in text


def _split_reference(reference: str) -> tuple[str, str]:
    """The name of an image and its tag or digest; a colon before a slash precedes a port."""
    name, at, digest = reference.partition("@")
    if at:
        return name, digest
    head, colon, tag = reference.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (reference, "latest")
