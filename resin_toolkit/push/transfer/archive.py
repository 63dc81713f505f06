"""The source of an image: an archive in a file, or the output of `docker save`."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from resin_toolkit.errors import BadValue, from_os_error
from resin_toolkit.memory_limit import DEFAULT_MEMORY_LIMIT
from resin_toolkit.push.transfer.archive_index import ArchiveIndex, damaged_archive, member_name
from resin_toolkit.push.transfer.bounded_tar import TooLarge, read_members
from resin_toolkit.push.transfer.decompression import (
    DECOMPRESSION_ERRORS,
    MAGIC_SIZE,
    PeekableStream,
    Readable,
    compression_format,
    decompressed,
)
from resin_toolkit.push.transfer.layer_content import (
    ImageLayers,
    LayerLocation,
    LayerReader,
    LayerSpool,
    open_spool,
    read_chunks,
)
from resin_toolkit.push.transfer.manifests import ArchivedImage, read_images

_SUPPORTED = ("", "gzip")
"""Compression formats of layers that engines of every version accept."""
_BLOBS = "blobs/sha256"


class Archive:
    """An archive in a seekable file; `images` are the images in it.

    Raises MemoryLimitExceeded if its decompression, or that of a layer, needs more than `memory_limit` bytes.
    """

    def __init__(self, file: BinaryIO, name: str, memory_limit: int = DEFAULT_MEMORY_LIMIT) -> None:
        self._file = file
        self._memory_limit = memory_limit
        self._index = ArchiveIndex(name)
        self._is_compressed = bool(compression_format(file.read(MAGIC_SIZE)))
        with _reading(self._index):
            for tar, member in self._members():
                self._index.note(tar, member)
        self.images = read_images(self._index)

    @contextmanager
    def open(
        self, image: ArchivedImage, present: frozenset[str]
    ) -> Iterator[tuple[ArchivedImage, ImageLayers]]:
        """One of the images, and its layers except those in `present`, which the device has.

        Layers are read in place. A compressed archive is not seekable, and its layers are in any order: they
        are decompressed to a spool first.
        """
        pairs = zip(image.layers, image.files, strict=True)
        files = {self._index.target(name): digest for digest, name in pairs if digest not in present}
        with open_spool() as spool:
            with _reading(self._index):
                places = (
                    self._spool_layers(files, spool)
                    if self._is_compressed
                    else self._locate_layers(files, spool)
                )
            yield image, ImageLayers(image.name, places)

    def _locate_layers(self, files: dict[str, str], spool: LayerSpool) -> dict[str, LayerLocation]:
        found = {}
        for name, digest in files.items():
            if name in self._index.places:
                place = LayerLocation(self._file, *self._index.places[name])
                is_supported = compression_format(next(read_chunks(place), b"")) in _SUPPORTED
                found[digest] = place if is_supported else spool.keep(self._unpacked(LayerReader(place)))[1]
        return found

    def _spool_layers(self, files: dict[str, str], spool: LayerSpool) -> dict[str, LayerLocation]:
        found: dict[str, LayerLocation] = {}
        for tar, member in self._members():
            digest = files.get(member_name(member))
            file = tar.extractfile(member) if digest and member.isfile() else None
            if digest and file:
                found[digest] = spool.keep(_supported_layer(file, self._index.name, self._memory_limit))[1]
            if len(found) == len(files):
                break
        return found

    def _members(self) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        self._file.seek(0)
        if self._is_compressed:
            return read_members(self._unpacked(self._file))
        return read_members(self._file, self._file.seek)

    def _unpacked(self, source: Readable) -> Readable:
        return decompressed(source, self._index.name, self._memory_limit)


def read_saved_image(
    stream: Readable, spool: LayerSpool, name: str, layers: Sequence[str], present: frozenset[str]
) -> tuple[ArchivedImage, ImageLayers]:
    """The single image in the output of `docker save`, and its layers except those in `present`.

    `layers` are the digests of all layers. Engines write layers in any order, and the manifest last: so
    layers are identified by their content, and go to a spool.
    """
    index = ArchiveIndex(name)
    known = {f"{_BLOBS}/{digest.partition(':')[2]}" for digest in present & frozenset(layers)}
    places: dict[str, LayerLocation] = {}
    with _reading(index):
        for tar, member in read_members(stream):
            file = index.note(tar, member)
            if file is None or member_name(member) in known:
                continue
            digest, place = spool.keep(_supported_layer(file, name, DEFAULT_MEMORY_LIMIT))
            if digest in present or digest in places:
                spool.drop(place)
            else:
                places[digest] = place
    images = read_images(index)
    if len(images) != 1:
        raise damaged_archive(name, f"the engine saved {len(images)} images instead of one")
    return images[0], ImageLayers(name, places)


def _supported_layer(source: Readable, name: str, memory_limit: int) -> Readable:
    """A layer in a compression format that engines of every version accept."""
    peekable = PeekableStream(b"", source)
    if compression_format(peekable.peek(MAGIC_SIZE)) in _SUPPORTED:
        return peekable
    return decompressed(peekable, name, memory_limit)


@contextmanager
def _reading(index: ArchiveIndex) -> Iterator[None]:
    """Turn errors while reading an archive into errors for the user."""
    try:
        yield
    except TooLarge as error:
        raise damaged_archive(index.name, str(error)) from error
    except (tarfile.TarError, *DECOMPRESSION_ERRORS) as error:
        if not index.places:
            raise BadValue(
                f"{index.name} is not an image archive.",
                hint="Create one with `docker save NAME --output FILE`, or use a tar of an OCI image layout.",
            ) from error
        raise damaged_archive(index.name, "it is corrupt or truncated") from error
    except OSError as error:
        raise from_os_error(error, index.name) from error
