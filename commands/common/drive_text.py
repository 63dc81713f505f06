"""A drive as commands show it: in one line, as JSON, and why it cannot be flashed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from resin_toolkit.terminal.screen import format_size

if TYPE_CHECKING:
    from image_tools.drives import Drive

FIXED = "fixed: needs --allow-fixed"


def described(drive: Drive) -> str:
    """A drive in one line: path, name, size, transport, partitions with their labels."""
    about = ", ".join(word for word in (format_size(drive.size), drive.transport) if word)
    parts = partitions_of(drive)
    return f"{drive.path}  {drive.title} ({about})" + (f": {parts}" if parts else "")


def may_be_flashed(drive: Drive, *, allow_fixed: bool = False) -> bool:
    return not drive.refusals and (drive.removable or allow_fixed)


def why_not(drive: Drive) -> str:
    """The reasons why a drive may not be flashed, empty where it may."""
    reasons = [refusal.message for refusal in drive.refusals]
    return "; ".join(reasons) if reasons or drive.removable else FIXED


def partitions_of(drive: Drive) -> str:
    """The partitions with their labels, else what they hold: `sdb1 resin-boot, sdb2 (ext4), sdb3`."""
    return ", ".join(
        f"{part.path.removeprefix('/dev/')} {part.label or _in_brackets(part.filesystem)}".rstrip()
        for part in drive.partitions
    )


def _in_brackets(filesystem: str) -> str:
    return f"({filesystem})" if filesystem not in ("", "empty") else ""


def drive_data(drive: Drive) -> Mapping[str, object]:
    """A drive as `--json` shows it; sizes in bytes."""
    return {
        "path": drive.path,
        "vendor": drive.vendor,
        "model": drive.model,
        "serial": drive.serial,
        "size": drive.size,
        "sector_size": drive.sector_size,
        "transport": drive.transport,
        "removable": drive.removable,
        "read_only": drive.read_only,
        "mount_points": list(drive.mount_points),
        "partitions": [
            {
                "path": part.path,
                "size": part.size,
                "label": part.label,
                "filesystem": part.filesystem,
                "mount_points": list(part.mount_points),
            }
            for part in drive.partitions
        ],
        "flashable": may_be_flashed(drive),
        "refusals": [
            {"reason": refusal.reason.value, "message": refusal.message} for refusal in drive.refusals
        ],
    }
