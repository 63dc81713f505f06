"""An image of the workstation, of its own engine or in an archive, sent to the engine of a device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resin_toolkit.engine import Engine
from resin_toolkit.engine.images import ImageDetails
from resin_toolkit.engine.models import one_line
from resin_toolkit.engine.workstation_engine import WorkstationEngine, connect_workstation
from resin_toolkit.errors import (
    BadValue,
    ImageNotFound,
    Notice,
    NotPermitted,
    Unreachable,
    from_os_error,
)
from resin_toolkit.progress import Step
from resin_toolkit.push.apply.listener import DeploymentListener
from resin_toolkit.push.plan.architecture import can_run, is_same_architecture
from resin_toolkit.push.transfer.archive import Archive, read_saved_image
from resin_toolkit.push.transfer.decompression import Readable
from resin_toolkit.push.transfer.layer_content import ImageLayers, open_spool
from resin_toolkit.push.transfer.manifests import ArchivedImage, with_tag
from resin_toolkit.push.transfer.upload import ImageToSend, upload_image

_NO_ENGINE = (NotPermitted, Unreachable)
_SHOWN = 10


def send_if_here(engine: Engine, reference: str, listener: DeploymentListener, subject: str) -> bool:
    """Send an image by its name, if the workstation's engine has it; whether it has been sent.

    False also where it is for another processor than the device's, of which `listener` is warned, and where
    `reference` names what no engine can be told that it has: what a registry calls by a digest.
    Raises Unreachable and EngineFailed where the device does not take it.
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
            words = f"{reference} on this workstation is for {found.architecture}, and {engine.host} is "
            listener.warn(Notice("other-architecture", f"{words}{engine.facts.architecture}."))
            return False
        upload_image(engine, _of_engine(local, found, reference, listener, subject), listener, subject)
        return True


def send_image(engine: Engine, word: str, listener: DeploymentListener, subject: str) -> str:
    """Send an image: of the archive `word` if that is a file, else what the workstation's engine calls so.

    The name that it has on the device, or its ID where it has none. Raises ImageNotFound where there is
    neither, BadValue where it is no image, several, or one for another processor, and ImageDamaged.
    """
    path = Path(word)
    if path.is_file():
        return _send_archive(engine, path, listener, subject)
    try:
        local = connect_workstation()
    except _NO_ENGINE as error:
        raise ImageNotFound(
            f"There is no file {one_line(word)}, and no engine here that could have an image of that name.",
            hint=error.message,
        ) from error
    with local:
        found = local.inspect(word)
        if found is None:
            raise ImageNotFound(
                f"There is neither a file {one_line(word)} nor an image of that name on this workstation.",
                hint="`docker image ls` shows the images.",
            )
        _check(engine, word, found.architecture)
        return upload_image(engine, _of_engine(local, found, word, listener, subject), listener, subject)


def _send_archive(engine: Engine, path: Path, listener: DeploymentListener, subject: str) -> str:
    try:
        file = path.open("rb")
    except OSError as error:
        raise from_os_error(error, path) from error
    with file:
        archive = Archive(file, str(path))
        image = _chosen(archive.images, path, engine)
        _check(engine, image.name, image.architecture)
        wanted = ImageToSend(
            name=image.tags[0] if image.tags else path.name,
            id=image.id,
            layers=image.layers,
            tags=image.tags,
            architecture=image.architecture,
            opened=lambda there: archive.opened(image, there),
        )
        return upload_image(engine, wanted, listener, subject)


def _chosen(images: list[ArchivedImage], path: Path, engine: Engine) -> ArchivedImage:
    """The one image; of one that is there for several processors, that of the device."""
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
        raise BadValue(
            f"There is no image in {path}.", hint="Save one with `docker save NAME --output FILE`."
        )
    names = [image.tags[0] if image.tags else image.id[:19] for image in images]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    raise BadValue(
        f"There are {len(images)} images in {path}: {', '.join(names[:_SHOWN])}{more}.",
        hint="Save the one that is meant alone: `docker save NAME --output FILE`.",
        images=names,
    )


def _check(engine: Engine, name: str, architecture: str) -> None:
    if not can_run(architecture, engine.facts.architecture):
        raise BadValue(
            f"{one_line(name)} is for {architecture}, and {engine.host} is {engine.facts.architecture}.",
            hint="Build it for the device: `docker build --platform` says for which.",
        )


def _of_engine(
    local: WorkstationEngine, found: ImageDetails, reference: str, listener: DeploymentListener, subject: str
) -> ImageToSend:
    @contextmanager
    def opened(there: frozenset[str]) -> Iterator[tuple[ArchivedImage, ImageLayers]]:
        listener.step(subject, f"reading {reference} from the engine of this workstation")
        with open_spool() as spool:
            # By its ID it is saved alone: a name without a tag stands for all of its tags.
            with (
                local.save(found.id) as stream,
                listener.progress.step("reading", None, subject=subject) as step,
            ):
                taken = read_saved_image(_Heard(stream, step), spool, reference, found.layers, there)
            yield taken

    return ImageToSend(
        name=reference,
        id=found.id,
        layers=found.layers,
        tags=_tags(reference, found),
        architecture=found.architecture,
        opened=opened,
    )


def _tags(reference: str, found: ImageDetails) -> tuple[str, ...]:
    """What the image shall be called on the device: nothing if it was asked for by its ID or digest."""
    name = with_tag(reference)
    digits = found.id.rpartition(":")[2]
    is_id = digits.startswith(reference.removeprefix("sha256:")) and name not in found.tags
    return () if is_id or "@" in reference else (name,)


@dataclass(frozen=True)
class _Heard:
    """A stream of which is told how far it is read."""

    stream: Readable
    step: Step

    def read(self, size: int, /) -> bytes:
        data = self.stream.read(size)
        self.step.advance(len(data))
        return data
