"""Write an image to one or several drives or files, and read it back from each medium."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from image_tools.flash.flash_run import FlashRun
from image_tools.flash.image_reader import ImageReader
from image_tools.flash.outcome import FlashOptions, TargetResult
from image_tools.flash.target import Target
from image_tools.flash.target_plan import FlashJob, plan_target
from image_tools.source import Source
from image_tools.usage import StreamUsage, Usage, UsageContradicted
from resin_toolkit.errors import ImageDamaged, NoSpace, Notice
from resin_toolkit.progress import Progress


def flash(
    source: Source, jobs: Sequence[FlashJob], progress: Progress, options: FlashOptions | None = None
) -> list[TargetResult]:
    """Write `source` to every job's target, flush it, read it back and compare; an outcome for each.

    The source is read once. What one target fails with is its outcome's `error`, and does not stop the
    others. What makes the image unfit for all is raised: ImageDamaged (the source, another checksum, another
    block map), what the edits raise, Refused or NoSpace (too small, before anything is written where the size
    is known). Each error says what state the target is in.
    """
    options = options or FlashOptions()
    try:
        return _flash(source, jobs, progress, options)
    except UsageContradicted as contradiction:
        if not source.can_reopen:
            raise ImageDamaged(
                f"{source.name} cannot be written in parts: {contradiction.reason}.",
                hint="Write it with --full.",
            ) from contradiction
        notice = Notice("written-in-full", f"All of the image was written: {contradiction.reason}.")
        source.notices.append(notice)
        with source.reopen() as again:
            return _flash(again, jobs, progress, replace(options, full=True, sha256=None))


def _flash(
    source: Source, jobs: Sequence[FlashJob], progress: Progress, options: FlashOptions
) -> list[TargetResult]:
    with ImageReader(source) as reader:
        usage = reader.usage(full=options.full, block_map=options.block_map)
        plans = [plan_target(reader, job, options.partition) for job in jobs]
        for job in jobs:
            _check_room(job.target, source.size, _needed(usage, source.size))
        party = FlashRun(reader, usage, progress, plans, options)
        party.run()
        results = party.results()
    excluded = [
        index for index, writer in enumerate(party.writers) if writer.excluded and writer.error is None
    ]
    for index in excluded:
        results[index] = _alone(source, jobs[index], progress, options)
    return results


def _check_room(target: Target, size: int | None, needed: int | None) -> None:
    """Raise Refused (a drive) or NoSpace (a file system) where an image cannot fit; None is unknown.

    A drive must have room for the image's `size`, a file system for the `needed` bytes that are written.
    """
    if target.capacity is not None:
        from image_tools.drives import check_fits, find_drive

        check_fits(find_drive(target.path), size)
        return
    room = os.fstatvfs(target.descriptor)
    free = room.f_bavail * room.f_frsize + os.fstat(target.descriptor).st_blocks * 512
    # A file system that tells of no blocks at all does not know.
    if needed is not None and room.f_blocks and needed > free:
        raise NoSpace(
            f"{target.path} has no room: {free} bytes are free there and the image needs {needed}.",
            hint="Make room, or choose another place.",
            free=free,
            needed=needed,
        )


def _alone(source: Source, job: FlashJob, progress: Progress, options: FlashOptions) -> TargetResult:
    """Write to a target by itself that was too slow to keep company."""
    job.target.notices.append(
        Notice("set-apart", f"{job.target.path} was much slower than the others and was written after them.")
    )
    with source.reopen() as again:
        [outcome] = _flash(again, [job], progress, replace(options, sha256=None))
        return outcome


def _needed(usage: Usage, size: int | None) -> int | None:
    """The bytes that will be written, where that is known beforehand."""
    if size is None or isinstance(usage, StreamUsage):
        return None
    return sum(end - start for start, end in usage.needed(0, size))
