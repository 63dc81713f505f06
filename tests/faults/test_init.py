"""`resin init` if a project cannot be created."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.resin_command import PROGRAM, program, resin

from faults.conditions import POWERLESS, locked, small_disk
from faults.table import Fault, fault
from resin_toolkit.errors import Exit

NOTHING = "reports it; no file is created or overwritten"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@fault(
    "init",
    "an unknown language, distribution or device type",
    Exit.USAGE,
    "bad-value",
    NOTHING,
    ["--language", "cobol"],
)
@fault(
    "init",
    "an unknown language, distribution or device type",
    Exit.USAGE,
    "bad-value",
    NOTHING,
    ["--distro", "slackware"],
)
@fault(
    "init",
    "an unknown language, distribution or device type",
    Exit.USAGE,
    "bad-value",
    NOTHING,
    ["--device-type", "toaster"],
)
def test_what_is_not_there(fault: Fault) -> None:
    fault.met(resin("init", "garden", *fault.given, "--json"), fault.given[1])
    assert not Path("garden").exists()


@fault("init", "the folder already contains a project", Exit.REFUSED, "refused", NOTHING)
def test_a_project_is_there(fault: Fault) -> None:
    Path("Dockerfile").write_text("FROM precious\n")
    fault.met(resin("init", "--json"), "Dockerfile")
    assert [path.name for path in Path().iterdir()] == ["Dockerfile"]
    assert Path("Dockerfile").read_text() == "FROM precious\n"


@fault("init", "a file in place of the folder", Exit.USAGE, "bad-value", NOTHING)
def test_a_file_is_in_the_way(fault: Fault) -> None:
    Path("garden").write_text("mine")
    fault.met(resin("init", "garden", "--json"), "garden")
    assert Path("garden").read_text() == "mine"


@fault("init", "a folder without write permission", Exit.NOT_PERMITTED, "not-permitted", NOTHING)
def test_no_rights(fault: Fault) -> None:
    Path("others").mkdir(mode=0o555)
    fault.met(program("init", "others/garden", "--json", command=(*POWERLESS, PROGRAM)), "others")
    assert list(Path("others").iterdir()) == []


@fault("init", "a read-only file system", Exit.REFUSED, "refused", NOTHING)
def test_a_read_only_disk(fault: Fault) -> None:
    Path("archive").mkdir()
    with locked(Path("archive")):
        fault.met(resin("init", "archive/garden", "--json"), "archive")


@fault("init", "no space left on the disk", Exit.FAILED, "no-space", NOTHING)
def test_no_room(fault: Fault, tmp_path: Path) -> None:
    with small_disk(tmp_path, 8192) as disk:
        fault.met(resin("init", disk / "garden", "--json"), "garden")
        assert list(disk.iterdir()) == []
