"""What a drive says of itself, put to the test: how large it is, and that it has discarded what it held.

Stamped blocks are written all over it and read back at the end. A counterfeit card keeps the first part of
what is written, and lets addresses beyond it wrap to the start, or loses them. Stamps at powers of two,
half-way between them and at the very end find the one that is hit.
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
    """Write stamps all over a drive, flush them, read them back past the cache.

    What was on the drive there is lost. Raises VerifyFailed with `claimed` and `real`, an estimate in bytes,
    where a stamp does not come back, 0 where not even the first one does; IoFailed, DriveNotFound.
    """
    assert target.capacity is not None
    nonce = os.urandom(16)
    places = stamp_places(target.capacity)
    with progress.step("probing", 2 * len(places) * BLOCK) as step:
        for place in places:
            target.write(aligned(_stamp(place, nonce), BLOCK), place)
            step.advance(BLOCK)
        target.drop_cache()
        wrong = {}
        for place in places:
            found = target.read(place, BLOCK)
            if found != _stamp(place, nonce):
                wrong[place] = found
            step.advance(BLOCK)
    if wrong:
        raise _smaller(target, wrong, nonce)


def keeps_old_content(target: Target) -> bool:
    """Whether a drive that was discarded reads, at one of the places, as neither all zero nor all ones."""
    assert target.capacity is not None
    target.drop_cache()
    cleared = (bytes(BLOCK), b"\xff" * BLOCK)
    return any(target.read(place, BLOCK) not in cleared for place in stamp_places(target.capacity))


def stamp_places(size: int) -> list[int]:
    """Where stamps go on a drive of `size` bytes, ascending; whole blocks, the start and the last one too."""
    last = (size - BLOCK) // BLOCK * BLOCK
    places = {0, max(last, 0)}
    place = FIRST
    while place < last:
        places.update(p for p in (place, place + place // 2) if p < last)
        place *= 2
    return sorted(places)


def _stamp(place: int, nonce: bytes) -> bytes:
    """A block that says where it belongs and in which run it was written."""
    header = _HEADER.pack(_MARK, place, nonce)
    return (header * (BLOCK // len(header) + 1))[:BLOCK]


def _smaller(target: Target, wrong: dict[int, bytes], nonce: bytes) -> VerifyFailed:
    """What the blocks that came back wrong, by their places, tell of the drive."""
    origins = {place: _origin(found, nonce) for place, found in wrong.items()}
    # What was written at one place came out at another: their distance is a multiple of the real size.
    distance = gcd(*(abs(origin - place) for place, origin in origins.items() if origin is not None))
    lost = [place for place, origin in origins.items() if origin is None and place]
    real = min((bound for bound in (distance, *lost) if bound), default=0)
    place, found = next(iter(wrong.items()))
    if (origin := origins[place]) is not None:
        what = f"what was written at byte {origin} came back at byte {place}"
    else:
        looks = {bytes(BLOCK): "all zero", b"\xff" * BLOCK: "all ones"}.get(found, "something else")
        what = f"what was written at byte {place} came back as {looks}"
    if 0 in origins and origins[0] is None:
        return VerifyFailed(
            f"{target.path} does not keep data: {what}.",
            hint="It is worn out or locked: try another one.",
            claimed=target.capacity,
            real=0,
            offset=place,
        )
    return VerifyFailed(
        f"{target.path} is not as large as it says ({target.capacity} bytes, really about {real}): {what}.",
        hint="It is a counterfeit or worn-out card: do not use it.",
        claimed=target.capacity,
        real=real,
        offset=place,
    )


def _origin(found: bytes, nonce: bytes) -> int | None:
    """Where a block was written in this run, None if it was not."""
    mark, origin, run = _HEADER.unpack_from(found.ljust(_HEADER.size, b"\0"))
    return int(origin) if (mark, run) == (_MARK, nonce) else None
