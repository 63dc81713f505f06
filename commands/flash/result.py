"""What a flash tells at its end, for a person, for a script and as a receipt."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resin_toolkit.errors import ResinError, from_os_error
from resin_toolkit.terminal.report import SCHEMA
from resin_toolkit.terminal.screen import Screen, format_size

if TYPE_CHECKING:
    from image_tools.drives import Drive

_STALE = "Areas that the image does not use keep their old content; --discard or --full clears them."


@dataclass(frozen=True)
class Fate:
    """What became of one target. Sizes in bytes; `drive` is None for a file."""

    target: str
    drive: Drive | None
    error: ResinError | None
    hostname: str | None
    configured: tuple[str, ...]
    """The changes that were made on the way, for a person to read; secrets are hidden."""
    written: int
    rewritten: int
    stale: bool
    """Whether unused areas of the drive keep their old content."""
    read_back: bool
    verified: bool
    write_seconds: float
    verify_seconds: float

    @property
    def rate(self) -> int:
        """Bytes a second, written and flushed."""
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
            wrote += "; what was read back is equal, but may have come from the page cache."
        else:
            wrote += ". It was not verified."
        if self.rewritten:
            wrote += (
                f" {self.rewritten} blocks of 64 KiB were wrong at first and had to be written again: "
                "do not trust this card for long."
            )
        return "\n".join([wrote, *self.configured])


@dataclass(frozen=True)
class Flashed:
    """One image on its targets. `size` in bytes; checksums where they were taken."""

    image: str
    kind: str
    size: int
    sha256: str | None
    stored_sha256: str | None
    """Of the file that the image comes in, if that is not the image itself."""
    started: str
    finished: str
    fates: tuple[Fate, ...]

    def data(self) -> Mapping[str, object]:
        return {
            "image": self.image,
            "kind": self.kind,
            "bytes": self.size,
            "sha256": self.sha256,
            "stored_sha256": self.stored_sha256,
            "verified": all(fate.verified for fate in self.fates),
            "started": self.started,
            "finished": self.finished,
            "targets": [fate.data() for fate in self.fates],
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        lines = [fate.text(self.size) for fate in self.fates if len(self.fates) > 1 or fate.error is None]
        if any(fate.stale for fate in self.fates if fate.error is None):
            lines.append(_STALE)
        return "\n".join(lines)


def write_receipt(path: Path, flashed: Flashed) -> None:
    """Write what was done as JSON; one that is there is replaced whole. Raises what an OSError means."""
    from resin_toolkit import __version__

    content = {"schema": SCHEMA, "resin": __version__, **flashed.data()}
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(json.dumps(content, indent=2) + "\n")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise from_os_error(error, path) from error


def failure_of(fates: Sequence[Fate]) -> ResinError | None:
    """The failure that the whole run ends with, None if every target holds the image."""
    failed = [fate for fate in fates if fate.error is not None]
    if not failed:
        return None
    first = failed[0].error
    assert first is not None
    if len(fates) == 1:
        return first
    names = ", ".join(fate.target for fate in failed)
    message = f"{len(failed)} of {len(fates)} targets failed: {names}. {first.message}"
    return type(first)(message, hint=first.hint, **first.facts)
