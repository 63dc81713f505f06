"""Small JSON files in the user's state directory, readable only by the user.

Source: the XDG Base Directory Specification ($XDG_STATE_HOME, by default ~/.local/state).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def state_folder() -> Path:
    """The state directory of resin, which may not exist yet."""
    configured = os.environ.get("XDG_STATE_HOME", "")
    base = Path(configured) if Path(configured).is_absolute() else Path.home() / ".local" / "state"
    return base / "resin"


def read_state(name: str) -> dict[str, Any]:
    """Read the JSON object in the file `name`; empty if the file is missing or invalid."""
    try:
        content = json.loads((state_folder() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@contextmanager
def update_state(name: str) -> Iterator[dict[str, Any]]:
    """Yield the object in the file `name` to be changed; it is written if the block raises nothing.

    Other processes that update it wait meanwhile; readers see the old file or the new one. Raises OSError.
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


def entry_time(entry: Any) -> str:
    """The `at` of an entry, RFC 3339 in UTC; empty if it has none. Anybody may have edited the file."""
    at = entry.get("at") if isinstance(entry, dict) else None
    return at if isinstance(at, str) else ""


def add_entry(state: dict[str, Any], key: str, entry: dict[str, Any], *, limit: int) -> None:
    """Store `entry` with the current time as its `at`, and remove the oldest entries beyond `limit`."""
    state[key] = {**entry, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    for old in sorted(state, key=lambda known: entry_time(state[known]))[:-limit]:
        del state[old]


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(text)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
