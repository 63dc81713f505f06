"""Where an image is sent from: an archive in a file, or what the workstation's engine saves."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from resin_toolkit.errors import BadValue, from_os_error
from resin_toolkit.push.transfer.archive_index import ArchiveIndex, damaged_archive, member_name
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

_TAKEN = ("", "gzip")
"""How a layer may be packed: engines of every age take these."""
_BLOBS = "blobs/sha256"


class Archive:
    """An archive in a file that can be sought; `images` are those in it."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._index = ArchiveIndex(name)
        self._is_packed = bool(compression_format(file.read(MAGIC_SIZE)))
        with _reading(self._index):
            for tar, member in self._members():
                self._index.note(tar, member)
        self.images = read_images(self._index)

    @contextmanager
    def opened(
        self, image: ArchivedImage, there: frozenset[str]
    ) -> Iterator[tuple[ArchivedImage, ImageLayers]]:
        """One of its images, and its layers but for those that are `there` already.

        They are read where they lie. In a compressed archive nothing can be sought, and layers come in any
        order: there they are unpacked into a spool first.
        """
        pairs = zip(image.layers, image.files, strict=True)
        files = {self._index.target(name): digest for digest, name in pairs if digest not in there}
        with open_spool() as spool:
            with _reading(self._index):
                places = self._spooled(files, spool) if self._is_packed else self._lying(files, spool)
            yield image, ImageLayers(image.name, places)

    def _lying(self, files: dict[str, str], spool: LayerSpool) -> dict[str, LayerLocation]:
        found = {}
        for name, digest in files.items():
            if name in self._index.places:
                place = LayerLocation(self._file, *self._index.places[name])
                is_taken = compression_format(next(read_chunks(place), b"")) in _TAKEN
                found[digest] = place if is_taken else spool.keep(decompressed(LayerReader(place)))[1]
        return found

    def _spooled(self, files: dict[str, str], spool: LayerSpool) -> dict[str, LayerLocation]:
        found: dict[str, LayerLocation] = {}
        for tar, member in self._members():
            digest = files.get(member_name(member))
            file = tar.extractfile(member) if digest and member.isfile() else None
            if digest and file:
                found[digest] = spool.keep(_taken(file))[1]
            if len(found) == len(files):
                break
        return found

    def _members(self) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        self._file.seek(0)
        source, mode = (decompressed(self._file), "r|") if self._is_packed else (self._file, "r:")
        with tarfile.open(fileobj=source, mode=mode) as tar:  # type: ignore[call-overload]
            for member in tar:
                yield tar, member


def read_saved_image(
    stream: Readable, spool: LayerSpool, name: str, layers: Sequence[str], there: frozenset[str]
) -> tuple[ArchivedImage, ImageLayers]:
    """The one image in what an engine saves, and its layers but for those that are `there` already.

    `layers` are the digests of all. Engines write layers in an order that has nothing to do with that of the
    image, and the manifest last: so layers are told by their content, and go into a spool.
    """
    index = ArchiveIndex(name)
    known = {f"{_BLOBS}/{digest.partition(':')[2]}" for digest in there & frozenset(layers)}
    places: dict[str, LayerLocation] = {}
    with _reading(index), tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
        for member in tar:
            file = index.note(tar, member)
            if file is None or member_name(member) in known:
                continue
            digest, place = spool.keep(_taken(file))
            if digest in there or digest in places:
                spool.drop(place)
            else:
                places[digest] = place
    images = read_images(index)
    if len(images) != 1:
        raise damaged_archive(name, f"the engine saved {len(images)} images for it")
    return images[0], ImageLayers(name, places)


def _taken(source: Readable) -> Readable:
    """A layer in a form that engines of every age take."""
    begun = PeekableStream(b"", source)
    return begun if compression_format(begun.peek(MAGIC_SIZE)) in _TAKEN else decompressed(begun)


@contextmanager
def _reading(index: ArchiveIndex) -> Iterator[None]:
    """Put into words what goes wrong while an archive is read."""
    try:
        yield
    except (tarfile.TarError, *DECOMPRESSION_ERRORS) as error:
        if not index.places:
            raise BadValue(
                f"{index.name} is no archive of an image.",
                hint="`docker save` and OCI layouts make such ones.",
            ) from error
        raise damaged_archive(index.name, "it is damaged, or ends early") from error
    except OSError as error:
        raise from_os_error(error, index.name) from error
