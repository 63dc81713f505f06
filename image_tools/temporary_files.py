"""Where temporary files go that may become as large as an image."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_LARGE = Path("/var/tmp")


def large_temporary_folder() -> str:
    """A folder on a disk, unless TMPDIR names another one: /tmp is often in memory."""
    if not os.environ.get("TMPDIR") and _LARGE.is_dir() and os.access(_LARGE, os.W_OK):
        return str(_LARGE)
    return tempfile.gettempdir()
