"""What live mode uploads comes from the folders that were agreed to, whatever has become a link since."""

from __future__ import annotations

from pathlib import Path

import pytest

from resin_toolkit.live.container_files import ChangedWhileReading, FileUpload, make_archive

SECRET = b"7h3-k3y-0f-th3-h0us3"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("project/sub/deep/file", "private/sub/deep/file", "private/deep/file"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(SECRET if "private" in name else b"harmless")
    return tmp_path / "project"


def archive(project: Path, name: str = "sub/deep/file") -> bytes:
    folders = (str(project), str(project.parent / "shared"))
    return b"".join(make_archive([FileUpload(project / name, "/app/file", folders=folders)]))


@pytest.mark.parametrize(
    ("link", "target"),
    [("project/sub", "private"), ("project/sub/deep", "private/deep"), ("project", "private")],
)
def test_a_folder_that_became_a_link(project: Path, link: str, target: str) -> None:
    assert b"harmless" in archive(project)
    (project.parent / link).rename(project.parent / "moved")
    (project.parent / link).symlink_to(project.parent / target)
    with pytest.raises(ChangedWhileReading):
        archive(project)


def test_a_file_that_became_a_link(project: Path) -> None:
    (project / "sub" / "deep" / "file").unlink()
    (project / "sub" / "deep" / "file").symlink_to(project.parent / "private" / "deep" / "file")
    assert SECRET not in archive(project)


def test_a_link_to_another_folder_of_the_project(project: Path) -> None:
    (project / "other").symlink_to("sub")
    assert b"harmless" in archive(project, "other/deep/file")
    (project.parent / "shared").mkdir()
    (project / "sub" / "deep" / "file").replace(project.parent / "shared" / "file")
    assert b"harmless" in archive(project, "../shared/file")
