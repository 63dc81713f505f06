"""The JSON files of the state directory."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from resin_toolkit.errors import StateDamaged
from resin_toolkit.state import read_state, state_folder, update_state

ADD_ONE = """
from resin_toolkit.state import update_state
for _ in range(25):
    with update_state("count.json") as state:
        state["count"] = state.get("count", 0) + 1
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "resin"


def test_state_is_stored_and_readable_only_by_its_owner(folder: Path) -> None:
    assert read_state("a.json") == {}
    with update_state("a.json") as state:
        state["x"] = ["ü"]
    assert read_state("a.json") == {"x": ["ü"]}
    assert state_folder() == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_an_error_changes_nothing() -> None:
    with update_state("a.json") as state:
        state["x"] = 1
    with pytest.raises(ZeroDivisionError), update_state("a.json") as state:
        state["x"] = 1 // 0
    assert read_state("a.json") == {"x": 1}


def test_an_invalid_file_is_empty_and_can_be_replaced(folder: Path) -> None:
    folder.mkdir(parents=True)
    for content in (b"\xff", b"[1]", b'{"x": '):
        (folder / "a.json").write_bytes(content)
        assert read_state("a.json") == {}
    with update_state("a.json") as state:
        state["x"] = 1
    assert read_state("a.json") == {"x": 1}


def test_a_relative_directory_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_folder() == tmp_path / ".local" / "state" / "resin"


def test_concurrent_updates_lose_nothing() -> None:
    runs = [subprocess.Popen([sys.executable, "-c", ADD_ONE]) for _ in range(4)]
    assert [run.wait() for run in runs] == [0] * 4
    assert read_state("count.json") == {"count": 100}


def test_a_damaged_file_that_protects_the_user_is_an_error(folder: Path) -> None:
    folder.mkdir(parents=True)
    for content in (b"\xff", b"[1]", b'{"x": ', b"", b"[" * 100_000):
        (folder / "a.json").write_bytes(content)
        with pytest.raises(StateDamaged, match="is damaged"):
            read_state("a.json", protects=True)
        with pytest.raises(StateDamaged), update_state("a.json", protects=True):
            raise AssertionError
        assert (folder / "a.json").read_bytes() == content
    (folder / "a.json").unlink()
    assert read_state("a.json", protects=True) == {}


def test_no_link_is_followed(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    target = tmp_path / "target"
    target.write_text('{"x": 1}')
    for name in ("a.json", ".b.json.lock"):
        (folder / name).symlink_to(target)
    assert read_state("a.json") == {}
    with pytest.raises(StateDamaged, match="symbolic link"):
        read_state("a.json", protects=True)
    with update_state("a.json") as state:
        state["y"] = 2
    with pytest.raises(OSError, match="symbolic link"), update_state("b.json"):
        raise AssertionError
    assert target.read_text() == '{"x": 1}'


@pytest.mark.root
def test_under_sudo_files_belong_to_the_owner_of_the_home(folder: Path, tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, 1234)
    with update_state("a.json") as state:
        state["x"] = 1
    made = [folder.parent, folder, *folder.iterdir()]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(1234, 1234)}
