"""The cache of the virtual device's image after a build that was killed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from virtual_device import image


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True)


def test_mounts_of_a_killed_build_are_unmounted_and_their_content_is_kept(tmp_path: Path) -> None:
    kept, tree = tmp_path / "kept", tmp_path / "new tree"
    for folder in (kept, tree / "proc", tree / "sys" / "deep"):
        folder.mkdir(parents=True)
    (kept / "file").write_text("precious")
    mount("-t", "proc", "proc", tree / "proc")
    # Twice at the same place, as two killed builds leave it.
    for _ in range(2):
        mount("--bind", kept, tree / "sys" / "deep")
    image.remove_tree(tree)
    assert not tree.exists()
    assert (kept / "file").read_text() == "precious"
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_a_mount_in_use_is_detached(tmp_path: Path) -> None:
    tree = tmp_path / "new-tree"
    tree.mkdir()
    mount("-t", "tmpfs", "tmpfs", tree)
    (tree / "in use").write_text("")
    with (tree / "in use").open():
        image.remove_tree(tree)
    assert not tree.exists()


def test_a_killed_build_leaves_no_mounts_and_no_processes(tmp_path: Path) -> None:
    """A stand-in for debootstrap mounts a file system and waits; its caller is killed."""
    (tmp_path / "proc").mkdir()
    script = f'mount -t proc proc "{tmp_path}/proc"; echo mounted; exec sleep 1000.{tmp_path.name[-3:]}1'
    caller = ["sh", "-c", '"$@"; true', "sh", *image._CONTAINED, "sh", "-c", script]
    with subprocess.Popen(caller, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"mounted\n"
        process.kill()
        # The pipe closes once the last process that could write to it has ended.
        assert process.stdout.read() == b""
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_a_leftover_is_replaced_by_a_complete_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """debootstrap is replaced by a program that refuses a folder that is not empty."""
    program = tmp_path / "bin" / "debootstrap"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nmkdir "$5" && echo complete > "$5/state"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin:/usr/sbin:/sbin")
    monkeypatch.setattr(image, "CACHE", tmp_path)
    leftover = tmp_path / "new-tree" / "proc"
    leftover.mkdir(parents=True)
    mount("-t", "proc", "proc", leftover)
    tree = image._tree()
    assert (tree / "state").read_text() == "complete\n"
    assert image._tree() == tree
