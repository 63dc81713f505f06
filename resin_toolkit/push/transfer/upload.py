"""Uploading one image to a device in batches of layers, which survive an interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from resin_toolkit.engine import Engine
from resin_toolkit.engine.images import Images
from resin_toolkit.errors import EngineFailed
from resin_toolkit.progress import Step
from resin_toolkit.push.apply.listener import DeploymentListener
from resin_toolkit.push.transfer.layer_content import ImageLayers
from resin_toolkit.push.transfer.manifests import ArchivedImage
from resin_toolkit.push.transfer.partial_archive import full_archive, partial_archive
from resin_toolkit.push.transfer.receiver import ImageReceiver
from resin_toolkit.terminal.screen import format_size

BATCH = 16 * 1024 * 1024
"""The smallest batch in bytes, except the last: each load costs the engine time."""

OpenImage = Callable[[frozenset[str]], AbstractContextManager[tuple[ArchivedImage, ImageLayers]]]
"""Opens an image, with those of its layers whose digests are not in the argument."""


@dataclass(frozen=True)
class ImageToSend:
    """An image to send to a device."""

    name: str
    """Its name in messages."""
    id: str
    layers: tuple[str, ...]
    tags: tuple[str, ...]
    """Its names on the device; may be empty."""
    architecture: str
    open: OpenImage


def upload_image(engine: Engine, wanted: ImageToSend, listener: DeploymentListener, subject: str) -> str:
    """Send what the device lacks of an image; return its name there, or its ID if it has no name.

    It is sent in partial images of ever more layers, which stay on the device if the transfer is interrupted,
    and are removed once it is complete.
    """
    images, receiver = Images(engine), ImageReceiver(engine)
    layers = wanted.layers
    if images.inspect(wanted.id) is not None:
        listener.step(subject, f"{engine.host} already has {wanted.name}")
        _tag(images, wanted)
        loaded = wanted.id
    else:
        present = receiver.count_present(layers, wanted.architecture)
        first = present or 0
        with wanted.open(frozenset(layers[:first]) - frozenset(layers[first:])) as (image, content):
            upload = _Upload(receiver, image, content, wanted, listener, subject)
            loaded = upload.send_whole() if present is None else upload.send_parts(present)
            layers = image.layers
    receiver.clean_up(layers)
    return _name_on_device(images, wanted, loaded)


def _tag(images: Images, wanted: ImageToSend) -> None:
    for tag in wanted.tags:
        repository, _, version = tag.rpartition(":")
        images.tag(wanted.id, repository, version)


def _name_on_device(images: Images, wanted: ImageToSend, loaded: str) -> str:
    """The image's name on the device. An engine with another image store gives it another ID."""
    for name in (*wanted.tags, wanted.id, loaded):
        if name and images.inspect(name) is not None:
            return name
    raise EngineFailed(
        f"The device loaded {wanted.name}, but does not have it.",
        hint="Check whether its disk is full, and push again.",
    )


@dataclass(frozen=True)
class _Upload:
    """The transfer of one image."""

    receiver: ImageReceiver
    image: ArchivedImage
    content: ImageLayers
    wanted: ImageToSend
    listener: DeploymentListener
    subject: str

    def send_parts(self, present: int) -> str:
        """Send the layers from number `present` on; return the name or ID that the engine reports."""
        layers = self.image.layers
        batches = _batches([self.content.size(layer) for layer in layers[present:]], present)
        loaded = ""
        with self._step(batches) as step:
            for first, end in batches:
                try:
                    loaded = self._load(first, end, step)
                except EngineFailed:
                    if (
                        present
                        or not first
                        or self.receiver.has_layers(layers[:first], self.image.architecture)
                    ):
                        raise
                    break
            else:
                return loaded
        # The engine accepts no archive with missing layers. All of them are available.
        return self.send_whole()

    def send_whole(self) -> str:
        """Send the complete image."""
        batch = (0, len(self.image.layers))
        with self._step([batch]) as step:
            return self._load(*batch, step)

    def _load(self, first: int, end: int, step: Step) -> str:
        layers, watched = self.image.layers, _CountedLayers(self.content, step)
        if end == len(layers):
            return self.receiver.load(full_archive(self.image, watched, first, self.wanted.tags))
        return self.receiver.load(partial_archive(layers[:end], self.image.architecture, watched, first))

    def _step(self, batches: Sequence[tuple[int, int]]) -> Step:
        layers = self.image.layers
        sent = [layer for first, end in batches for layer in dict.fromkeys(layers[first:end])]
        total = sum(map(self.content.size, sent))
        count = f"{len(layers) - batches[0][0]} of {len(layers)} layers"
        what = f"{format_size(total)}, {count}" if sent else "all layers are on the device"
        self.listener.step(self.subject, f"sending {self.wanted.name}: {what}")
        return self.listener.progress.step("sending", total, subject=self.subject)


@dataclass(frozen=True)
class _CountedLayers:
    """Layers whose bytes advance a step as they are sent."""

    content: ImageLayers
    step: Step

    def size(self, digest: str, /) -> int:
        return self.content.size(digest)

    def read(self, digest: str, /) -> Iterator[bytes]:
        for data in self.content.read(digest):
            yield data
            self.step.advance(len(data))


def _batches(sizes: Sequence[int], present: int) -> list[tuple[int, int]]:
    """The first and last-plus-one layer of each batch; `sizes` are those of the layers from `present` on.

    A large layer starts a batch, so that its interruption does not lose the layers before it.
    """
    batches, first, size = [], present, 0
    for number, own in enumerate(sizes, present):
        if number > first and (size >= BATCH or own >= BATCH):
            batches.append((first, number))
            first, size = number, 0
        size += own
    return [*batches, (first, present + len(sizes))]
