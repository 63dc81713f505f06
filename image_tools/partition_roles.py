"""The roles of partitions, from the names that resinOS and balenaOS give them."""

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
    """`boot`, `root`, `root (dormant)`, `update`, `state`, `data`, `extended`, or an empty string.

    The GPT name takes precedence over the label of the file system; case is ignored. The boot loader decides
    which root is active; in a new image it is the first one.
    """
    if partition.is_extended:
        return "extended"
    return role_of_name(partition.name) or role_of_name(filesystem.label)


def role_of_name(name: str) -> str:
    """The role of a GPT name or label; an empty string for other names."""
    family, _, part = name.strip().lower().partition("-")
    return _ROLES.get(part, "") if family in _FAMILIES else ""
