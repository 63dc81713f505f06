"""The time that is written into images."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from resin_toolkit.errors import BadValue


def write_time() -> datetime:
    """The local time, which FAT keeps; or SOURCE_DATE_EPOCH (reproducible-builds.org) in UTC."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return datetime.now()
    try:
        return datetime.fromtimestamp(int(epoch), UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        raise BadValue(
            f"SOURCE_DATE_EPOCH is not a number of seconds: {epoch!r}.",
            hint="Unset it, or set it to seconds.",
        ) from None
