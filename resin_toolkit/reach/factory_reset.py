"""Resetting a device to its unconfigured state, as its operating system supports it.

The state partition (conf on old releases), and on later releases the data partition too, contains a file
`remove_me_to_reset`. If it is missing at boot, the system restores the partition to its initial state.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from resin_toolkit.errors import IoFailed, NotPermitted, NotSupported
from resin_toolkit.ssh import Shell

_FILE = "remove_me_to_reset"
_PARTITIONS = {
    "state": ("/mnt/state /mnt/conf", "resin-state balena-state resin-conf"),
    "data": ("/mnt/data /resin-data", "resin-data balena-data"),
}
"""The mount points of the partitions, and their labels."""
_UNMOUNTED = "unmounted"
_SYNC_TIMEOUT = 60.0
"""Seconds that a worn card may take to write what the system has buffered."""


@dataclass(frozen=True)
class ResetMarker:
    """The file whose absence resets a partition; `role` is state or data."""

    role: str
    path: str


def find_reset_markers(shell: Shell, roles: Sequence[str]) -> list[ResetMarker]:
    """Find the files for `roles` without a change. Raises NotSupported if one of them is missing."""
    found = []
    for role in roles:
        path = shell.run(_script(role)).out.decode(errors="replace").strip()
        if path == _UNMOUNTED:
            raise NotSupported(
                f"The {role} partition of {shell.device.host} is not mounted, at none of "
                f"{_PARTITIONS[role][0].replace(' ', ', ')}; nothing was changed.",
                hint="Reboot the device; if that does not mount it, flash the device again.",
            )
        if not path.startswith("/"):
            raise NotSupported(
                f"{shell.device.host} has no {_FILE} on its {role} partition; nothing was changed.",
                hint="Its operating system does not support a reset; flash it again.",
            )
        found.append(ResetMarker(role, path.splitlines()[0]))
    return found


def _script(role: str) -> str:
    folders, labels = _PARTITIONS[role]
    return (
        f"for place in {folders} $(for label in {labels}; do"
        " drive=$(readlink -f /dev/disk/by-label/$label) &&"
        " while read -r source target rest; do"
        ' [ "$source" = "$drive" ] && echo "$target"; done </proc/mounts; done 2>/dev/null);'
        f' do if [ -e "$place/{_FILE}" ]; then echo "$place/{_FILE}"; exit; fi;'
        ' grep -q " $place " /proc/mounts && mounted=yes; done;'
        f' [ "$mounted" ] || echo {_UNMOUNTED}'
    )


def remove_reset_markers(shell: Shell, markers: Sequence[ResetMarker]) -> None:
    """Remove the files and verify it. Raises NotPermitted, IoFailed."""
    for marker in markers:
        path = shlex.quote(marker.path)
        done = shell.run(f"rm -f -- {path}; sync; [ ! -e {path} ] && echo gone", within=_SYNC_TIMEOUT)
        if done.out.strip() == b"gone":
            continue
        reason = done.err.decode(errors="replace").strip()
        error = NotPermitted if "ermission" in reason else IoFailed
        raise error(
            f"{marker.path} of {shell.device.host} could not be removed: {reason or 'it is still there'}.",
            hint="The partition may be read-only or damaged; it was not rebooted.",
        )
