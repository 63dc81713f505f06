"""What is known to be held of a folder: what is not known to have the same content counts as changed."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from resin_toolkit.live.snapshot import FileStamp, scan, stable_scan, stamps_of
from resin_toolkit.live.synced_state import SyncedState


def look(root: Path) -> dict[str, FileStamp]:
    return stable_scan(lambda: scan(root, lambda path, _: path == ".resin"))


def held(root: Path, text: str = "one") -> SyncedState:
    """A folder with one file, whose content is known."""
    (root / "file").write_text(text)
    found = SyncedState(root, look(root))
    found.hash_files()
    return found


def changed(known: SyncedState, root: Path) -> tuple[str, ...]:
    return known.difference(look(root)).changed


def test_rewritten_content_is_no_change(tmp_path: Path) -> None:
    known = held(tmp_path)
    for write in (Path.touch, lambda path: path.write_text("one")):
        write(tmp_path / "file")
        assert not changed(known, tmp_path)
        assert known.tree == look(tmp_path)


def test_other_content_mode_or_kind_is_a_change(tmp_path: Path) -> None:
    known, file = held(tmp_path), tmp_path / "file"
    file.write_text("two")
    assert changed(known, tmp_path) == ("file",)
    file.write_text("one")
    file.chmod(0o600)
    assert changed(known, tmp_path) == ("file",)
    file.unlink()
    assert known.difference(look(tmp_path)).deleted == ("file",)
    file.symlink_to("one")
    assert changed(known, tmp_path) == ("file",)


def test_a_modification_time_set_back_hides_no_change(tmp_path: Path) -> None:
    """Nor one that has not come yet, at which a file cannot be told to be settled by its other time."""
    file = tmp_path / "file"
    file.write_text("one")
    for seconds in (1_000_000_000, 4_000_000_000):
        os.utime(file, (seconds, seconds))
        known = SyncedState(tmp_path, look(tmp_path))
        known.hash_files()
        file.write_text("two" if file.read_text() == "one" else "one")
        os.utime(file, (seconds, seconds))
        assert changed(known, tmp_path) == ("file",)


def test_a_file_without_a_hash_counts_as_changed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one")
    known = SyncedState(tmp_path, look(tmp_path))
    (tmp_path / "file").touch()
    assert changed(known, tmp_path) == ("file",)


def test_a_change_undone_before_hashing_counts_as_changed(tmp_path: Path) -> None:
    """A build may have read what was there in between, whatever hashes were kept of what was there before."""
    file, cache = tmp_path / "file", tmp_path / ".resin" / "main.hashes"
    file.write_text("one")
    os.utime(file, (1_000_000_000, 1_000_000_000))
    status = file.stat()
    before = look(tmp_path)
    kept(cache, status, Path.read_text(file))
    file.write_text("two")
    file.write_text("one")
    known = SyncedState(tmp_path, before, cache)
    known.hash_files()
    assert changed(known, tmp_path) == ("file",)


def test_hashes_of_a_push_are_not_read_again(tmp_path: Path) -> None:
    file, cache = tmp_path / "file", tmp_path / ".resin" / "main.hashes"
    file.write_text("one")
    kept(cache, file.stat(), "two")
    known = SyncedState(tmp_path, look(tmp_path), cache)
    known.hash_files()
    file.write_text("two")
    assert not changed(known, tmp_path)


def test_an_invalidated_file_has_no_hash_until_it_is_synced(tmp_path: Path) -> None:
    known, file = held(tmp_path), tmp_path / "file"
    (tmp_path / "other").write_text("other")
    file.write_text("two")
    known.invalidate(look(tmp_path))
    file.write_text("one")
    assert changed(known, tmp_path) == ("file", "other")
    known.hash_files()
    assert changed(known, tmp_path) == ("file", "other")
    known.mark_synced(look(tmp_path))
    known.hash_files()
    file.touch()
    assert not changed(known, tmp_path)


@pytest.mark.parametrize("young", ["held", "now"])
def test_a_file_written_just_now_is_not_hashed(tmp_path: Path, young: str) -> None:
    """It could be written once more, and have the same stamp."""
    known, file = held(tmp_path), tmp_path / "file"

    def just_now() -> dict[str, FileStamp]:
        for _ in range(1000):
            file.write_text("one")
            found = scan(tmp_path, lambda *_: False)
            if not found["file"].is_stable:
                return found
        raise AssertionError("this machine is too slow for it")

    if young == "held":
        known.mark_synced(just_now())
        known.hash_files()
        file.touch()
        assert changed(known, tmp_path) == ("file",)
    else:
        assert known.difference(just_now()).changed == ("file",)


def test_files_by_absolute_path(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("one")
    link.symlink_to("file")
    known = SyncedState(Path("/"), stamps_of([file, link, tmp_path / "none"]))
    assert list(known.tree) == [str(file), str(link)]
    time.sleep(0.05)
    known.mark_synced(stamps_of([file, link]))
    known.hash_files()
    file.touch()
    time.sleep(0.05)
    # What lies behind a link is not read: it is as if it were not known.
    assert known.difference(stamps_of([file, link])).changed == (str(link),)


def kept(cache: Path, status: os.stat_result, text: str) -> None:
    """Let it be known from a push before that a file with this status has this content."""
    value = hashlib.blake2b(text.encode(), digest_size=32).hexdigest()
    same = [status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns]
    cache.parent.mkdir(exist_ok=True)
    cache.write_text(json.dumps({"format": 1, "files": {"file": [*same, value]}}))
