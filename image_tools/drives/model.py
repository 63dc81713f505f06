"""A drive of any platform, and the reasons why it cannot be flashed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum


class RefusalReason(Enum):
    """Why a drive cannot be flashed, even with --allow-fixed; the most serious first."""

    SYSTEM = "system-drive"
    MOUNTED = "mounted"
    IN_USE = "in-use"
    READ_ONLY = "read-only"
    NO_MEDIUM = "no-medium"


@dataclass(frozen=True)
class Refusal:
    """A reason as a phrase that follows the name of the drive, and a hint."""

    reason: RefusalReason
    message: str
    hint: str


@dataclass(frozen=True)
class DrivePartition:
    """A partition; `size` in bytes, `label` and `filesystem` are empty if unknown."""

    path: str
    size: int
    label: str
    filesystem: str
    mount_points: tuple[str, ...]

    @property
    def filesystem_note(self) -> str:
        """The file system in parentheses; empty if there is none."""
        return f"({self.filesystem})" if self.filesystem not in ("", "empty") else ""

    def data(self) -> Mapping[str, object]:
        """The partition as JSON."""
        return {
            "path": self.path,
            "size": self.size,
            "label": self.label,
            "filesystem": self.filesystem,
            "mount_points": list(self.mount_points),
        }


@dataclass(frozen=True)
class Drive:
    """A whole block device; `size` and `sector_size` in bytes."""

    path: str
    vendor: str
    model: str
    serial: str
    size: int
    sector_size: int
    transport: str
    removable: bool
    read_only: bool
    partitions: tuple[DrivePartition, ...]
    mount_points: tuple[str, ...]
    """Everything mounted from it, also through layers of device mapper."""
    refusals: tuple[Refusal, ...]
    sequence: int | None = None
    """The disk sequence number, which no other drive or medium has until the next boot (Linux 5.15)."""
    location: str = ""
    """Where it is attached: its resolved path in sysfs, which changes when another drive is plugged in."""
    to_unmount: tuple[str, ...] = ()
    """The mount points of a removable drive that must be unmounted before writing."""

    @property
    def title(self) -> str:
        """Vendor and model, if known."""
        return " ".join(word for word in (self.vendor, self.model) if word) or "unnamed drive"

    @property
    def partition_summary(self) -> str:
        """The partitions with their labels or file systems: `sdb1 resin-boot, sdb2 (ext4), sdb3`."""
        return ", ".join(
            f"{part.path.removeprefix('/dev/')} {part.label or part.filesystem_note}".rstrip()
            for part in self.partitions
        )

    @property
    def refusal_summary(self) -> str:
        """Why the drive cannot be flashed; empty if it can."""
        reasons = [refusal.message for refusal in self.refusals]
        return "; ".join(reasons) if reasons or self.removable else "fixed: needs --allow-fixed"

    def is_flashable(self, *, allow_fixed: bool = False) -> bool:
        """Whether `check_flashable` accepts the drive."""
        return not self.refusals and (self.removable or allow_fixed)

    def data(self) -> Mapping[str, object]:
        """The drive as JSON; sizes in bytes."""
        return {
            "path": self.path,
            "vendor": self.vendor,
            "model": self.model,
            "serial": self.serial,
            "size": self.size,
            "sector_size": self.sector_size,
            "transport": self.transport,
            "removable": self.removable,
            "read_only": self.read_only,
            "mount_points": list(self.mount_points),
            "partitions": [part.data() for part in self.partitions],
            "flashable": self.is_flashable(),
            "refusals": [
                {"reason": refusal.reason.value, "message": refusal.message} for refusal in self.refusals
            ],
        }


def find_refusals(
    *,
    system: Iterable[str],
    mounted: Iterable[str],
    read_only: bool,
    size: int,
    held_by: Iterable[tuple[str, str]] = (),
) -> tuple[Refusal, ...]:
    """The refusals of a drive, the most serious first.

    `system` are mount points of the running system, `mounted` others that must be unmounted by hand,
    `held_by` pairs of what the drive is part of and how to release it.
    """
    found = []
    if places := ", ".join(system):
        found.append(
            Refusal(RefusalReason.SYSTEM, f"holds the running system ({places})", "Choose another drive.")
        )
    if points := list(mounted):
        hint = f"Unmount it first: umount {' '.join(points)}"
        found.append(Refusal(RefusalReason.MOUNTED, f"is mounted ({', '.join(points)})", hint))
    found += [Refusal(RefusalReason.IN_USE, f"is part of {what}", hint) for what, hint in held_by]
    if read_only:
        found.append(Refusal(RefusalReason.READ_ONLY, "is read-only", "Check the card's lock switch."))
    if not size:
        found.append(Refusal(RefusalReason.NO_MEDIUM, "has no medium", "Insert a card."))
    return tuple(found)
