"""The user who called sudo, to whom the files that a command makes as root belong."""

from __future__ import annotations

import os


def sudo_caller() -> tuple[int, int] | None:
    """The user ID and group ID of the caller; None if this process is not root, or sudo was not used.

    The group ID is -1 if it is not known, which os.chown leaves unchanged.
    """
    user, group = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not user.isdecimal():
        return None
    return int(user), int(group) if group.isdecimal() else -1
