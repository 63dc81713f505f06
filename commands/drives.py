"""`resin drives`: what may be flashed, and with --all what may not, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.drive_text import described, drive_data, may_be_flashed, partitions_of, why_not
from resin_toolkit.cli.command import report_of, single_command
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import Screen, format_size, table

if TYPE_CHECKING:
    from image_tools.drives import Drive

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
            return f"No drive that can be flashed was found.{others}"
        rows = [("DRIVE", "SIZE", "NAME", "BY", "PARTITIONS", "")]
        rows += [
            (
                drive.path,
                format_size(drive.size),
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
        bool, typer.Option("--all", "-a", help="List also drives that cannot be flashed, and why.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show drives as they are plugged in and removed, until Ctrl-C.")
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
    from image_tools.drives.watcher import watch

    for change in watch():
        drive = change.drive
        if all_ or may_be_flashed(drive):
            report.event("drive", change=change.what.value, drive=drive_data(drive))
            against = why_not(drive)
            line = f"{change.what.value:10}  {described(drive)}"
            report.line(f"{line} [{against}]" if against else line)


app = single_command(drives, epilog=EXAMPLES)
