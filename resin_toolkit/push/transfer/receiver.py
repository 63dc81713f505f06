"""What a device has of an image already, and how it takes the rest."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from resin_toolkit.engine import Engine
from resin_toolkit.engine.api_client import ApiClient
from resin_toolkit.engine.images import Image, Images, Kind
from resin_toolkit.engine.models import as_object
from resin_toolkit.errors import EngineFailed
from resin_toolkit.project.compression import compress_if_faster
from resin_toolkit.push.transfer.partial_archive import PART_LABEL, TIME_LABEL, chain_ids, partial_archive

_CONTAINERD = "io.containerd.snapshotter.v1"
_KEPT = 7 * 24 * 3600.0
"""Seconds for which parts of an image are kept that nobody has gone on to send."""


class ImageReceiver:
    """The engine of a device, as it takes images."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._asking = ApiClient(engine)
        self._images = Images(engine)

    def held(self, layers: Sequence[str], architecture: str) -> int | None:
        """How many of an image's layers, the lowest first, it has; from now on they stay until `tidy`.

        None where it takes an image only as a whole, as an engine does that keeps images as containerd does.
        """
        if not self._takes_parts():
            return None
        if not self._asking.speaks(1, 23):
            return self._found(layers, architecture)
        count = self._told(layers)
        return count if not count or self.holds(layers[:count], architecture) else None

    def holds(self, layers: Sequence[str], architecture: str) -> bool:
        """Whether it takes these layers as there, asked by an image without any file; if so, they stay."""
        try:
            self.load(partial_archive(layers, architecture))
        except EngineFailed:
            # It wants the file of a layer that it lacks.
            return False
        return True

    def load(self, body: Iterator[bytes]) -> str:
        """Send an archive; the name or ID of what has come of it, if the engine says so."""
        said = [
            message.id
            for message in self._images.load(compress_if_faster(body, None))
            if message.kind is Kind.IMAGE
        ]
        return said[-1] if said else ""

    def tidy(self, layers: Sequence[str]) -> None:
        """Remove the parts of an image with these layers, and old ones that nobody went on with."""
        own = set(chain_ids(layers))
        for image in self._images.list([PART_LABEL]):
            if image.labels[PART_LABEL] in own or _is_old(image):
                self._remove(image.id)

    def _takes_parts(self) -> bool:
        status = self._asking.get("/info", as_object).get("DriverStatus")
        return not any(_CONTAINERD in str(row) for row in status) if isinstance(status, list) else True

    def _found(self, layers: Sequence[str], architecture: str) -> int:
        """As `held`. Below API 1.23 an engine does not say what layers its images have.

        It is asked whether it takes all as there, then half of them, then half of what is left.
        """
        low, high = 0, len(layers) + 1
        middle = len(layers)
        while high - low > 1:
            if self.holds(layers[:middle], architecture):
                low = middle
            else:
                high = middle
            middle = (low + high) // 2
        return low

    def _told(self, layers: Sequence[str]) -> int:
        most = 0
        for image in self._images.list():
            details = self._images.inspect(image.id)
            most = max(most, _alike(layers, details.layers if details else ()))
            if most == len(layers):
                break
        return most

    def _remove(self, identity: str) -> None:
        try:
            self._images.remove(identity)
        except EngineFailed:
            # Somebody has made a container of it, or has built on it.
            return


def _alike(first: Iterable[str], second: Iterable[str]) -> int:
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count


def _is_old(image: Image) -> bool:
    sent = image.labels.get(TIME_LABEL, "")
    return sent.isdigit() and time.time() - int(sent) > _KEPT
