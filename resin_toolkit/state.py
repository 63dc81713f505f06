"""What is remembered from run to run: small JSON files in the user's state folder, for their eyes only.

Source: the XDG Base Directory Specification ($XDG_STATE_HOME, by default ~/.local/state).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def state_folder() -> Path:
    """Where it is kept; it need not exist yet."""
    named = os.environ.get("XDG_STATE_HOME", "")
    base = Path(named) if Path(named).is_absolute() else Path.home() / ".local" / "state"
    return base / "resin"


def read_state(name: str) -> dict[str, Any]:
    """The object in the file `name`; empty where there is none, or none that can be read."""
    try:
        found = json.loads((state_folder() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def update_state(name: str) -> Iterator[dict[str, Any]]:
    """The object in the file `name`, to be changed in place; written when the block ends without an error.

    Other runs wait meanwhile, and a reader sees the old one or the new one, whole. Raises OSError.
    """
    import fcntl

    folder = state_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / f".{name}.lock").open("a") as lock:
        (folder / f".{name}.lock").chmod(0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        content = read_state(name)
        yield content
        _replace(folder / name, json.dumps(content, indent=1, sort_keys=True) + "\n")


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(text)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
