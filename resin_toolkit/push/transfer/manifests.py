"""The images in an archive, by its manifests: those of `docker save`, or of an OCI layout.

Sources: the Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format"; the OCI
Image Format Specification 1.0, "Image Layout" and "Image Index".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from resin_toolkit.push.transfer.archive_index import ArchiveIndex, damaged_archive
from resin_toolkit.untrusted_json import object_of, one_line, text, texts_of

_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
"""Annotations with the name of an image; the second often has only the tag."""
_DEPTH = 4
_MAX_IMAGES = 1000
_MAX_LAYERS = 1000
"""Layers of one image. Engines allow 127."""


@dataclass(frozen=True)
class ArchivedImage:
    """An image in an archive."""

    name: str
    """Its name in errors."""
    config: bytes
    layers: tuple[str, ...]
    """The digests of its uncompressed layers, the lowest first."""
    files: tuple[str, ...]
    """The files of the layers, in the same order."""
    tags: tuple[str, ...]
    architecture: str

    @property
    def id(self) -> str:
        """Its ID in an engine with the classic image store."""
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"


def with_tag(reference: str) -> str:
    """A reference with its tag, by default `latest`. A colon before a slash belongs to a port."""
    return reference if ":" in reference.rpartition("/")[2] else f"{reference}:latest"


def read_images(index: ArchiveIndex) -> list[ArchivedImage]:
    """The images in an archive, each once. Raises ImageDamaged."""
    if index.target("manifest.json") in index.texts:
        images = _read_docker_save(index)
    elif index.target("index.json") in index.texts:
        images = _read_oci_layout(index, object_of({"": index.json("index.json")}, ""), (), _DEPTH)
    else:
        raise damaged_archive(index.name, "manifest.json and index.json are missing")
    found = list(islice(images, _MAX_IMAGES + 1))
    if len(found) > _MAX_IMAGES:
        raise damaged_archive(index.name, f"it lists more than {_MAX_IMAGES} images")
    return list({(image.id, image.tags): image for image in found}.values())


def _read_docker_save(index: ArchiveIndex) -> Iterator[ArchivedImage]:
    manifest = index.json("manifest.json")
    for entry in manifest if isinstance(manifest, list) else ():
        if isinstance(entry, dict):
            yield _read_image(
                index, text(entry, "Config"), texts_of(entry, "Layers"), texts_of(entry, "RepoTags")
            )


def _read_oci_layout(
    index: ArchiveIndex, layout: Mapping[str, Any], tags: tuple[str, ...], depth: int
) -> Iterator[ArchivedImage]:
    """The images of an OCI index and its nested indexes, without attestations."""
    listed = layout.get("manifests")
    for entry in listed if isinstance(listed, list) else ():
        if not isinstance(entry, dict) or object_of(entry, "platform").get("architecture") == "unknown":
            continue
        annotations = object_of(entry, "annotations")
        names = [annotations[name] for name in _NAMES if isinstance(annotations.get(name), str)]
        own = tuple(one_line(name) for name in names[:1] if ":" in name) or tags
        manifest = object_of({"": index.json(_blob(entry))}, "")
        if "manifests" in manifest and depth:
            yield from _read_oci_layout(index, manifest, own, depth - 1)
            continue
        layers = manifest.get("layers")
        files = (
            [_blob(layer) for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
        )
        yield _read_image(index, _blob(object_of(manifest, "config")), tuple(files), own)


def _read_image(
    index: ArchiveIndex, config: str, files: tuple[str, ...], tags: tuple[str, ...]
) -> ArchivedImage:
    content = index.text(config)
    known = object_of({"": index.json(config)}, "")
    layers = texts_of(object_of(known, "rootfs"), "diff_ids")
    if max(len(layers), len(files)) > _MAX_LAYERS:
        raise damaged_archive(index.name, f"an image has {max(len(layers), len(files))} layers")
    if len(layers) != len(files):
        raise damaged_archive(index.name, f"an image of {len(layers)} layers has {len(files)} files")
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
