"""The receiving engine of an image: which layers it has, and loading the others."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from resin_toolkit.engine import Engine
from resin_toolkit.engine.api_client import ApiClient
from resin_toolkit.engine.images import Image, Images
from resin_toolkit.engine.progress_messages import MessageKind
from resin_toolkit.errors import EngineFailed
from resin_toolkit.project.compression import compress_if_faster
from resin_toolkit.push.transfer.partial_archive import PART_LABEL, TIME_LABEL, chain_ids, partial_archive
from resin_toolkit.untrusted_json import as_object, whole_number

_CONTAINERD = "io.containerd.snapshotter.v1"
_RETENTION = 7 * 24 * 3600.0
"""Seconds for which the parts of an interrupted transfer are kept."""


class ImageReceiver:
    """Loads images into the engine of a device."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._api = ApiClient(engine)
        self._images = Images(engine)

    def count_present(self, layers: Sequence[str], architecture: str) -> int | None:
        """How many of an image's layers the engine has, counted from the lowest; they stay until `clean_up`.

        None if it loads only complete images, as an engine with the containerd image store does.
        """
        if not self._loads_partial_images():
            return None
        if not self._api.supports(1, 23):
            return self._find_by_loading(layers, architecture)
        count = self._find_by_listing(layers)
        return count if not count or self.has_layers(layers[:count], architecture) else None

    def has_layers(self, layers: Sequence[str], architecture: str) -> bool:
        """Whether the engine has these layers, tested by loading an image without files; if so, they stay."""
        try:
            self.load(partial_archive(layers, architecture))
        except EngineFailed:
            # It needs the file of a layer that it lacks.
            return False
        return True

    def load(self, body: Iterator[bytes]) -> str:
        """Load an archive; return the name or ID that the engine reports, or an empty string."""
        ids = [
            message.id
            for message in self._images.load(compress_if_faster(body, None))
            if message.kind is MessageKind.IMAGE
        ]
        return ids[-1] if ids else ""

    def clean_up(self, layers: Sequence[str]) -> None:
        """Remove the partial images of these layers, and those of old interrupted transfers."""
        own = set(chain_ids(layers))
        for image in self._images.list([PART_LABEL]):
            # Others may be listed too: filters are the engine's.
            part = image.labels.get(PART_LABEL)
            if part is not None and (part in own or _is_old(image)):
                self._remove(image.id)

    def _loads_partial_images(self) -> bool:
        status = self._api.get("/info", as_object).get("DriverStatus")
        return not any(_CONTAINERD in str(row) for row in status) if isinstance(status, list) else True

    def _find_by_loading(self, layers: Sequence[str], architecture: str) -> int:
        """As `count_present`. Below API 1.23 engines do not list the layers of images: a binary search."""
        low, high = 0, len(layers) + 1
        middle = len(layers)
        while high - low > 1:
            if self.has_layers(layers[:middle], architecture):
                low = middle
            else:
                high = middle
            middle = (low + high) // 2
        return low

    def _find_by_listing(self, layers: Sequence[str]) -> int:
        most = 0
        for image in self._images.list():
            details = self._images.inspect(image.id)
            most = max(most, _common_prefix(layers, details.layers if details else ()))
            if most == len(layers):
                break
        return most

    def _remove(self, identity: str) -> None:
        try:
            self._images.remove(identity)
        except EngineFailed:
            # Somebody uses it for a container or another image.
            return


def _common_prefix(first: Iterable[str], second: Iterable[str]) -> int:
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count


def _is_old(image: Image) -> bool:
    sent = whole_number(image.labels.get(TIME_LABEL, ""))
    return sent is not None and time.time() - sent > _RETENTION
