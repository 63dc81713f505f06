"""The options of a flash, and its result for each target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from image_tools.block_map import BlockMap
from image_tools.flash.bmap_verifier import BmapVerifier
from image_tools.flash.read_access import ReadAccess
from image_tools.flash.target import Target
from image_tools.usage import PartitionUsage
from resin_toolkit.errors import ResinError


@dataclass(frozen=True)
class FlashOptions:
    """How an image is written.

    `full`: write unused blocks too. `sha256`: the expected checksum of the image or of its compressed file;
    for it, and for `digest` (compute the checksum of the image), the source must be opened with `digest`.
    `partition`: the number of the boot partition.
    """

    verify: bool = True
    full: bool = False
    sha256: str | None = None
    digest: bool = False
    block_map: BlockMap | None = None
    bmap_verifier: BmapVerifier | None = None
    """A verifier that runs already; without one, verification starts with the reading."""
    partition: int | None = None
    probe: bool = False
    discard: bool = False
    eject: bool = False


@dataclass(frozen=True)
class TargetResult:
    """The result for one target; `error` is None only if the image is on it.

    `size` is the size of the image, `written` how much of it was written, both in bytes; `rewritten` counts
    the 64 KiB blocks that had to be written twice. `cleared`: the whole drive was discarded first.
    `reading`: how it was read back, None if it was not.
    """

    target: Target
    error: ResinError | None
    edited: Any
    size: int
    written: int
    rewritten: int
    cleared: bool
    reading: ReadAccess | None
    partitions: Sequence[PartitionUsage]
    sha256: str | None
    write_seconds: float
    verify_seconds: float

    @property
    def verified(self) -> bool:
        """Whether everything written was read back from the medium itself and matched."""
        return self.error is None and self.reading is not None and self.reading.past_cache
