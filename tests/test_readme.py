"""The README says what is so: its tables are the program's, its tour is what the commands show."""

from __future__ import annotations

import re
import shlex
from importlib.resources import files
from pathlib import Path

from recording.camera import Camera
from support.resin_command import PROGRAM, environment

from image_tools.config import markdown_table
from resin_toolkit.cli.verb_table import VERBS

README = Path(__file__).parent.parent / "README.md"
PROGRESS = re.compile(r"^[a-z ]+: +\d+%\|.*\n", re.MULTILINE)
HASTE = re.compile(r"in[\d.]+s\([\d.]+[KMG]iB/s\)")


def between(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end of {name} -->", README.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_table_of_keys_is_the_one_that_the_checker_uses() -> None:
    assert between("keys") == markdown_table()


def test_the_table_of_verbs_has_each_of_them_under_its_group() -> None:
    rows = ["| | verb | what it does |", "| --- | --- | --- |"]
    for group in ("Image", "Device", "Project"):
        verbs = [entry for entry in VERBS if entry.group == group]
        rows += [
            f"| {'' if at else group.lower()} | `{entry.name}` | {entry.help} |"
            for at, entry in enumerate(verbs)
        ]
    assert between("verbs").splitlines() == rows
    assert len(rows) == 2 + len(VERBS)


def test_the_tour_shows_what_the_commands_show(tmp_path: Path) -> None:
    """On a terminal of 80 columns; less the progress, and whatever how long it took."""
    sample = files("image_tools").joinpath("data", "sample.img.xz").read_bytes()
    (tmp_path / "sample.img.xz").write_bytes(sample)
    (tmp_path / "wifi.txt").write_text("only an example\n")
    shown = between("tour").strip("`\n")
    camera = Camera(columns=80, rows=60)
    around = environment(TERM="xterm-256color", LC_ALL="C.UTF-8")
    really = ""
    for line in re.findall(r"^\$ (resin .*)", shown, re.MULTILINE):
        camera.cut()
        words = [PROGRAM, *shlex.split(line)[1:]]
        camera.run(line, words, environment=around, folder=tmp_path)
        really += PROGRESS.sub("", camera.scenes[-1].frames[-1].text.removesuffix("$"))
    assert without_breaks(really) == without_breaks(shown)


def without_breaks(text: str) -> str:
    """The terminal breaks long lines, the README does not."""
    return HASTE.sub("", "".join(text.split()))
