"""The root of a project, and what is remembered and allowed by its real path."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from resin_toolkit.project import approvals, project_state
from resin_toolkit.project.access import ProjectAccess
from resin_toolkit.project.approvals import Approvals, device_key
from resin_toolkit.project.project_state import ProjectState, find_project_state
from resin_toolkit.project.root import project_root


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    (folder / "work" / "app" / "sub").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("SUDO_UID", raising=False)
    return folder


def git(folder: Path, text: str | None = None) -> None:
    """Make a folder a work tree; with a `text`, one whose `.git` is a file."""
    if text is not None:
        (folder / ".git").write_text(text)
    else:
        (folder / ".git").mkdir()
        (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")


def test_a_folder_without_a_work_tree_is_its_own_root(home: Path) -> None:
    assert project_root(home / "work" / "app") == str(home / "work" / "app")
    (home / "link").symlink_to("work/app")
    assert project_root(home / "link") == str(home / "work" / "app")


@pytest.mark.parametrize("text", [None, "gitdir: ../x\n"])
def test_the_work_tree_is_the_root(home: Path, text: str | None) -> None:
    git(home / "work", text)
    assert project_root(home / "work" / "app" / "sub") == str(home / "work")
    git(home / "work" / "app", "gitdir: ../.git/modules/app\n")
    assert project_root(home / "work" / "app" / "sub") == str(home / "work" / "app")


def test_a_work_tree_at_the_home_folder_or_above_is_none(home: Path) -> None:
    for folder in (home, home.parent):
        git(folder)
        assert project_root(home / "work" / "app") == str(home / "work" / "app")


def test_a_folder_that_only_looks_like_a_work_tree(home: Path) -> None:
    app = home / "work" / "app"
    for make in (lambda path: path.mkdir(), lambda path: path.write_text("x"), os.mkfifo,
                 lambda path: path.symlink_to(home)):  # fmt: skip
        make(home / "work" / ".git")
        assert project_root(app) == str(app)
        if (home / "work" / ".git").is_dir() and not (home / "work" / ".git").is_symlink():
            (home / "work" / ".git").rmdir()
        else:
            (home / "work" / ".git").unlink()


def test_a_folder_that_everybody_may_write_to_is_none(home: Path) -> None:
    git(home / "work")
    (home / "work").chmod(0o1777)
    assert project_root(home / "work" / "app") == str(home / "work" / "app")


@pytest.mark.root
@pytest.mark.parametrize("what", [".", ".git"])
def test_a_work_tree_of_another_user_is_none(home: Path, what: str) -> None:
    git(home / "work")
    os.chown(home / "work" / what, 12345, 12345)
    assert project_root(home / "work" / "app") == str(home / "work" / "app")


@pytest.mark.root
def test_under_sudo_the_callers_work_tree_is_theirs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(home / "work")
    for path in (home / "work", home / "work" / ".git"):
        os.chown(path, 12345, 12345)
    monkeypatch.setenv("SUDO_UID", "12345")
    assert project_root(home / "work" / "app") == str(home / "work")


def test_what_is_in_an_outside_folder_is_not_named_again(home: Path) -> None:
    access = ProjectAccess(home / "work" / "app")
    (home / "work" / "shared.env").write_text("A=1")
    (home / "x.env").write_text("A=1")
    for path in ("work/shared.env", "x.env"):
        access.read(home / path, "env_file")
    access.note(home / "work", "context")
    assert dict(access.paths) == {str(home / "work"): "context", str(home / "x.env"): "env_file"}


def test_approvals_are_for_a_project_a_device_and_its_paths(home: Path) -> None:
    app, other = Approvals.of(home / "work" / "app"), Approvals.of(home / "work")
    assert app.add("kitchen", paths=["/a"], variables=["X"]) == []
    assert app.includes("kitchen")
    assert app.missing_paths("kitchen", ["/a", "/a/b", "/ab", "/"]) == ["/ab", "/"]
    assert app.missing_variables("kitchen", ["X", "Y"]) == ["Y"]
    assert app.missing_paths("hall", ["/a"]) == ["/a"]
    assert not app.includes("hall")
    assert not other.includes("kitchen")
    app.add("kitchen", paths=["/c"])
    assert app.missing_paths("kitchen", ["/a", "/c"]) == []
    assert (Path(os.environ["XDG_STATE_HOME"]) / "resin" / approvals.STATE).stat().st_mode & 0o777 == 0o600


@pytest.mark.root
def test_approvals_do_not_hold_for_the_project_of_another_user(home: Path) -> None:
    app = home / "work" / "app"
    Approvals.of(app).add("kitchen", paths=["/a"])
    os.chown(app, 12345, 12345)
    assert not Approvals.of(app).includes("kitchen")
    assert Approvals.of(app).missing_paths("kitchen", ["/a"]) == ["/a"]


def test_the_oldest_projects_are_forgotten_first(home: Path) -> None:
    folder = Path(os.environ["XDG_STATE_HOME"]) / "resin"
    folder.mkdir(parents=True)
    old = {f"/old/{number}": {"device": "x", "at": f"2020-01-01T00:00:{number:03d}"} for number in range(200)}
    (folder / project_state.STATE).write_text(json.dumps(old))
    (folder / approvals.STATE).write_text(json.dumps(old))
    state = ProjectState(home / "work" / "app")
    assert state.remember(device="kitchen", app="a", built=["1", "2"], rate=("E", 5.4)) == []
    assert (state.device, state.app, state.built) == ("kitchen", "a", ("1", "2"))
    assert (state.link_rate_to("E"), state.link_rate_to("F")) == (5.0, None)
    Approvals.of(home / "work" / "app").add("kitchen")
    for name in (project_state.STATE, approvals.STATE):
        known = json.loads((folder / name).read_text())
        assert len(known) == 200
        assert "/old/0" not in known
        assert str(home / "work" / "app") in known
    found = find_project_state(home / "work" / "app" / "sub")
    assert found is not None
    assert found.project == str(home / "work" / "app")
    assert find_project_state(home / "work") is None


@pytest.mark.parametrize(
    ("word", "key"),
    [("Kitchen", "kitchen"), ("kitchen.local", "kitchen"), ("ssh://root@kitchen", "kitchen"),
     ("tcp://kitchen:99", "tcp://kitchen port 99"), ("10.0.0.5", "10.0.0.5")],
)  # fmt: skip
def test_a_device_has_one_key(word: str, key: str) -> None:
    assert device_key(word) == key
