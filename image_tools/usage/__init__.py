"""The parts of an image that must be written, without the blocks that its file systems do not use."""

from image_tools.usage.file_usage import FileUsage, usage_of_file
from image_tools.usage.model import GRAIN, Everything, PartitionUsage, Usage, UsageContradicted
from image_tools.usage.stream_usage import StreamUsage

__all__ = [
    "GRAIN",
    "Everything",
    "FileUsage",
    "PartitionUsage",
    "StreamUsage",
    "Usage",
    "UsageContradicted",
    "usage_of_file",
]
