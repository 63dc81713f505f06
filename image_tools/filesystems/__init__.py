"""Which file system lies in a partition, its label and its use. The editor of FAT is `image_tools.fat`."""

from image_tools.filesystems.probe import FileSystem, probe

__all__ = ["FileSystem", "probe"]
