"""Where an image is sent from: an archive in a file, or what the workstation's engine saves."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from resin_toolkit.errors import BadValue, from_os_error
from resin_toolkit.push.transfer.archive_index import Index, damaged, name_of
from resin_toolkit.push.transfer.decompression import (
    LONGEST,
    UNPACK_ERRORS,
    Begun,
    Readable,
    kind_of,
    unpacked,
)
from resin_toolkit.push.transfer.layer_content import Content, Laid, Place, Spool, pieces, spooling
from resin_toolkit.push.transfer.manifests import Packed, images_in

_TAKEN = ("", "gzip")
"""How a layer may be packed: engines of every age take these."""
_BLOBS = "blobs/sha256"


class Archive:
    """An archive in a file that can be sought; `images` are those in it."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._index = Index(name)
        self._is_packed = bool(kind_of(file.read(LONGEST)))
        with _reading(self._index):
            for tar, member in self._members():
                self._index.note(tar, member)
        self.images = images_in(self._index)

    @contextmanager
    def opened(self, image: Packed, there: frozenset[str]) -> Iterator[tuple[Packed, Content]]:
        """One of its images, and its layers but for those that are `there` already.

        They are read where they lie. In a compressed archive nothing can be sought, and layers come in any
        order: there they are unpacked into a spool first.
        """
        pairs = zip(image.layers, image.files, strict=True)
        files = {self._index.target(name): digest for digest, name in pairs if digest not in there}
        with spooling() as spool:
            with _reading(self._index):
                places = self._spooled(files, spool) if self._is_packed else self._lying(files, spool)
            yield image, Content(image.name, places)

    def _lying(self, files: dict[str, str], spool: Spool) -> dict[str, Place]:
        found = {}
        for name, digest in files.items():
            if name in self._index.places:
                place = Place(self._file, *self._index.places[name])
                is_taken = kind_of(next(pieces(place), b"")) in _TAKEN
                found[digest] = place if is_taken else spool.keep(unpacked(Laid(place)))[1]
        return found

    def _spooled(self, files: dict[str, str], spool: Spool) -> dict[str, Place]:
        found: dict[str, Place] = {}
        for tar, member in self._members():
            digest = files.get(name_of(member))
            file = tar.extractfile(member) if digest and member.isfile() else None
            if digest and file:
                found[digest] = spool.keep(_taken(file))[1]
            if len(found) == len(files):
                break
        return found

    def _members(self) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        self._file.seek(0)
        source, mode = (unpacked(self._file), "r|") if self._is_packed else (self._file, "r:")
        with tarfile.open(fileobj=source, mode=mode) as tar:  # type: ignore[call-overload]
            for member in tar:
                yield tar, member


def saved(
    stream: Readable, spool: Spool, name: str, layers: Sequence[str], there: frozenset[str]
) -> tuple[Packed, Content]:
    """The one image in what an engine saves, and its layers but for those that are `there` already.

    `layers` are the digests of all. Engines write layers in an order that has nothing to do with that of the
    image, and the manifest last: so layers are told by their content, and go into a spool.
    """
    index = Index(name)
    known = {f"{_BLOBS}/{digest.partition(':')[2]}" for digest in there & frozenset(layers)}
    places: dict[str, Place] = {}
    with _reading(index), tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
        for member in tar:
            file = index.note(tar, member)
            if file is None or name_of(member) in known:
                continue
            digest, place = spool.keep(_taken(file))
            if digest in there or digest in places:
                spool.drop(place)
            else:
                places[digest] = place
    images = images_in(index)
    if len(images) != 1:
        raise damaged(name, f"the engine saved {len(images)} images for it")
    return images[0], Content(name, places)


def _taken(source: Readable) -> Readable:
    """A layer in a form that engines of every age take."""
    begun = Begun(b"", source)
    return begun if kind_of(begun.peek(LONGEST)) in _TAKEN else unpacked(begun)


@contextmanager
def _reading(index: Index) -> Iterator[None]:
    """Put into words what goes wrong while an archive is read."""
    try:
        yield
    except (tarfile.TarError, *UNPACK_ERRORS) as error:
        if not index.places:
            raise BadValue(
                f"{index.name} is no archive of an image.",
                hint="`docker save` and OCI layouts make such ones.",
            ) from error
        raise damaged(index.name, "it is damaged, or ends early") from error
    except OSError as error:
        raise from_os_error(error, index.name) from error
