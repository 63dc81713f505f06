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
    from image_tools.block_map import read_block_map

    return read_block_map(path.read_bytes(), str(path))
