"""The result of a flash: as text, as JSON and as a receipt."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resin_toolkit.errors import BadValue, NotPermitted, PathNotFound, ResinError, Usage, from_os_error
from resin_toolkit.terminal.report import SCHEMA
from resin_toolkit.terminal.screen import Screen, format_size

if TYPE_CHECKING:
    from image_tools.configuration import Request
    from image_tools.drives import Drive
    from image_tools.flash import TargetResult

_STALE = "Unused areas of the drive keep their old contents; --discard or --full clears them."


@dataclass(frozen=True)
class FlashedTarget:
    """The result for one target. Sizes in bytes; `drive` is None for a file."""

    target: str
    drive: Drive | None
    error: ResinError | None
    hostname: str | None
    configured: tuple[str, ...]
    """The diff of the boot partition, with hidden secrets."""
    written: int
    rewritten: int
    """Blocks of 64 KiB that were written a second time."""
    stale: bool
    """Whether unused areas of the drive keep their old contents."""
    read_back: bool
    verified: bool
    write_seconds: float
    verify_seconds: float

    @classmethod
    def of(
        cls, result: TargetResult, drive: Drive | None, request: Request | None, *, full: bool
    ) -> FlashedTarget:
        return cls(
            target=result.target.path,
            drive=drive,
            error=result.error,
            hostname=dict(request.sets).get("hostname") if request is not None else None,
            configured=result.edited or (),
            written=result.written,
            rewritten=result.rewritten,
            stale=drive is not None and not (full or result.cleared) and result.written < result.size,
            read_back=result.reading is not None,
            verified=result.verified,
            write_seconds=result.write_seconds,
            verify_seconds=result.verify_seconds,
        )

    @property
    def rate(self) -> int:
        """Bytes per second, written and flushed."""
        return int(self.written / max(self.write_seconds, 0.001))

    def data(self) -> Mapping[str, object]:
        drive = self.drive
        return {
            "target": self.target,
            "ok": self.error is None,
            "error": None if self.error is None else {"code": self.error.code, "message": self.error.message},
            "drive": None
            if drive is None
            else {"vendor": drive.vendor, "model": drive.model, "serial": drive.serial, "size": drive.size},
            "hostname": self.hostname,
            "written": self.written,
            "rewritten_blocks": self.rewritten,
            "unused_areas_keep_old_content": self.stale,
            "read_back": self.read_back,
            "verified": self.verified,
            "rate": self.rate,
            "write_seconds": round(self.write_seconds, 3),
            "verify_seconds": round(self.verify_seconds, 3),
            "configured": list(self.configured),
        }

    def text(self, size: int) -> str:
        if self.error is not None:
            return f"{self.target}: failed: {self.error.message}"
        whole = format_size(size)
        share = whole if self.written >= size else f"{format_size(self.written)} of {whole}"
        wrote = f"Wrote {share} to {self.target} in {self.write_seconds:.1f} s ({format_size(self.rate)}/s)"
        if self.verified:
            wrote += " and verified it: read back past the page cache, every byte is right."
        elif self.read_back:
            wrote += "; the data read back matches, but may have come from the page cache."
        else:
            wrote += ". It was not verified."
        if self.rewritten:
            wrote += (
                f" {self.rewritten} blocks of 64 KiB differed and had to be written again: "
                "the card may be failing."
            )
        return "\n".join([wrote, *self.configured])


@dataclass(frozen=True)
class FlashResult:
    """One image and its targets. `size` in bytes; checksums are None if they were not computed."""

    image: str
    format: str
    size: int
    sha256: str | None
    stored_sha256: str | None
    """The SHA-256 of the compressed file."""
    started: str
    finished: str
    targets: tuple[FlashedTarget, ...]

    def data(self) -> Mapping[str, object]:
        return {
            "image": self.image,
            "kind": self.format,
            "bytes": self.size,
            "sha256": self.sha256,
            "stored_sha256": self.stored_sha256,
            "verified": all(target.verified for target in self.targets),
            "started": self.started,
            "finished": self.finished,
            "targets": [target.data() for target in self.targets],
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        succeeded = [target for target in self.targets if target.error is None]
        shown = self.targets if len(self.targets) > 1 else succeeded
        lines = [target.text(self.size) for target in shown]
        if any(target.stale for target in succeeded):
            lines.append(_STALE)
        return "\n".join(lines)


def check_receipt(path: Path, others: Sequence[str]) -> None:
    """Raise if the receipt cannot be written to `path`, or would replace one of `others`."""
    from image_tools.private_files import resolve_output

    if path.is_dir() or not path.parent.is_dir():
        raise PathNotFound(f"{path} cannot be written: the folder does not exist.", hint="Create it first.")
    if path.exists() and not path.is_file():
        raise BadValue(f"{path} is not a regular file.", hint="Name a file to write the receipt to.")
    if resolve_output(path) in [Path(other).resolve() for other in others if other != "-"]:
        raise Usage(
            f"The receipt would replace {path}, which is the image or a target.", hint="Name another file."
        )
    if not os.access(path.parent, os.W_OK):
        raise NotPermitted(f"You may not write to {path.parent}.", hint="Choose another folder.")


def write_receipt(path: Path, result: FlashResult) -> None:
    """Write the result as JSON, replacing an existing file atomically. Raises the error of an OSError."""
    from image_tools.private_files import create_file, resolve_output
    from resin_toolkit import __version__

    content = {"schema": SCHEMA, "resin": __version__, **result.data()}
    path = resolve_output(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(create_file(partial, 0o666), "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
            file.write(json.dumps(content, indent=2) + "\n")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise from_os_error(error, path) from error


def failure_of(targets: Sequence[FlashedTarget]) -> ResinError | None:
    """The error that the run ends with; None if every target holds the image."""
    failed = [target for target in targets if target.error is not None]
    if not failed:
        return None
    first = failed[0].error
    assert first is not None
    if len(targets) == 1:
        return first
    names = ", ".join(target.target for target in failed)
    message = f"{len(failed)} of {len(targets)} targets failed: {names}. {first.message}"
    return type(first)(message, hint=first.hint, **first.facts)
