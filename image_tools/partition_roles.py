"""What a partition is for, by the names that resinOS and balenaOS give."""

from __future__ import annotations

from image_tools.filesystems import FileSystem
from image_tools.partitions import Partition

BOOT = "boot"
_FAMILIES = ("resin", "balena", "flash")
_ROLES = {
    "boot": BOOT,
    "root": "root",
    "roota": "root",
    "rootb": "root (dormant)",
    "updt": "update",
    "update": "update",
    "conf": "state",
    "state": "state",
    "data": "data",
}


def role_of(partition: Partition, filesystem: FileSystem) -> str:
    """`boot`, `root`, `root (dormant)`, `update`, `state`, `data`, `extended`, or an empty text.

    The name in a GPT counts before the file system's label; case does not count. Which of the two roots is
    active is the boot loader's to say: as an image is made, it is the first.
    """
    if partition.is_extended:
        return "extended"
    return role_of_name(partition.name) or role_of_name(filesystem.label)


def role_of_name(name: str) -> str:
    """The role that a GPT name or a label stands for; an empty text for a name that is not the system's."""
    family, _, part = name.strip().lower().partition("-")
    return _ROLES.get(part, "") if family in _FAMILIES else ""
