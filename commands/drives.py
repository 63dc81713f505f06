"""`resin drives`: list the drives that can be flashed, or all drives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.drive_text import format_drive
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
    """The listed drives, and the number of drives left out."""

    shown: tuple[Drive, ...]
    hidden: int

    def data(self) -> Mapping[str, object]:
        return {"drives": [drive.data() for drive in self.shown]}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        if not self.shown:
            others = f" `resin drives --all` lists {self.hidden} more." if self.hidden else ""
            return f"No drive that can be flashed was found.{others}"
        rows = [("DRIVE", "SIZE", "NAME", "BY", "PARTITIONS", "")]
        for drive in self.shown:
            facts = (drive.path, format_size(drive.size), drive.title, drive.transport)
            rows.append((*facts, drive.partition_summary, drive.refusal_summary))
        return table(rows, right=frozenset({1}))


def drives(
    context: typer.Context,
    all_: Annotated[
        bool, typer.Option("--all", "-a", help="Also list drives that cannot be flashed, and why.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show drives as they are plugged in and removed, until Ctrl-C.")
    ] = False,
) -> Drives:
    """List the drives that can be flashed: SD cards and USB sticks that the running system does not use."""
    from image_tools.drives import list_drives

    report = report_of(context)
    if watch:
        _watch(report, all_=all_)
    found = list_drives()
    shown = tuple(drive for drive in found if all_ or drive.is_flashable())
    return Drives(shown, len(found) - len(shown))


def _watch(report: Report, *, all_: bool) -> None:
    """Show the drives, then each change; runs until interrupted."""
    from image_tools.drives.watcher import watch

    for change in watch():
        drive = change.drive
        if all_ or drive.is_flashable():
            report.event("drive", change=change.what.value, drive=drive.data())
            refusals = drive.refusal_summary
            line = f"{change.what.value:10}  {format_drive(drive)}"
            report.line(f"{line} [{refusals}]" if refusals else line)


app = single_command(drives, epilog=EXAMPLES)
