"""I/O errors of a drive or file, while writing or reading back, as errors with a hint."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

from image_tools.flash.direct_io import CHUNK
from resin_toolkit.errors import DriveNotFound, IoFailed, NoSpace, Refused, ResinError, from_os_error

if TYPE_CHECKING:
    from image_tools.flash.target import Target

_GONE = (errno.ENODEV, errno.ENXIO, errno.ENOMEDIUM)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_BROKEN = (errno.EIO, errno.EREMOTEIO, errno.ETIMEDOUT)


def write_failure(error: OSError, target: Target, offset: int) -> ResinError:
    """The error for a failed write at `offset`."""
    if error.errno not in _FULL:
        return medium_failure(error, target.path, offset, "written")
    if target.capacity is not None:
        return too_small(target, offset)
    return NoSpace(
        f"{target.path}: no space is left after {offset} bytes.",
        hint="Make room, or choose another place.",
        offset=offset,
    )


def medium_failure(error: OSError, path: str, offset: int, action: str) -> ResinError:
    """The error for a chunk at `offset` that could not be "written" or "read back"."""
    if error.errno in _GONE or not Path(path).exists():
        return DriveNotFound(
            f"{path} disappeared at byte {offset}.",
            hint="Check the connection, plug it in again and start over.",
            offset=offset,
        )
    if error.errno in _BROKEN:
        return IoFailed(
            f"{path} reports an I/O error: the {CHUNK // 1024**2} MiB at byte {offset} cannot be {action}.",
            hint="The card, reader or cable is faulty: try another one.",
            offset=offset,
        )
    return from_os_error(error, path)


def too_small(target: Target, offset: int) -> Refused:
    return Refused(
        f"{target.path} is too small: it has {target.capacity} bytes, and the image is larger.",
        hint="Choose a larger drive.",
        capacity=target.capacity,
        offset=offset,
    )
