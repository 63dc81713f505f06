"""Where the bytes of an image's layers lie: in its archive, or in a file that is gone afterwards."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from resin_toolkit.errors import ImageDamaged, from_os_error
from resin_toolkit.push.transfer.decompression import (
    CHUNK_SIZE,
    DECOMPRESSION_ERRORS,
    GzipDecompressor,
    Readable,
    compression_format,
)

_IN_MEMORY = 16 * 1024 * 1024
"""Bytes up to which nothing is written to a disk."""


@dataclass(frozen=True)
class LayerLocation:
    """Where one layer lies."""

    file: IO[bytes]
    offset: int
    size: int


class ImageLayers:
    """The layers of one image, each by its digest when unpacked; `name` says whose they are."""

    def __init__(self, name: str, places: Mapping[str, LayerLocation]) -> None:
        self._name = name
        self._places = places

    def size(self, digest: str) -> int:
        """The bytes that `read` gives. Raises ImageDamaged where the layer is missing."""
        return self._place(digest).size

    def read(self, digest: str) -> Iterator[bytes]:
        """A layer, as a tar archive that may be compressed with gzip.

        Raises ImageDamaged, at its end, where it is not what its digest says.
        """
        found = LayerDigest()
        for data in read_chunks(self._place(digest)):
            found.take(data)
            yield data
        if str(found) != digest:
            raise ImageDamaged(
                f"{self._name}: the content of its layer {digest} is another one.",
                hint="It is damaged: save or fetch it anew. What the device has of it already is whole.",
            )

    def _place(self, digest: str) -> LayerLocation:
        try:
            return self._places[digest]
        except KeyError:
            raise ImageDamaged(
                f"{self._name} lacks its layer {digest}, or has it damaged.", hint="Make the image anew."
            ) from None


class LayerReader:
    """Reads what lies in a place."""

    def __init__(self, place: LayerLocation) -> None:
        self._pieces = read_chunks(place)

    def read(self, size: int, /) -> bytes:  # noqa: ARG002 - gives what there is
        return next(self._pieces, b"")


def read_chunks(place: LayerLocation) -> Iterator[bytes]:
    """What lies there."""
    position, end = place.offset, place.offset + place.size
    while position < end:
        try:
            place.file.seek(position)
            data = place.file.read(min(CHUNK_SIZE, end - position))
        except OSError as error:
            raise from_os_error(error, "the image") from error
        if not data:
            return
        position += len(data)
        yield data


class LayerDigest:
    """The digest of a layer that passes piece by piece, of what it is when unpacked."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._unzip: GzipDecompressor | None = None
        self._has_begun = self._is_damaged = False

    def take(self, data: bytes) -> None:
        """The next piece."""
        if not self._has_begun:
            self._has_begun = True
            self._unzip = GzipDecompressor() if compression_format(data) == "gzip" else None
        if self._unzip is None:
            self._hash.update(data)
            return
        try:
            for made in self._unzip.feed(data):
                self._hash.update(made)
        except DECOMPRESSION_ERRORS:
            self._is_damaged = True

    def __str__(self) -> str:
        """As configurations have it; of what cannot be unpacked it is none that any layer has."""
        return "damaged" if self._is_damaged else f"sha256:{self._hash.hexdigest()}"


class LayerSpool:
    """Layers that cannot be read where they are when their turn comes; small ones stay in memory.

    The file has no name: nothing of it is left, however the process ends.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = 0

    def keep(self, source: Readable) -> tuple[str, LayerLocation]:
        """Keep all that `source` has; its digest when unpacked, and where it lies."""
        digest, start = LayerDigest(), self._end
        while data := source.read(CHUNK_SIZE):
            digest.take(data)
            try:
                # What is read may be a layer of this very file that is unpacked.
                self._file.seek(self._end)
                self._file.write(data)
            except OSError as error:
                raise from_os_error(error, _folder()) from error
            self._end += len(data)
        return str(digest), LayerLocation(self._file, start, self._end - start)

    def drop(self, place: LayerLocation) -> None:
        """Use the room of what was kept last again."""
        self._end = place.offset


@contextmanager
def open_spool() -> Iterator[LayerSpool]:
    """A spool that lives as long as the block."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=_folder(), prefix="resin-image-") as file:
        yield LayerSpool(file)


def _folder() -> str:
    """A folder on a disk: /tmp is in memory on many workstations, and an image may be of gigabytes."""
    chosen = os.environ.get("TMPDIR")
    large = Path("/var/tmp")
    if not chosen and large.is_dir() and os.access(large, os.W_OK):
        return str(large)
    return tempfile.gettempdir()
