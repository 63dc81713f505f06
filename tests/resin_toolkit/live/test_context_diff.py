"""One look at a folder: what it holds, what differs, and what the mapping is told of it."""

from __future__ import annotations

import os
from pathlib import Path

from resin_toolkit.live.context_diff import ContextDiff
from resin_toolkit.live.live_service import parse_ignored, scan_context
from resin_toolkit.live.mapping.actions import FileChange, Rebuild
from resin_toolkit.live.mapping.file_mapping import MappingInputs, make_mapping
from resin_toolkit.live.mapping.mapping_inputs import BaseImage
from resin_toolkit.live.snapshot import difference, scan
from resin_toolkit.project.application import Application, Build, Service
from resin_toolkit.project.context_walk import FileType
from resin_toolkit.project.dockerfile import parse_dockerfile
from resin_toolkit.push.plan.build_source import read_build_source
from resin_toolkit.push.plan.platform import Platform


def everything(path: str, is_folder: bool) -> bool:  # noqa: ARG001
    return False


def test_the_difference_of_two_snapshots(tmp_path: Path) -> None:
    for name in ("same", "written", "moded", "gone", "linked", "kind"):
        (tmp_path / name).write_text("1")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").write_text("1")
    before = scan(tmp_path, everything)
    (tmp_path / "written").write_text("2")
    (tmp_path / "moded").chmod(0o700)
    (tmp_path / "gone").unlink()
    (tmp_path / "linked").unlink()
    (tmp_path / "linked").symlink_to("same")
    (tmp_path / "kind").unlink()
    (tmp_path / "kind").mkdir()
    (tmp_path / "folder" / "inside").write_text("2")
    os.mkfifo(tmp_path / "pipe")
    found = difference(before, scan(tmp_path, everything))
    assert found.changed == ("folder/inside", "kind", "linked", "moded", "written")
    assert found.deleted == ("gone",)


def test_another_file_of_the_same_size_and_times_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1")
    before = scan(tmp_path, everything)
    status = (tmp_path / "file").stat()
    (tmp_path / "new").write_text("2")
    os.utime(tmp_path / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (tmp_path / "new").replace(tmp_path / "file")
    assert difference(before, scan(tmp_path, everything)).changed == ("file",)


def test_a_context_diff_gives_the_same_answer_each_time(tmp_path: Path) -> None:
    """A change that did not get through is the same change at the next look."""
    (tmp_path / "thing").mkdir()
    held = scan(tmp_path, everything)
    (tmp_path / "thing").rmdir()
    (tmp_path / "thing").write_text("file")
    now = scan(tmp_path, everything)
    for _ in range(2):
        moments = ContextDiff(tmp_path, held, now, lambda _: False)
        mapping = make_mapping(
            parse_dockerfile("FROM a\nCOPY . /app/\n"),
            MappingInputs(moments, lambda _: BaseImage(), root=tmp_path),
        )
        (effect,) = mapping.actions_for([("thing", FileChange.CHANGED)])
        assert isinstance(effect, Rebuild)
        assert "was a folder, and is now a file" in effect.reason


def test_ignored_and_outside_files_are_not_in_the_context(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for name in ("kept", "left"):
        (root / name).write_text("1")
    held = scan(root, everything)
    both = {**held, "../beside": held["kept"]}
    moments = ContextDiff(root, both, both, lambda path: path == "left")
    assert list(moments.entries()) == [("kept", FileType.FILE)]
    assert [moments.kind(path) for path in ("kept", "left", "../beside", "none")] == [
        FileType.FILE,
        None,
        None,
        None,
    ]


def test_a_pattern_that_ends_with_two_stars_excludes_everything_below(tmp_path: Path) -> None:
    """In `.dockerignore`, with an exception, and in `[live] ignore`."""
    for name in ("out/a/x", "out/keep", "tmp/deep/y", "tmpfile", "outer", "main"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "Dockerfile").write_text("FROM a\nCOPY . /\n")
    (tmp_path / ".dockerignore").write_text("out/**\n!out/keep\n")
    service = Service("main", build=Build(tmp_path))
    source = read_build_source(Application("garden", (service,)), service, Platform((), "amd64"))
    found = scan_context(source, parse_ignored(["tmp/**"]))
    files = {path for path, stamp in found.items() if stamp.is_file}
    assert files == {".dockerignore", "Dockerfile", "main", "out/keep", "outer", "tmpfile"}
