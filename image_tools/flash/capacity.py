"""Whether a drive is as large as it says: stamped blocks, written all over it and read back at the end.

A counterfeit card keeps the first part of what is written, and lets addresses beyond it wrap to the start, or
loses them. Stamps at powers of two, half-way between them and at the very end find the one that is hit.
"""

from __future__ import annotations

import os
import struct

from image_tools.flash.direct import BLOCK, aligned, buffers, read_all, write_all
from image_tools.flash.medium import medium_failure
from resin_toolkit.errors import VerifyFailed
from resin_toolkit.progress import Progress

FIRST = 1024 * 1024
_MARK = b"resin capacity probe"
_HEADER = struct.Struct("<20sQ16s")


def probe_capacity(descriptor: int, path: str, size: int, progress: Progress) -> None:
    """Write stamps to a drive of `size` bytes, flush them, read them back past the cache.

    What was on the drive there is lost. Raises VerifyFailed with `claimed` and `real`, an estimate in bytes,
    where a stamp does not come back; IoFailed, DriveNotFound.
    """
    nonce = os.urandom(16)
    places = stamp_places(size)
    with progress.step("probing", 2 * len(places) * BLOCK) as step:
        for place in places:
            _write(descriptor, path, place, nonce)
            step.advance(BLOCK)
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise medium_failure(error, path, 0, "written") from error
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        [buffer] = buffers(1, BLOCK)
        for place in places:
            found = _read(descriptor, path, place, buffer)
            if found != _stamp(place, nonce):
                raise _smaller(path, size, places, place, found, nonce)
            step.advance(BLOCK)


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


def _write(descriptor: int, path: str, place: int, nonce: bytes) -> None:
    try:
        write_all(descriptor, aligned(_stamp(place, nonce), BLOCK), place)
    except OSError as error:
        raise medium_failure(error, path, place, "written") from error


def _read(descriptor: int, path: str, place: int, buffer: memoryview) -> bytes:
    try:
        got = read_all(descriptor, buffer, place, BLOCK)
    except OSError as error:
        raise medium_failure(error, path, place, "read back") from error
    return bytes(buffer[:got])


def _smaller(path: str, size: int, places: list[int], place: int, found: bytes, nonce: bytes) -> VerifyFailed:
    mark, origin, run = _HEADER.unpack_from(found.ljust(_HEADER.size, b"\0"))
    if mark == _MARK and run == nonce:
        # What was written at `origin` came out at `place`: their distance is a multiple of the real size.
        real = abs(origin - place)
        what = f"what was written at byte {origin} came back at byte {place}"
    else:
        real = max((p for p in places if p < place), default=0)
        looks = {bytes(BLOCK): "all zero", b"\xff" * BLOCK: "all ones"}.get(found, "something else")
        what = f"what was written at byte {place} came back as {looks}"
    return VerifyFailed(
        f"{path} is not as large as it says ({size} bytes, really about {real}): {what}.",
        hint="It is a counterfeit or worn-out card: do not use it.",
        claimed=size,
        real=real,
        offset=place,
    )
