"""Bringing one image to a device, bit by bit: what has arrived stays, whatever cuts the rest."""

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
"""Bytes that are at least sent at a time, but for the last ones: each load costs an engine some work."""

OpenImage = Callable[[frozenset[str]], AbstractContextManager[tuple[ArchivedImage, ImageLayers]]]
"""Gives an image, and those of its layers whose digests are not among these."""


@dataclass(frozen=True)
class ImageToSend:
    """An image that is to be on a device."""

    name: str
    """What it is called when it is told of."""
    id: str
    layers: tuple[str, ...]
    tags: tuple[str, ...]
    """What it shall be called there; may be empty."""
    architecture: str
    opened: OpenImage


def upload_image(engine: Engine, wanted: ImageToSend, listener: DeploymentListener, subject: str) -> str:
    """Send what the device lacks of an image; its name there, or its ID where it shall have none.

    It is sent in parts, each an image of the layers up to there, that stay on the device when the rest is cut
    off, for the next time. They are removed once all of it is there.
    """
    images, receiver = Images(engine), ImageReceiver(engine)
    layers = wanted.layers
    if images.inspect(wanted.id) is not None:
        listener.step(subject, f"{engine.host} has {wanted.name} already")
        _name(images, wanted)
        said = wanted.id
    else:
        held = receiver.held(layers, wanted.architecture)
        first = held or 0
        with wanted.opened(frozenset(layers[:first]) - frozenset(layers[first:])) as (image, content):
            going = _Going(receiver, image, content, wanted, listener, subject)
            said = going.at_once() if held is None else going.in_parts(held)
            layers = image.layers
    receiver.tidy(layers)
    return _arrived(images, wanted, said)


def _name(images: Images, wanted: ImageToSend) -> None:
    for tag in wanted.tags:
        repository, _, version = tag.rpartition(":")
        images.tag(wanted.id, repository, version)


def _arrived(images: Images, wanted: ImageToSend, said: str) -> str:
    """What the image is called on the device; engines of another kind than the sender give it another ID."""
    for name in (*wanted.tags, wanted.id, said):
        if name and images.inspect(name) is not None:
            return name
    raise EngineFailed(
        f"The device took {wanted.name}, and has it not.", hint="Is its disk full? Push it once more."
    )


@dataclass(frozen=True)
class _Going:
    """One image on its way."""

    receiver: ImageReceiver
    image: ArchivedImage
    content: ImageLayers
    wanted: ImageToSend
    listener: DeploymentListener
    subject: str

    def in_parts(self, held: int) -> str:
        """Send the layers from number `held` on; what the engine says has come of it."""
        layers = self.image.layers
        batches = _batches([self.content.size(layer) for layer in layers[held:]], held)
        said = ""
        with self._step(batches) as step:
            for first, end in batches:
                try:
                    said = self._load(first, end, step)
                except EngineFailed:
                    if held or not first or self.receiver.holds(layers[:first], self.image.architecture):
                        raise
                    break
            else:
                return said
        # It takes no archive in which a layer is missing. All of them are at hand.
        return self.at_once()

    def at_once(self) -> str:
        """Send all of it."""
        batch = (0, len(self.image.layers))
        with self._step([batch]) as step:
            return self._load(*batch, step)

    def _load(self, first: int, end: int, step: Step) -> str:
        layers, watched = self.image.layers, _Watched(self.content, step)
        if end == len(layers):
            return self.receiver.load(full_archive(self.image, watched, first, self.wanted.tags))
        return self.receiver.load(partial_archive(layers[:end], self.image.architecture, watched, first))

    def _step(self, batches: Sequence[tuple[int, int]]) -> Step:
        layers = self.image.layers
        sent = [layer for first, end in batches for layer in dict.fromkeys(layers[first:end])]
        total = sum(map(self.content.size, sent))
        count = f"{len(layers) - batches[0][0]} of {len(layers)} layers"
        what = f"{format_size(total)}, {count}" if sent else "all of its layers are there"
        self.listener.step(self.subject, f"sending {self.wanted.name}: {what}")
        return self.listener.progress.step("sending", total, subject=self.subject)


@dataclass(frozen=True)
class _Watched:
    """Layers whose bytes are counted as they go."""

    content: ImageLayers
    step: Step

    def size(self, digest: str, /) -> int:
        return self.content.size(digest)

    def read(self, digest: str, /) -> Iterator[bytes]:
        for data in self.content.read(digest):
            yield data
            self.step.advance(len(data))


def _batches(sizes: Sequence[int], held: int) -> list[tuple[int, int]]:
    """From where to where the layers are sent at a time, those from number `held` on having these sizes.

    A large layer begins a batch: what comes before it shall not be lost with it.
    """
    batches, first, size = [], held, 0
    for number, own in enumerate(sizes, held):
        if number > first and (size >= BATCH or own >= BATCH):
            batches.append((first, number))
            first, size = number, 0
        size += own
    return [*batches, (first, held + len(sizes))]
