"""How an image is written, and what became of each target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from image_tools.block_map import BlockMap
from image_tools.flash.bmap_verifier import CheckAhead
from image_tools.flash.read_access import Reading
from image_tools.flash.target import Target
from image_tools.usage import Area
from resin_toolkit.errors import ResinError


@dataclass(frozen=True)
class Options:
    """How an image is written.

    `full`: also what the image does not use. `sha256`: what the image, or the file that it comes in, must
    have; for it, and for `digest`, which asks for the image's own, the source is opened with `digest`.
    `partition`: the number of the boot partition.
    """

    verify: bool = True
    full: bool = False
    sha256: str | None = None
    digest: bool = False
    block_map: BlockMap | None = None
    checking: CheckAhead | None = None
    """Compares the block map's checksums with the source already; without it that begins with the reading."""
    partition: int | None = None
    probe: bool = False
    discard: bool = False
    eject: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one target; `error` is None only if the image is on it.

    `size` is the image's, `written` what of it was written, both in bytes; `rewritten` counts the grains of
    64 KiB that had to be written twice. `cleared` says that all that the drive held before was discarded.
    `reading` tells how it was read back, None if it was not.
    """

    target: Target
    error: ResinError | None
    edited: Any
    size: int
    written: int
    rewritten: int
    cleared: bool
    reading: Reading | None
    areas: Sequence[Area]
    sha256: str | None
    write_seconds: float
    verify_seconds: float

    @property
    def verified(self) -> bool:
        """Whether all that was written was read back from the medium itself, and was the same."""
        return self.error is None and self.reading is not None and self.reading.past_cache
