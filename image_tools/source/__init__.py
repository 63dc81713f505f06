"""Images as streams: raw, gz, xz, zst, bz2 or zip, from a file or stdin. All checksums are verified."""

from image_tools.source.formats import ImageFormat
from image_tools.source.image_source import Source, open_source, parse_sha256

__all__ = ["ImageFormat", "Source", "open_source", "parse_sha256"]
