"""Reading and editing FAT12, FAT16 and FAT32 volumes, without mounting, so that a cut cannot corrupt them."""

from image_tools.fat.changes import Change, FileSource, MakeDirectory, Put, Remove
from image_tools.fat.directory import DirectoryEntry
from image_tools.fat.filesystem import FatFileSystem
from image_tools.fat.geometry import FatKind

__all__ = [
    "Change",
    "DirectoryEntry",
    "FatFileSystem",
    "FatKind",
    "FileSource",
    "MakeDirectory",
    "Put",
    "Remove",
]
