"""Testing the capacity of a drive, and whether it has discarded its contents.

Stamped blocks are written across the drive and read back at the end. A counterfeit card stores only the first
part, and maps higher addresses to the start or drops the data. Stamps at powers of two, halfway between them
and at the very end detect that.
"""

from __future__ import annotations

import os
import struct
from math import gcd

from image_tools.flash.direct_io import BLOCK, aligned
from image_tools.flash.target import Target
from resin_toolkit.errors import VerifyFailed
from resin_toolkit.progress import Progress

FIRST = 1024 * 1024
_MARK = b"resin capacity probe"
_HEADER = struct.Struct("<20sQ16s")


def probe_capacity(target: Target, progress: Progress) -> None:
    """Write stamps across a drive, flush them, and read them back past the cache.

    Overwrites the drive at these offsets. If a stamp is lost, raises VerifyFailed with `claimed` and `real`,
    an estimate in bytes (0 if the first stamp is lost). Also raises IoFailed and DriveNotFound.
    """
    assert target.capacity is not None
    nonce = os.urandom(16)
    offsets = stamp_offsets(target.capacity)
    with progress.step("probing", 2 * len(offsets) * BLOCK) as step:
        for offset in offsets:
            target.write(aligned(_stamp(offset, nonce), BLOCK), offset)
            step.advance(BLOCK)
        target.drop_cache()
        wrong = {}
        for offset in offsets:
            found = target.read(offset, BLOCK)
            if found != _stamp(offset, nonce):
                wrong[offset] = found
            step.advance(BLOCK)
    if wrong:
        raise _capacity_error(target, wrong, nonce)


def keeps_old_content(target: Target) -> bool:
    """Whether a discarded drive reads as neither zeros nor ones at one of the stamp offsets."""
    assert target.capacity is not None
    target.drop_cache()
    cleared = (bytes(BLOCK), b"\xff" * BLOCK)
    return any(target.read(offset, BLOCK) not in cleared for offset in stamp_offsets(target.capacity))


def stamp_offsets(size: int) -> list[int]:
    """The ascending offsets of stamps on a drive of `size` bytes, including the first and last block."""
    last = (size - BLOCK) // BLOCK * BLOCK
    offsets = {0, max(last, 0)}
    offset = FIRST
    while offset < last:
        offsets.update(p for p in (offset, offset + offset // 2) if p < last)
        offset *= 2
    return sorted(offsets)


def _stamp(offset: int, nonce: bytes) -> bytes:
    """A block that contains its offset and identifies the run."""
    header = _HEADER.pack(_MARK, offset, nonce)
    return (header * (BLOCK // len(header) + 1))[:BLOCK]


def _capacity_error(target: Target, wrong: dict[int, bytes], nonce: bytes) -> VerifyFailed:
    """The error for a drive whose blocks at the offsets of `wrong` differ."""
    origins = {offset: _origin(found, nonce) for offset, found in wrong.items()}
    # Data appears at another offset than it was written to: the distance is a multiple of the real size.
    distance = gcd(*(abs(origin - offset) for offset, origin in origins.items() if origin is not None))
    lost = [offset for offset, origin in origins.items() if origin is None and offset]
    real = min((bound for bound in (distance, *lost) if bound), default=0)
    offset, found = next(iter(wrong.items()))
    if (origin := origins[offset]) is not None:
        what = f"data written at byte {origin} was read back at byte {offset}"
    else:
        looks = {bytes(BLOCK): "all zero", b"\xff" * BLOCK: "all ones"}.get(found, "something else")
        what = f"data written at byte {offset} reads as {looks}"
    if 0 in origins and origins[0] is None:
        return VerifyFailed(
            f"{target.path} does not keep data: {what}.",
            hint="It is worn out or locked: try another drive.",
            claimed=target.capacity,
            real=0,
            offset=offset,
        )
    return VerifyFailed(
        f"{target.path} reports {target.capacity} bytes, but has only about {real}: {what}.",
        hint="It is a counterfeit or worn-out card: do not use it.",
        claimed=target.capacity,
        real=real,
        offset=offset,
    )


def _origin(found: bytes, nonce: bytes) -> int | None:
    """The offset at which a block was written in this run; None if it was not."""
    mark, origin, run = _HEADER.unpack_from(found.ljust(_HEADER.size, b"\0"))
    return int(origin) if (mark, run) == (_MARK, nonce) else None
