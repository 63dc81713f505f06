"""Detecting the file system of a partition, its label and used space. `image_tools.fat` edits FAT."""

from image_tools.filesystems.probe import FileSystem, probe

__all__ = ["FileSystem", "probe"]
