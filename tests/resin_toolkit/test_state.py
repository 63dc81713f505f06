"""The JSON files of the state directory."""

from __future__ import annotations

import fcntl
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
def test_under_sudo_files_belong_to_the_owner_of_the_home(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_UID", "1234")
    os.chown(tmp_path, 1234, 1234)
    with update_state("a.json") as state:
        state["x"] = 1
    made = [folder.parent, folder, *folder.iterdir()]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(1234, 1234)}


STORE_AND_READ = """
from resin_toolkit.state import read_state, update_state
with update_state("a.json", protects=True) as state:
    state["x"] = 1
assert read_state("a.json", protects=True) == {"x": 1}
"""


def stored(folder: Path) -> Path:
    with update_state("a.json", protects=True) as state:
        state["x"] = 1
    return folder / "a.json"


def exchanged_by_another_user(path: Path) -> None:
    """Give a file or folder to another user, who can then write to it."""
    os.chown(path, 4321, 4321)


@pytest.mark.root
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_what_another_user_could_have_written_is_not_trusted(depth: int, folder: Path) -> None:
    """The file itself, its folder, or XDG_STATE_HOME belongs to somebody else."""
    file = stored(folder)
    exchanged_by_another_user([file, folder, folder.parent][depth])
    with pytest.raises(StateDamaged, match=r"cannot be trusted.*another user"):
        read_state("a.json", protects=True)
    assert read_state("a.json") == {}
    with pytest.raises((StateDamaged, PermissionError)), update_state("a.json", protects=True):
        raise AssertionError


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_what_everybody_can_write_is_not_trusted(depth: int, folder: Path) -> None:
    file = stored(folder)
    [file, folder, folder.parent][depth].chmod(0o777)
    with pytest.raises(StateDamaged, match=r"cannot be trusted.*can write"):
        read_state("a.json", protects=True)


@pytest.mark.root
def test_nothing_is_stored_in_a_folder_of_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with XDG_STATE_HOME=/tmp/state, which somebody has made before."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "state").mkdir(mode=0o777)
    exchanged_by_another_user(shared / "state")
    monkeypatch.setenv("XDG_STATE_HOME", str(shared / "state"))
    with pytest.raises(PermissionError, match="belongs to another user"), update_state("a.json"):
        raise AssertionError
    assert not list((shared / "state").iterdir())
    monkeypatch.setenv("XDG_STATE_HOME", str(shared / "link"))
    (shared / "link").symlink_to(tmp_path)
    os.lchown(shared / "link", 4321, 4321)
    with pytest.raises(PermissionError, match="belongs to another user"), update_state("a.json"):
        raise AssertionError
    monkeypatch.setenv("XDG_STATE_HOME", str(shared / "own"))
    with update_state("a.json", protects=True) as state:
        state["x"] = 1
    assert read_state("a.json", protects=True) == {"x": 1}


@pytest.mark.root
def test_a_home_below_the_folder_of_somebody_else_is_used(tmp_path: Path) -> None:
    """As where the homes of a project lie in a folder that belongs to its leader. Other folders are not."""
    leader = tmp_path / "leader"
    (leader / "home").mkdir(parents=True)
    (leader / "other").mkdir()
    exchanged_by_another_user(leader)
    users = tmp_path / "passwd"
    users.write_text(f"root:x:0:0:root:{leader}/home:/bin/sh\n")
    command = f"mount --bind {users} /etc/passwd && exec {sys.executable} -c '{STORE_AND_READ}'"
    for base, code in ((f"{leader}/home/state", 0), (f"{leader}/other", 1)):
        environment = {**os.environ, "XDG_STATE_HOME": base}
        run = subprocess.run(
            ["unshare", "--mount", "sh", "-c", command], env=environment, capture_output=True, text=True
        )
        assert run.returncode == code, run
        assert bool(code) == ("belongs to another user" in run.stderr), run


@pytest.mark.root
def test_the_home_of_the_calling_user_is_trusted_under_sudo(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(tmp_path, 1234, 1234)
    monkeypatch.setenv("HOME", str(tmp_path))
    stored(folder)
    assert read_state("a.json", protects=True) == {"x": 1}


@pytest.mark.parametrize("what", ["directory", "pipe", "large file", "empty file"])
def test_what_is_no_state_file_is_an_error_at_once(what: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    file = folder / "a.json"
    if what == "directory":
        file.mkdir()
    elif what == "pipe":
        os.mkfifo(file)
    else:
        file.touch(mode=0o600)
        os.truncate(file, 1 << 40 if what == "large file" else 0)
    with pytest.raises(StateDamaged):
        read_state("a.json", protects=True)
    assert read_state("a.json") == {}


def test_a_process_that_holds_the_lock_is_not_waited_for_without_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resin_toolkit.state._LOCK_TIMEOUT", 0.1)
    stored(folder)
    with (folder / ".a.json.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match="another process"), update_state("a.json"):
            raise AssertionError


@pytest.mark.root
def test_a_full_disk_keeps_the_old_file(folder: Path) -> None:
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    try:
        file = stored(folder)
        with pytest.raises(OSError, match="No space"), update_state("a.json", protects=True) as state:
            state["y"] = "y" * 100_000
        assert read_state("a.json", protects=True) == {"x": 1}
        assert {path.name for path in folder.iterdir()} == {file.name, ".a.json.lock"}
    finally:
        subprocess.run(["umount", folder], check=True)
