"""`resin drives`: what may be flashed, and with --all what may not, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from resin_toolkit.screen import Screen, human_size, table
from resin_toolkit.verb import report_of, single

if TYPE_CHECKING:
    from image_tools.drives import Drive

FIXED = "fixed: needs --allow-fixed"

EXAMPLES = """\b
Examples:
  resin drives
  resin drives --all
  resin drives --json
"""


@dataclass(frozen=True)
class Drives:
    """The drives that are shown, and how many others there are."""

    shown: tuple[Drive, ...]
    hidden: int

    def data(self) -> Mapping[str, object]:
        return {"drives": [drive_data(drive) for drive in self.shown]}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        if not self.shown:
            others = f" `resin drives --all` shows {self.hidden} more, and why not." if self.hidden else ""
            return f"No drive was found that may be flashed.{others}"
        rows = [("DRIVE", "SIZE", "NAME", "BY", "PARTITIONS", "")]
        rows += [
            (
                drive.path,
                human_size(drive.size),
                drive.title,
                drive.transport,
                partitions_of(drive),
                why_not(drive),
            )
            for drive in self.shown
        ]
        return table(rows, right=frozenset({1}))


def drives(
    context: typer.Context,
    all_: Annotated[
        bool, typer.Option("--all", "-a", help="Also those that may not be flashed, and why.")
    ] = False,
) -> Drives:
    """List the drives that may be flashed: cards and sticks that hold nothing of the running system."""
    from image_tools.drives import list_drives

    report_of(context)
    found = list_drives()
    shown = tuple(drive for drive in found if all_ or may_be_flashed(drive))
    return Drives(shown, len(found) - len(shown))


app = single(drives, epilog=EXAMPLES)


def may_be_flashed(drive: Drive, *, allow_fixed: bool = False) -> bool:
    return not drive.refusals and (drive.removable or allow_fixed)


def why_not(drive: Drive) -> str:
    """The reasons why a drive may not be flashed, empty where it may."""
    reasons = [refusal.message for refusal in drive.refusals]
    return "; ".join(reasons) if reasons or drive.removable else FIXED


def partitions_of(drive: Drive) -> str:
    """The partitions with their labels: `sdb1 resin-boot, sdb2`."""
    names = (f"{part.path.removeprefix('/dev/')} {part.label}".rstrip() for part in drive.partitions)
    return ", ".join(names)


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
