"""Image archives in the format of `docker save`, without the layers that the engine has already.

An engine with the classic image store looks up a layer by its chain ID before it opens the file. Source: the
Docker Image Specification v1.2.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Protocol

from resin_toolkit.push.transfer.manifests import ArchivedImage

PART_LABEL = "io.resin-toolkit.transfer"
"""The label of a partial image during a transfer: the chain ID of its topmost layer."""
TIME_LABEL = "io.resin-toolkit.transfer-time"
"""The label with the time of the transfer, in seconds since 1970 by the workstation's clock."""
_BLOCK = 512


class LayerSource(Protocol):
    """Gives access to layers by their digests."""

    def size(self, digest: str, /) -> int:
        """The number of bytes that `read` yields."""

    def read(self, digest: str, /) -> Iterator[bytes]:
        """A layer, as a tar archive that may be compressed with gzip."""


def chain_ids(layers: Sequence[str]) -> list[str]:
    """The chain ID of each layer, which identifies it together with all layers below."""
    found: list[str] = []
    for layer in layers:
        words = f"{found[-1]} {layer}" if found else layer
        found.append(f"sha256:{hashlib.sha256(words.encode()).hexdigest()}" if found else layer)
    return found


def full_archive(
    image: ArchivedImage, content: LayerSource, first: int, tags: Sequence[str]
) -> Iterator[bytes]:
    """The complete image, with the files of its layers from number `first` on."""
    return _archive(image.config, image.layers, tags, content, image.layers[first:])


def partial_archive(
    layers: Sequence[str], architecture: str, content: LayerSource | None = None, first: int | None = None
) -> Iterator[bytes]:
    """An untagged image of these layers, with the files of those from number `first` on; by default none."""
    now = datetime.now(UTC)
    labels = {PART_LABEL: chain_ids(layers)[-1], TIME_LABEL: str(int(now.timestamp()))}
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "config": {"Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": list(layers)},
    }
    sent = () if first is None else layers[first:]
    return _archive(json.dumps(config).encode(), layers, (), content, sent)


def _archive(
    config: bytes,
    layers: Sequence[str],
    tags: Sequence[str],
    content: LayerSource | None,
    sent: Sequence[str],
) -> Iterator[bytes]:
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    files = [f"{layer.partition(':')[2]}.tar" for layer in layers]
    manifest = [{"Config": name, "RepoTags": list(tags) or None, "Layers": files}]
    yield from _file("manifest.json", json.dumps(manifest).encode())
    yield from _file(name, config)
    # A layer may occur several times in an image, especially an empty one.
    for layer in dict.fromkeys(sent if content else ()):
        assert content is not None
        size = content.size(layer)
        yield _header(f"{layer.partition(':')[2]}.tar", size)
        yield from content.read(layer)
        yield bytes(-size % _BLOCK)
    yield bytes(2 * _BLOCK)


def _file(name: str, content: bytes) -> Iterator[bytes]:
    yield _header(name, len(content))
    yield content + bytes(-len(content) % _BLOCK)


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT)
