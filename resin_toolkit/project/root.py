"""The root of a project: what is in it belongs to the project, what is outside the user has to allow."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from resin_toolkit.sudo_caller import sudo_caller

_GIT = ".git"


def project_root(folder: Path) -> str:
    """The real path of the root of the project in `folder`.

    It is the top of the git work tree that contains the folder, if the tree and its `.git` belong to the
    user and the tree is neither the home folder nor above it; else the folder. git is not run: the
    configuration of a work tree can name programs.
    """
    start = os.path.realpath(folder)
    users = _users()
    for parent in (Path(start), *Path(start).parents):
        if _is_work_tree(parent):
            return str(parent) if _belongs_to(parent, users) and not _is_shared(parent) else start
    return start


def _is_work_tree(folder: Path) -> bool:
    """Whether the folder has the `.git` of a repository, or the file that a work tree or submodule has."""
    git = folder / _GIT
    try:
        kind = git.lstat().st_mode
        if not stat.S_ISREG(kind):
            return stat.S_ISDIR(kind) and (git / "HEAD").exists()
        with git.open("rb") as file:
            return file.read(7) == b"gitdir:"
    except OSError:
        return False


def _users() -> set[int]:
    """The numbers of the user: under sudo, of the calling one too."""
    caller = sudo_caller()
    return {os.geteuid()} if caller is None else {os.geteuid(), caller[0]}


def _belongs_to(folder: Path, users: set[int]) -> bool:
    try:
        return {folder.stat().st_uid, (folder / _GIT).lstat().st_uid} <= users
    except OSError:
        return False


def _is_shared(folder: Path) -> bool:
    """Whether the folder is a home folder or above one, or one that everybody may write to."""
    return bool(folder.stat().st_mode & stat.S_IWOTH) or any(home.is_relative_to(folder) for home in _homes())


def _homes() -> list[Path]:
    """The home folders of the user, and under sudo of the calling one."""
    import pwd

    named = [os.environ.get("HOME", "")]
    for number in _users():
        try:
            named.append(pwd.getpwuid(number).pw_dir)
        except KeyError:
            continue
    return [Path(os.path.realpath(name)) for name in named if name]
