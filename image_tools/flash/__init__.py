"""Writing an image to a drive or file, and reading every byte back from the medium."""

from image_tools.flash.edit import edit_written
from image_tools.flash.run import Flashed, flash, parse_sha256
from image_tools.flash.target import Target, is_drive, open_drive, open_file

__all__ = [
    "Flashed",
    "Target",
    "edit_written",
    "flash",
    "is_drive",
    "open_drive",
    "open_file",
    "parse_sha256",
]
