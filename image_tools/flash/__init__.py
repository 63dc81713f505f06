"""Writing an image to drives or files, and reading back from the medium what was written."""

from image_tools.flash.comparison import compare
from image_tools.flash.flashing import flash
from image_tools.flash.outcome import FlashOptions, TargetResult
from image_tools.flash.target import Target, is_drive, open_drive, open_file
from image_tools.flash.target_plan import FlashJob

__all__ = [
    "FlashJob",
    "FlashOptions",
    "Target",
    "TargetResult",
    "compare",
    "flash",
    "is_drive",
    "open_drive",
    "open_file",
]
