"""`resin drives`: what may be flashed, and with --all what may not, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from resin_toolkit.report import Report
from resin_toolkit.screen import Screen, human_size, table
from resin_toolkit.verb import report_of, single

if TYPE_CHECKING:
    from image_tools.drives import Drive

FIXED = "fixed: needs --allow-fixed"

EXAMPLES = """\b
Examples:
  resin drives
  resin drives --all
  resin drives --watch
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
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on until Ctrl-C, and show what is plugged in and out.")
    ] = False,
) -> Drives:
    """List the drives that may be flashed: cards and sticks that hold nothing of the running system."""
    from image_tools.drives import list_drives

    report = report_of(context)
    if watch:
        _watch(report, all_=all_)
    found = list_drives()
    shown = tuple(drive for drive in found if all_ or may_be_flashed(drive))
    return Drives(shown, len(found) - len(shown))


def _watch(report: Report, *, all_: bool) -> None:
    """Tell what is there, and then of each change; ends only by an interrupt."""
    from image_tools.drives.watching import watch

    for change in watch():
        drive = change.drive
        if all_ or may_be_flashed(drive):
            report.event("drive", change=change.what.value, drive=drive_data(drive))
            against = why_not(drive)
            line = f"{change.what.value:10}  {described(drive)}"
            report.line(f"{line} [{against}]" if against else line)


def described(drive: Drive) -> str:
    """A drive in one line: path, name, size, transport, partitions with their labels."""
    about = ", ".join(word for word in (human_size(drive.size), drive.transport) if word)
    parts = partitions_of(drive)
    return f"{drive.path}  {drive.title} ({about})" + (f": {parts}" if parts else "")


app = single(drives, epilog=EXAMPLES)


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
