"""Being told of changes, by the system's own means."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from resin_toolkit.live.watcher import FileWatcher, folder_identities

PATIENCE = 30.0


def told(watch: FileWatcher) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if watch.wait(0.2):
            return True
    return False


def test_a_save_before_watching_begins_is_not_lost(tmp_path: Path) -> None:
    """Whoever has looked at once when it began has to look again once it watches."""
    sys.modules.pop("watchfiles", None)
    with FileWatcher([tmp_path], debounce=0.1) as watch:
        watch.trigger()
        assert watch.wait(0)
        assert told(watch)
        assert not watch.wait(1.0)
        (tmp_path / "new").mkdir()
        assert told(watch)
        (tmp_path / "new" / "file").write_text("1")
        assert told(watch)


def test_a_burst_is_reported_once(tmp_path: Path) -> None:
    with FileWatcher([tmp_path], debounce=5.0) as watch:
        assert told(watch)
        for number in range(200):
            (tmp_path / f"{number}").write_text("1")
        assert told(watch)
        assert not watch.wait(0.5)


def test_a_watcher_ends_when_it_is_closed(tmp_path: Path) -> None:
    before = threading.active_count()
    with FileWatcher([tmp_path], debounce=0.1) as watch:
        assert told(watch)
    assert threading.active_count() == before


def test_a_recreated_folder_is_another_one(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    assert folder_identities([folder]) == {}
    folder.mkdir()
    first = folder_identities([folder])
    folder.rename(tmp_path / "aside")
    folder.mkdir()
    assert folder_identities([folder]) != first
