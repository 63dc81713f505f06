"""The content of an image's layers: in its archive, or in a temporary file."""

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
"""Bytes up to which a spool stays in memory."""


@dataclass(frozen=True)
class LayerLocation:
    """The bytes of one layer in a file."""

    file: IO[bytes]
    offset: int
    size: int


class ImageLayers:
    """The layers of one image by the digest of their uncompressed content; `name` is for errors."""

    def __init__(self, name: str, places: Mapping[str, LayerLocation]) -> None:
        self._name = name
        self._places = places

    def size(self, digest: str) -> int:
        """The number of bytes that `read` yields. Raises ImageDamaged if the layer is missing."""
        return self._location(digest).size

    def read(self, digest: str) -> Iterator[bytes]:
        """A layer in chunks, as a tar archive that may be compressed with gzip.

        Raises ImageDamaged at its end if its digest is wrong.
        """
        found = LayerDigest()
        for data in read_chunks(self._location(digest)):
            found.take(data)
            yield data
        if str(found) != digest:
            raise ImageDamaged(
                f"{self._name} is damaged: its layer {digest} has the wrong content.",
                hint="Save or download it again. The layers that the device has already are intact.",
            )

    def _location(self, digest: str) -> LayerLocation:
        try:
            return self._places[digest]
        except KeyError:
            raise ImageDamaged(
                f"{self._name} is damaged: its layer {digest} is missing.", hint="Create the image again."
            ) from None


class LayerReader:
    """A readable stream of a layer."""

    def __init__(self, place: LayerLocation) -> None:
        self._pieces = read_chunks(place)

    def read(self, size: int, /) -> bytes:  # noqa: ARG002 - reads are of any size
        return next(self._pieces, b"")


def read_chunks(place: LayerLocation) -> Iterator[bytes]:
    """The bytes of a layer as stored, in chunks."""
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
    """Computes the digest of the uncompressed content of a layer from its chunks."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._unzip: GzipDecompressor | None = None
        self._has_started = self._is_damaged = False

    def take(self, data: bytes) -> None:
        """Add the next chunk."""
        if not self._has_started:
            self._has_started = True
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
        """The digest as in image configurations; `damaged` if the layer cannot be decompressed."""
        return "damaged" if self._is_damaged else f"sha256:{self._hash.hexdigest()}"


class LayerSpool:
    """A temporary file for layers that cannot be read in place; small ones stay in memory.

    The file has no name, so that nothing of it remains, however the process ends.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = 0

    def keep(self, source: Readable) -> tuple[str, LayerLocation]:
        """Store a layer; return the digest of its uncompressed content, and its location."""
        digest, start = LayerDigest(), self._end
        while data := source.read(CHUNK_SIZE):
            digest.take(data)
            try:
                # `source` may be a layer in this very file that is being decompressed.
                self._file.seek(self._end)
                self._file.write(data)
            except OSError as error:
                raise from_os_error(error, _folder()) from error
            self._end += len(data)
        return str(digest), LayerLocation(self._file, start, self._end - start)

    def drop(self, place: LayerLocation) -> None:
        """Discard the layer that was stored last."""
        self._end = place.offset


@contextmanager
def open_spool() -> Iterator[LayerSpool]:
    """A spool for the duration of a `with` block."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=_folder(), prefix="resin-image-") as file:
        yield LayerSpool(file)


def _folder() -> str:
    """A folder on a disk: /tmp is often in memory, and an image may have gigabytes."""
    chosen = os.environ.get("TMPDIR")
    large = Path("/var/tmp")
    if not chosen and large.is_dir() and os.access(large, os.W_OK):
        return str(large)
    return tempfile.gettempdir()
