"""Reading and editing FAT12, FAT16 and FAT32 volumes without mounting them; safe against power cuts."""

from image_tools.fat.changes import Change, FileSource, MakeDirectory, Put, Remove
from image_tools.fat.directory import DirectoryEntry
from image_tools.fat.filesystem import FatFileSystem
from image_tools.fat.geometry import FatType

__all__ = [
    "Change",
    "DirectoryEntry",
    "FatFileSystem",
    "FatType",
    "FileSource",
    "MakeDirectory",
    "Put",
    "Remove",
]
