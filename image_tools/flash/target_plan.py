"""What is particular to one target: the changes that are laid over the image for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from image_tools.boot_partition import BootPartition
from image_tools.byte_ranges import Range
from image_tools.flash.boot_preview import lasting_notices, open_early
from image_tools.flash.image_reader import ImageReader
from image_tools.flash.target import HEAD, Target
from image_tools.flash.write_record import GRAIN
from image_tools.partitions.gpt_relocation import relocated

Edit = Callable[[BootPartition], Any]
"""Changes the boot partition that it gets; what it returns is kept as `Plan.edited`."""


@dataclass(frozen=True)
class Job:
    """A target, and how its boot partition is changed on the way, if it is."""

    target: Target
    edit: Edit | None = None


@dataclass(frozen=True)
class Plan:
    """What is particular to one target."""

    job: Job
    changes: list[tuple[int, bytes]]
    edited: Any
    boot: BootPartition | None


def plan_for(reader: ImageReader, job: Job, number: int | None) -> Plan:
    changes: list[tuple[int, bytes]] = []
    edited, boot = None, None
    if job.edit is not None:
        overlay, boot = open_early(reader, number)
        edited = job.edit(boot)
        job.target.notices.extend(lasting_notices(boot))
        changes += overlay.changes()
    if job.target.capacity is not None:
        changes = [*changes, *_relocation(reader, job.target, job.target.capacity)]
    return Plan(job, sorted(changes), edited, boot)


def _relocation(reader: ImageReader, target: Target, capacity: int) -> Iterable[tuple[int, bytes]]:
    """The changes by which the backup of a GPT moves to the drive's end."""
    moved = relocated(reader.at, capacity, target.block)
    if moved is None:
        return ()
    target.notices.extend(moved.notices)
    return moved.changes


def held_ranges(plans: Sequence[Plan]) -> list[Range]:
    """The grains that each target writes by itself: those that are changed for any of them, and the head."""
    grains = set(range(0, HEAD, GRAIN))
    for plan in plans:
        for offset, data in plan.changes:
            grains.update(range(offset // GRAIN * GRAIN, offset + len(data), GRAIN))
    ranges: list[Range] = []
    for start in sorted(grains):
        if ranges and ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], start + GRAIN)
        else:
            ranges.append((start, start + GRAIN))
    return ranges
