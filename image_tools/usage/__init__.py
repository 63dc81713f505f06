"""Which parts of an image have to be written to a drive, and which ones its file systems do not use."""

from image_tools.usage.from_file import FileUsage, usage_of_file
from image_tools.usage.from_stream import StreamUsage
from image_tools.usage.model import GRAIN, Area, Everything, Usage, UsageContradicted

__all__ = [
    "GRAIN",
    "Area",
    "Everything",
    "FileUsage",
    "StreamUsage",
    "Usage",
    "UsageContradicted",
    "usage_of_file",
]
