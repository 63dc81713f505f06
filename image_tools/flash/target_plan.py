"""The changes to the image that are specific to one target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from image_tools.boot_partition import BootPartition
from image_tools.byte_ranges import Range
from image_tools.flash.boot_preview import definite_notices, open_boot_preview
from image_tools.flash.image_reader import ImageReader
from image_tools.flash.target import HEAD, Target
from image_tools.flash.write_record import HASH_BLOCK
from image_tools.partitions.gpt_relocation import relocate_gpt

Edit = Callable[[BootPartition], Any]
"""A function that changes a boot partition; its result becomes `TargetPlan.edited`."""


@dataclass(frozen=True)
class FlashJob:
    """A target, and the edit to apply to its boot partition, if any."""

    target: Target
    edit: Edit | None = None


@dataclass(frozen=True)
class TargetPlan:
    """The changes for one target."""

    job: FlashJob
    changes: list[tuple[int, bytes]]
    edited: Any
    boot: BootPartition | None


def plan_target(reader: ImageReader, job: FlashJob, number: int | None) -> TargetPlan:
    changes: list[tuple[int, bytes]] = []
    edited, boot = None, None
    if job.edit is not None:
        overlay, boot = open_boot_preview(reader, number)
        edited = job.edit(boot)
        job.target.notices.extend(definite_notices(boot))
        changes += overlay.changes()
    if job.target.capacity is not None:
        changes = [*changes, *_relocation(reader, job.target, job.target.capacity)]
    return TargetPlan(job, sorted(changes), edited, boot)


def _relocation(reader: ImageReader, target: Target, capacity: int) -> Iterable[tuple[int, bytes]]:
    """The changes that move a backup GPT to the end of the drive."""
    moved = relocate_gpt(reader.at, capacity, target.block)
    if moved is None:
        return ()
    target.notices.extend(moved.notices)
    return moved.changes


def held_ranges(plans: Sequence[TargetPlan]) -> list[Range]:
    """The ranges that each writer writes itself: the head, and what is changed for any of the targets."""
    blocks = set(range(0, HEAD, HASH_BLOCK))
    for plan in plans:
        for offset, data in plan.changes:
            blocks.update(range(offset // HASH_BLOCK * HASH_BLOCK, offset + len(data), HASH_BLOCK))
    ranges: list[Range] = []
    for start in sorted(blocks):
        if ranges and ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], start + HASH_BLOCK)
        else:
            ranges.append((start, start + HASH_BLOCK))
    return ranges
