"""The images in an archive, by its manifests: those of `docker save`, or of an OCI layout.

Sources: the Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format"; the OCI
Image Format Specification 1.0, "Image Layout" and "Image Index".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from resin_toolkit.engine.api_client import object_of, texts_of
from resin_toolkit.engine.models import one_line, text
from resin_toolkit.push.transfer.archive_index import ArchiveIndex, damaged_archive

_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
"""Annotations with the name of an image; the second has often only the tag."""
_DEPTH = 4


@dataclass(frozen=True)
class ArchivedImage:
    """An image in an archive."""

    name: str
    """What it is called where something is wrong with it."""
    config: bytes
    layers: tuple[str, ...]
    """The digests of its layers when unpacked, the lowest first."""
    files: tuple[str, ...]
    """The files that hold them, in the same order."""
    tags: tuple[str, ...]
    architecture: str

    @property
    def id(self) -> str:
        """Its ID, as an engine of the classic kind has it."""
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"


def with_tag(reference: str) -> str:
    """A name with its tag; engines take none for `latest`. A colon before a slash is that of a port."""
    return reference if ":" in reference.rpartition("/")[2] else f"{reference}:latest"


def read_images(index: ArchiveIndex) -> list[ArchivedImage]:
    """Those that are in the archive, each once. Raises ImageDamaged."""
    if index.target("manifest.json") in index.texts:
        found = list(_saved(index))
    elif index.target("index.json") in index.texts:
        found = list(_laid_out(index, object_of({"": index.json("index.json")}, ""), (), _DEPTH))
    else:
        raise damaged_archive(index.name, "it has neither manifest.json nor index.json")
    return list({(image.id, image.tags): image for image in found}.values())


def _saved(index: ArchiveIndex) -> Iterator[ArchivedImage]:
    said = index.json("manifest.json")
    for entry in said if isinstance(said, list) else ():
        if isinstance(entry, dict):
            yield _packed(
                index, text(entry, "Config"), texts_of(entry, "Layers"), texts_of(entry, "RepoTags")
            )


def _laid_out(
    index: ArchiveIndex, said: Mapping[str, Any], tags: tuple[str, ...], depth: int
) -> Iterator[ArchivedImage]:
    """The images of an OCI index, and of those that it leads to; what attests to an image is none."""
    listed = said.get("manifests")
    for entry in listed if isinstance(listed, list) else ():
        if not isinstance(entry, dict) or object_of(entry, "platform").get("architecture") == "unknown":
            continue
        annotations = object_of(entry, "annotations")
        names = [annotations[name] for name in _NAMES if isinstance(annotations.get(name), str)]
        own = tuple(one_line(name) for name in names[:1] if ":" in name) or tags
        manifest = object_of({"": index.json(_blob(entry))}, "")
        if "manifests" in manifest and depth:
            yield from _laid_out(index, manifest, own, depth - 1)
            continue
        layers = manifest.get("layers")
        files = (
            [_blob(layer) for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
        )
        yield _packed(index, _blob(object_of(manifest, "config")), tuple(files), own)


def _packed(index: ArchiveIndex, config: str, files: tuple[str, ...], tags: tuple[str, ...]) -> ArchivedImage:
    content = index.text(config)
    known = object_of({"": index.json(config)}, "")
    layers = texts_of(object_of(known, "rootfs"), "diff_ids")
    if len(layers) != len(files):
        raise damaged_archive(
            index.name, f"it has {len(files)} files for the {len(layers)} layers of an image"
        )
    return ArchivedImage(
        name=f"{index.name} ({tags[0]})" if tags and tags[0] not in index.name else index.name,
        config=content,
        layers=layers,
        files=files,
        tags=tuple(with_tag(one_line(tag)) for tag in tags if "@" not in tag),
        architecture=text(known, "architecture"),
    )


def _blob(descriptor: Mapping[str, Any]) -> str:
    return f"blobs/{text(descriptor, 'digest').replace(':', '/')}"
