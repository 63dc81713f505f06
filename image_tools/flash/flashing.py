"""Writing an image to one or more drives or files, and verifying each."""

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
    """Write `source` to the target of each job, flush, read back and compare; returns a result for each.

    The source is read once. The failure of a target is the `error` of its result and does not stop the
    others. Failures that concern all targets are raised: ImageDamaged (the source, a checksum, the block
    map), what the edits raise, Refused or NoSpace (too small, before anything is written if the size is
    known). Each error describes the state of its target.
    """
    options = options or FlashOptions()
    try:
        return _flash(source, jobs, progress, options)
    except UsageContradicted as contradiction:
        if not source.can_reopen:
            raise ImageDamaged(
                f"Unused areas of {source.name} cannot be skipped: {contradiction.reason}.",
                hint="Write it with --full.",
            ) from contradiction
        notice = Notice("written-in-full", f"The whole image was written: {contradiction.reason}.")
        source.notices.append(notice)
        with source.reopen() as reopened:
            return _flash(reopened, jobs, progress, replace(options, full=True, sha256=None))


def _flash(
    source: Source, jobs: Sequence[FlashJob], progress: Progress, options: FlashOptions
) -> list[TargetResult]:
    with ImageReader(source) as reader:
        usage = reader.usage(full=options.full, block_map=options.block_map)
        plans = [plan_target(reader, job, options.partition) for job in jobs]
        for job in jobs:
            job.target.check_not_exchanged()
            _check_room(job.target, source.size, _needed(usage, source.size))
        run = FlashRun(reader, usage, progress, plans, options)
        run.run()
        results = run.results()
    excluded = [index for index, writer in enumerate(run.writers) if writer.excluded and writer.error is None]
    for index in excluded:
        results[index] = _flash_separately(source, jobs[index], progress, options)
    return results


def _check_room(target: Target, size: int | None, needed: int | None) -> None:
    """Raise Refused (a drive) or NoSpace (a file system) if the image does not fit; None is unknown.

    A drive must hold the `size` of the image, a file system the `needed` bytes that are written.
    """
    if target.capacity is not None:
        from image_tools.drives import check_fits, find_drive

        check_fits(find_drive(target.path), size)
        return
    room = os.fstatvfs(target.descriptor)
    free = room.f_bavail * room.f_frsize + os.fstat(target.descriptor).st_blocks * 512
    # A file system that reports no blocks at all does not know its size.
    if needed is not None and room.f_blocks and needed > free:
        raise NoSpace(
            f"There is no space for {target.path}: {free} bytes are free, and the image needs {needed}.",
            hint="Make room, or choose another place.",
            free=free,
            needed=needed,
        )


def _flash_separately(
    source: Source, job: FlashJob, progress: Progress, options: FlashOptions
) -> TargetResult:
    """Write to a target that was excluded because it was too slow."""
    job.target.notices.append(
        Notice("set-apart", f"{job.target.path} was much slower than the others and was written after them.")
    )
    with source.reopen() as reopened:
        [outcome] = _flash(reopened, [job], progress, replace(options, sha256=None))
        return outcome


def _needed(usage: Usage, size: int | None) -> int | None:
    """The number of bytes that will be written, if known in advance."""
    if size is None or isinstance(usage, StreamUsage):
        return None
    return sum(end - start for start, end in usage.needed(0, size))
