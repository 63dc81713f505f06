"""Sending an image of the workstation's engine, or of an archive, to a device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resin_toolkit.engine import Engine
from resin_toolkit.engine.images import ImageDetails
from resin_toolkit.engine.workstation_engine import WorkstationEngine, connect_workstation
from resin_toolkit.errors import (
    BadValue,
    ImageNotFound,
    Notice,
    NotPermitted,
    Unreachable,
    from_os_error,
)
from resin_toolkit.memory_limit import DEFAULT_MEMORY_LIMIT
from resin_toolkit.progress import Step
from resin_toolkit.push.apply.listener import DeploymentListener
from resin_toolkit.push.plan.architecture import can_run, is_same_architecture
from resin_toolkit.push.transfer.archive import Archive, read_saved_image
from resin_toolkit.push.transfer.decompression import Readable
from resin_toolkit.push.transfer.layer_content import ImageLayers, open_spool
from resin_toolkit.push.transfer.manifests import ArchivedImage, with_tag
from resin_toolkit.push.transfer.upload import ImageToSend, upload_image
from resin_toolkit.untrusted_json import one_line

_NO_ENGINE = (NotPermitted, Unreachable)
_SHOWN = 10


def send_if_here(engine: Engine, reference: str, listener: DeploymentListener, subject: str) -> bool:
    """Send an image by its name if the workstation's engine has it; return whether it was sent.

    Returns False, with a warning, for an image of another architecture, and for a reference with a digest,
    which only a registry can resolve. Raises Unreachable and EngineFailed if the device does not accept it.
    """
    if "@" in reference:
        return False
    try:
        local = connect_workstation()
    except _NO_ENGINE:
        return False
    with local:
        try:
            found = local.inspect(reference)
        except _NO_ENGINE:
            return False
        if found is None:
            return False
        if not can_run(found.architecture, engine.facts.architecture):
            text = f"{reference} on this workstation is built for {found.architecture}, but {engine.host} is "
            listener.warn(Notice("other-architecture", f"{text}{engine.facts.architecture}."))
            return False
        upload_image(engine, _image_of_engine(local, found, reference, listener, subject), listener, subject)
        return True


def send_image(
    engine: Engine,
    word: str,
    listener: DeploymentListener,
    subject: str,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
) -> str:
    """Send the image in the archive `word` if that is a file, else the workstation's image of that name.

    Returns its name on the device, or its ID if it has none. Raises ImageNotFound if there is neither, and
    BadValue for a file that is no archive, several images, or another architecture; ImageDamaged; and
    MemoryLimitExceeded if decompressing the archive needs more than `memory_limit` bytes.
    """
    path = Path(word)
    if os.path.isfile(path):  # noqa: PTH113 - a path that is too long is no file
        return _send_archive(engine, path, listener, subject, memory_limit)
    try:
        local = connect_workstation()
    except _NO_ENGINE as error:
        raise ImageNotFound(
            f"There is no file {one_line(word)}, and no engine on this workstation to look for an image.",
            hint=error.message,
        ) from error
    with local:
        found = local.inspect(word)
        if found is None:
            raise ImageNotFound(
                f"There is neither a file {one_line(word)} nor an image of that name on this workstation.",
                hint="List the images with `docker image ls`.",
            )
        _check_architecture(engine, word, found.architecture)
        return upload_image(
            engine, _image_of_engine(local, found, word, listener, subject), listener, subject
        )


def _send_archive(
    engine: Engine, path: Path, listener: DeploymentListener, subject: str, memory_limit: int
) -> str:
    try:
        file = path.open("rb")
    except OSError as error:
        raise from_os_error(error, path) from error
    with file:
        archive = Archive(file, str(path), memory_limit)
        image = _select_image(archive.images, path, engine)
        _check_architecture(engine, image.name, image.architecture)
        wanted = ImageToSend(
            name=image.tags[0] if image.tags else path.name,
            id=image.id,
            layers=image.layers,
            tags=image.tags,
            architecture=image.architecture,
            open=lambda present: archive.open(image, present),
        )
        return upload_image(engine, wanted, listener, subject)


def _select_image(images: list[ArchivedImage], path: Path, engine: Engine) -> ArchivedImage:
    """The only image, or of one for several architectures, the one for the device."""
    if len(images) > 1 and len({image.tags for image in images}) == 1:
        own = engine.facts.architecture
        images = (
            [image for image in images if is_same_architecture(image.architecture, own)]
            or [image for image in images if can_run(image.architecture, own)]
            or images
        )
    if len(images) == 1:
        return images[0]
    if not images:
        raise BadValue(f"{path} contains no image.", hint="Save one with `docker save NAME --output FILE`.")
    names = [image.tags[0] if image.tags else image.id[:19] for image in images]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    raise BadValue(
        f"{path} contains {len(images)} images: {', '.join(names[:_SHOWN])}{more}.",
        hint="Save only the image to send: `docker save NAME --output FILE`.",
        images=names,
    )


def _check_architecture(engine: Engine, name: str, architecture: str) -> None:
    if not can_run(architecture, engine.facts.architecture):
        raise BadValue(
            f"{one_line(name)} is for {architecture}, but {engine.host} is {engine.facts.architecture}.",
            hint="Build it for the device with `docker build --platform`.",
        )


def _image_of_engine(
    local: WorkstationEngine, found: ImageDetails, reference: str, listener: DeploymentListener, subject: str
) -> ImageToSend:
    @contextmanager
    def open_image(present: frozenset[str]) -> Iterator[tuple[ArchivedImage, ImageLayers]]:
        listener.step(subject, f"reading {reference} from this workstation's engine")
        with open_spool() as spool:
            # By ID, because a name without a tag means all of its tags.
            with (
                local.save(found.id) as stream,
                listener.progress.step("reading", None, subject=subject) as step,
            ):
                taken = read_saved_image(
                    _CountedStream(stream, step), spool, reference, found.layers, present
                )
            yield taken

    return ImageToSend(
        name=reference,
        id=found.id,
        layers=found.layers,
        tags=_tags(reference, found),
        architecture=found.architecture,
        open=open_image,
    )


def _tags(reference: str, found: ImageDetails) -> tuple[str, ...]:
    """The name to give the image on the device; empty if it was named by its ID or digest."""
    name = with_tag(reference)
    digits = found.id.rpartition(":")[2]
    is_id = digits.startswith(reference.removeprefix("sha256:")) and name not in found.tags
    return () if is_id or "@" in reference else (name,)


@dataclass(frozen=True)
class _CountedStream:
    """A stream whose bytes advance a step as they are read."""

    stream: Readable
    step: Step

    def read(self, size: int, /) -> bytes:
        data = self.stream.read(size)
        self.step.advance(len(data))
        return data
