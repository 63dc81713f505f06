"""The targets of a flash: picked, checked, agreed to, unmounted and opened."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from commands.common.drive_text import described, may_be_flashed
from resin_toolkit.errors import Declined, DriveNotFound, NotPermitted, Usage
from resin_toolkit.terminal.report import Report

if TYPE_CHECKING:
    from image_tools.drives import Drive
    from image_tools.flash import Target
    from image_tools.source import Source


def open_targets(
    image: str,
    source: Source,
    paths: Sequence[str],
    report: Report,
    stack: ExitStack,
    *,
    allow_fixed: bool,
) -> list[Target]:
    """The targets, checked, agreed to and opened, in their order; nothing is written yet.

    `stack` closes them. Without `paths` a drive is picked by the user.
    """
    from image_tools.drives import check_does_not_carry, check_not_source
    from image_tools.flash import is_drive

    named = list(paths) or [_picked(report, allow_fixed=allow_fixed)]
    for path in named:
        if image != "-":
            check_not_source(image, path)
    drives = {path: _flashable(path, source, allow_fixed=allow_fixed) for path in named if is_drive(path)}
    for drive in drives.values() if image != "-" else ():
        check_does_not_carry(drive, image)
    _check_different(named, drives)
    _check_files([path for path in named if path not in drives], report)
    if drives:
        _agree(list(drives.values()), report, named=bool(paths))
    _unmount(list(drives.values()), report)
    return [stack.enter_context(_opened(path, drives.get(path), image)) for path in named]


def _flashable(path: str, source: Source, *, allow_fixed: bool) -> Drive:
    from image_tools.drives import check_fits, check_flashable, find_drive

    drive = find_drive(path)
    check_flashable(drive, allow_fixed=allow_fixed)
    check_fits(drive, source.size)
    return drive


def _check_different(named: Sequence[str], drives: dict[str, Drive]) -> None:
    places = [drives[path].path if path in drives else str(Path(path).resolve()) for path in named]
    doubled = next((place for place in places if places.count(place) > 1), None)
    if doubled is not None:
        raise Usage(f"{doubled} is named twice.", hint="Name each target once.")


def _check_files(paths: Sequence[str], report: Report) -> None:
    from image_tools.drives import check_not_attached

    for path in paths:
        check_not_attached(path)
        # But for /dev/shm, where files lie.
        if path.startswith("/dev/") and not path.startswith("/dev/shm/") and not Path(path).exists():
            raise DriveNotFound(f"There is no drive {path}.", hint="`resin drives --all` lists all drives.")
        if Path(path).is_file():
            report.confirm(f"The file {path} will be overwritten. Continue?")


def _agree(drives: Sequence[Drive], report: Report, *, named: bool) -> None:
    """Return if the user agrees; a fixed drive's name has to be typed, or named together with --yes."""
    paths = ", ".join(drive.path for drive in drives)
    lines = [described(drive) for drive in drives]
    mounted = [point for drive in drives for point in drive.to_unmount]
    if mounted:
        lines.append(f"These will be unmounted: {', '.join(mounted)}.")
    lines.append(f"{paths} will be erased.")
    text = "\n".join(lines)
    fixed = [drive.path for drive in drives if not drive.removable]
    if not fixed or (report.settings.yes and named) or not report.interactive:
        report.confirm(f"{text} Continue?")
        return
    for path in fixed:
        question = f"{text}\n{path} is a fixed drive. Type its name to continue"
        if report.ask(question) not in (path, Path(path).name):
            raise Declined("Declined; nothing was changed.", hint="Type the drive's name to continue.")


def _unmount(drives: Sequence[Drive], report: Report) -> None:
    from image_tools.drives import unmount

    for drive in drives:
        if drive.to_unmount:
            points = unmount(drive)
            report.say(f"Unmounted {', '.join(points)}.")


def _opened(path: str, drive: Drive | None, image: str) -> Target:
    from image_tools.flash import open_drive, open_file

    if drive is None:
        return open_file(path, like=image)
    try:
        return open_drive(drive.path)
    except NotPermitted as error:
        from commands.common.sudo import sudo_line

        error.hint = f"Run it as root: {sudo_line(sys.argv[1:])}"
        raise


def _picked(report: Report, *, allow_fixed: bool) -> str:
    """The drive that the user picks. Raises Usage, with the drives that there are, where nobody can."""
    from image_tools.drives import list_drives

    def choices() -> list[tuple[Drive, str]]:
        found = [drive for drive in list_drives() if may_be_flashed(drive, allow_fixed=allow_fixed)]
        return [(drive, described(drive)) for drive in found]

    if report.interactive:
        return report.choose("Flash which drive?", choices).path
    paths = ", ".join(drive.path for drive, _ in choices())
    if not paths:
        raise DriveNotFound(
            "No drive that can be flashed was found.",
            hint="Insert one; `resin drives --all` lists all drives, and why each cannot be flashed.",
        )
    raise Usage("No TARGET is given, and there is no terminal to ask on.", hint=f"Name one of: {paths}.")
