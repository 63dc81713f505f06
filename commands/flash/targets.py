"""The targets of a flash: select, check, confirm, unmount and open them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from commands.common.drive_text import format_drive
from resin_toolkit.errors import Declined, DriveNotFound, NotPermitted, ResinError, Usage
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
    """Check and open the targets, in order, once the user has confirmed; nothing is written yet.

    `stack` closes them. Without `paths` the user selects a drive.
    """
    from image_tools.drives import check_does_not_carry, check_not_source
    from image_tools.flash import is_drive

    selected = list(paths) or [_select_drive(report, allow_fixed=allow_fixed)]
    for path in selected:
        if image != "-":
            check_not_source(image, path)
    drives = {path: _checked(path, source, allow_fixed=allow_fixed) for path in selected if is_drive(path)}
    for drive in drives.values() if image != "-" else ():
        check_does_not_carry(drive, image)
    _check_different(selected, drives)
    _check_files([path for path in selected if path not in drives], report)
    if drives:
        _confirm(list(drives.values()), report, named=bool(paths))
    _unmount(list(drives.values()), report)
    return [stack.enter_context(_open(path, drives.get(path), image)) for path in selected]


def _checked(path: str, source: Source, *, allow_fixed: bool) -> Drive:
    from image_tools.drives import check_fits, check_flashable, find_drive

    drive = find_drive(path)
    check_flashable(drive, allow_fixed=allow_fixed)
    check_fits(drive, source.size)
    return drive


def _check_different(paths: Sequence[str], drives: dict[str, Drive]) -> None:
    real = [drives[path].path if path in drives else str(Path(path).resolve()) for path in paths]
    twice = next((path for path in real if real.count(path) > 1), None)
    if twice is not None:
        raise Usage(f"{twice} is named twice.", hint="Name each target once.")


def _check_files(paths: Sequence[str], report: Report) -> None:
    from image_tools.drives import check_not_attached

    for path in paths:
        check_not_attached(path)
        # A name in /dev that does not exist is a missing drive, except in /dev/shm.
        if path.startswith("/dev/") and not path.startswith("/dev/shm/") and not Path(path).exists():
            raise DriveNotFound(f"There is no drive {path}.", hint="`resin drives --all` lists all drives.")
        if Path(path).is_file():
            report.confirm(f"The file {path} will be overwritten. Continue?")


def _confirm(drives: Sequence[Drive], report: Report, *, named: bool) -> None:
    """Return if the user confirms. The name of a fixed drive must be typed, or named together with --yes."""
    paths = ", ".join(drive.path for drive in drives)
    lines = [format_drive(drive) for drive in drives]
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


def _open(path: str, drive: Drive | None, image: str) -> Target:
    from image_tools.flash import open_drive, open_file

    if drive is None:
        return open_file(path, like=image)
    from image_tools.drives import check_not_exchanged

    try:
        target = open_drive(drive.path)
    except NotPermitted as error:
        from commands.common.sudo import sudo_line

        error.hint = f"Run it as root: {sudo_line(sys.argv[1:])}"
        raise
    try:
        check_not_exchanged(drive, target.descriptor)
    except ResinError:
        with target:
            raise
    return target


def _select_drive(report: Report, *, allow_fixed: bool) -> str:
    """Let the user select a drive. Without a terminal, raises Usage with the available drives."""
    from image_tools.drives import list_drives

    def choices() -> list[tuple[Drive, str]]:
        found = [drive for drive in list_drives() if drive.is_flashable(allow_fixed=allow_fixed)]
        return [(drive, format_drive(drive)) for drive in found]

    if report.interactive:
        return report.choose("Flash which drive?", choices).path
    paths = ", ".join(drive.path for drive, _ in choices())
    if not paths:
        raise DriveNotFound(
            "No drive that can be flashed was found.",
            hint="Insert one, or run `resin drives --all` to see why a drive cannot be flashed.",
        )
    raise Usage("Missing argument 'TARGET'.", hint=f"Name one of: {paths}.")
