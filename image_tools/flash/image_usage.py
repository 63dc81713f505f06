"""Which parts of an image are in use, for flashing and for comparing."""

from __future__ import annotations

from image_tools.block_map import BlockMap
from image_tools.flash.image_reader import ImageReader
from image_tools.usage import Everything, StreamUsage, Usage, usage_of_file


def usage_of(reader: ImageReader, *, full: bool, block_map: BlockMap | None) -> Usage:
    """The parts of the image that must be written. Does not verify the checksums of a block map."""
    source = reader.source
    if full:
        return Everything()
    mapped = None if block_map is None else [(part.start, part.end) for part in block_map.ranges]
    if source.is_random_access:
        size = source.size or 0
        return usage_of_file(reader.view(size), size, holes=source.holes(), mapped=mapped)
    return StreamUsage(source.size, mapped=mapped)
