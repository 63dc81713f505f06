"""The images of an engine. Source: the Docker Engine API, /images, since 1.22."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlencode

from resin_toolkit.engine.api_client import SLOW, ApiClient, filters
from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.image_models import Image, ImageDetails, details_of, images_of
from resin_toolkit.engine.models import one_line
from resin_toolkit.engine.progress_messages import Failed, Kind, Progressed, messages_in, objects_in
from resin_toolkit.engine.transport.raw_stream import RawStream
from resin_toolkit.errors import EngineFailed, ImageNotFound, ServiceNotFound

_REFERENCE = re.compile(r"[A-Za-z0-9][\w.:/@-]*", re.ASCII)
_ABSENT = re.compile(r"not found|manifest unknown|access denied|does not exist", re.IGNORECASE)
"""What registries say where they have no such image, or not for everybody."""

__all__ = ["Image", "ImageDetails", "Images", "Kind", "Progressed"]


class Images:
    """The images of `engine`, each by its ID, NAME:TAG or NAME@DIGEST.

    All raise EngineFailed where the engine refuses, and Unreachable where the connection breaks.
    """

    def __init__(self, engine: Engine) -> None:
        self._api = ApiClient(engine)

    def list(
        self, labels: Sequence[str] = (), *, dangling: bool | None = None, all: bool = False
    ) -> list[Image]:
        """Its images; those that have all of `labels`, each `name` or `name=value`.

        `dangling` chooses those without a name, or with one; `all` adds those that builds made on the way.
        """
        wanted = () if dangling is None else ("true" if dangling else "false",)
        return self._api.get(
            "/images/json",
            images_of,
            filters=filters(label=labels, dangling=wanted),
            all="1" if all else "",
        )

    def inspect(self, reference: str) -> ImageDetails | None:
        """What it knows of one image; None where it has none of that name."""
        try:
            return self._api.get(self._path(reference, "/json"), details_of)
        except ImageNotFound:
            return None

    def tag(self, reference: str, repository: str, tag: str) -> None:
        """Give an image a further name, taken from the image that has it. Raises ImageNotFound."""
        self._api.post(self._path(reference, "/tag"), repo=repository, tag=tag)

    def remove(self, reference: str, *, force: bool = False, prune: bool = True) -> None:
        """Take an image its name and, with its last name, remove it, if it is there.

        `force` also takes it several names, and removes it from under a container that has ended; `prune`
        also removes what it was made from, where that has no name. Raises EngineFailed with the status 409
        where a container has it, or another image stands on it.
        """
        try:
            self._api.delete(self._path(reference), force="1" if force else "", noprune="" if prune else "1")
        except ImageNotFound:
            return

    def pull(self, reference: str, platform: str = "", *, credentials: str = "") -> Iterator[Progressed]:
        """Fetch an image from its registry; what is told meanwhile. Raises ImageNotFound.

        `credentials` is what `Credentials.for_pull` gives.
        Below API 1.32 it is always the one for the engine's own platform. Closing the iterator ends it.
        """
        name, tag = _parted(reference)
        chosen = platform if self._api.speaks(1, 32) else ""
        path = self._api.path("/images/create", fromImage=name, tag=tag, platform=chosen)
        headers = {"X-Registry-Auth": credentials} if credentials else {}
        try:
            wire, response = self._api.connections.stream(path, "POST", within=SLOW, headers=headers)
        except (EngineFailed, ServiceNotFound) as error:
            if error.facts.get("status") != 404:
                raise
            raise ImageNotFound(error.message, hint=error.hint, status=404) from error
        with RawStream(self._api.host, wire, response) as stream:
            for said in objects_in(stream.read, self._api.host):
                yield from self._progressed(said, reference)

    def load(self, body: Iterable[bytes]) -> Iterator[Progressed]:
        """Take images from an archive as `save` gives it; what is told meanwhile, nothing below API 1.23.

        What `body` raises is raised. Closing the iterator ends it.
        """
        path = self._api.path("/images/load", quiet="0")
        with self._api.connections.sending("POST", path, body) as sending:
            for said in objects_in(sending.read, self._api.host):
                yield from self._progressed(said, "")

    def save(self, references: Sequence[str]) -> RawStream:
        """Images as one archive, to be closed by the caller. Raises ImageNotFound."""
        names = urlencode([("names", reference) for reference in references])
        path = f"{self._api.path('/images/get')}?{names}"
        # The engine writes all of it into a file first.
        try:
            wire, response = self._api.connections.stream(path, within=None)
        except EngineFailed as error:
            if "does not exist" not in error.message:
                raise
            raise ImageNotFound(
                f"{self._api.host} lacks one of the images {one_line(', '.join(references))}.",
                hint="Are their names spelled right?",
                status=error.facts.get("status"),
            ) from error
        return RawStream(self._api.host, wire, response)

    def _progressed(self, said: object, reference: str) -> Iterator[Progressed]:
        for message in messages_in(said):  # type: ignore[arg-type]
            if not isinstance(message, Failed):
                yield message
                continue
            if reference and _ABSENT.search(message.words):
                raise ImageNotFound(
                    f"There is no image {one_line(reference)} for {self._api.host}: {message.words}.",
                    hint="Is its name spelled right? A private one needs a `docker login` here.",
                )
            raise EngineFailed(
                f"The engine of {self._api.host} fails: {message.words}.",
                hint="The words are the engine's own.",
            )

    def _path(self, reference: str, rest: str = "") -> str:
        if not is_reference(reference):
            raise ImageNotFound(
                f"{self._api.host}: no such image: {one_line(reference)}.",
                hint="Is its name spelled right?",
            )
        return f"/images/{reference}{rest}"


def is_reference(text: str) -> bool:
    """Whether `text` can name an image, and stand in a path."""
    return bool(_REFERENCE.fullmatch(text)) and ".." not in text and "//" not in text


def _parted(reference: str) -> tuple[str, str]:
    """The name of an image and its tag or digest; a colon before a slash is that of a port."""
    name, at, digest = reference.partition("@")
    if at:
        return name, digest
    head, colon, tag = reference.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (reference, "latest")
