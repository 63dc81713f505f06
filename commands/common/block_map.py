"""The block map that `--bmap` names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from image_tools.block_map import BlockMap


def block_map_of(path: Path | None) -> BlockMap | None:
    """The block map in the file; None without one. Raises what `read_block_map` raises, and OSError."""
    if path is None:
        return None
    from image_tools.block_map import LARGEST, read_block_map

    with path.open("rb") as file:
        return read_block_map(file.read(LARGEST + 1), str(path))
