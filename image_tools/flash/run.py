"""Write an image to a drive or file, and read it back from the medium."""

from __future__ import annotations

import time
from dataclasses import dataclass

from image_tools.flash.target import Reading, State, Target, check_room
from image_tools.flash.verify import verify_image
from image_tools.flash.write import Record, write_image
from image_tools.source import Source
from resin_toolkit.errors import BadValue, ImageDamaged
from resin_toolkit.progress import Progress


@dataclass(frozen=True)
class Flashed:
    """What was written. `reading` tells how it was read back, None if it was not; times in seconds."""

    record: Record
    reading: Reading | None
    write_seconds: float
    verify_seconds: float

    @property
    def verified(self) -> bool:
        """Whether all of it was read back from the medium itself, and was the same."""
        return self.reading is not None and self.reading.past_cache


def flash(
    source: Source, target: Target, progress: Progress, *, verify: bool = True, sha256: str | None = None
) -> Flashed:
    """Write all of `source` to `target`, flush it, read it back and compare.

    `sha256` is what the image, or the file that it comes in, must have; the source is then opened with
    `digest`. Call `target.finish()` when nothing more is to be written. Raises Refused or NoSpace (too small,
    before anything is written where the size is known), ImageDamaged (the source, or another checksum),
    IoFailed, DriveNotFound, VerifyFailed; each says what state the target is in.
    """
    check_room(target, source.size)
    started = time.monotonic()
    record = write_image(source, target, progress, digest=sha256 is not None)
    if sha256 is not None:
        _check_digest(source, record, sha256)
    written = time.monotonic()
    reading = verify_image(target, record, progress, original=source.reread) if verify else None
    target.state = State.COMPLETE
    return Flashed(record, reading, written - started, time.monotonic() - written)


def parse_sha256(text: str) -> str:
    """64 hexadecimal digits, in lower case; raises BadValue."""
    digest = text.strip().lower()
    if len(digest) != 64 or any(digit not in "0123456789abcdef" for digit in digest):
        raise BadValue("A SHA-256 has 64 hexadecimal digits.", hint="Copy it whole, without the file's name.")
    return digest


def _check_digest(source: Source, record: Record, expected: str) -> None:
    found = [digest for digest in (source.stored_sha256(), record.sha256) if digest]
    if expected not in found:
        raise ImageDamaged(
            f"{source.name} is not the file with this SHA-256: it has {' and, unpacked, '.join(found)}.",
            hint="Download it again, or check where the sum comes from.",
            found=found,
        )
