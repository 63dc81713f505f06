"""A recording of a real run is a valid SVG of what the terminal showed; the README shows one."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.resin_command import PROGRAM, environment

from recording.camera import BLANK, Camera, Cue, Frame, Scene
from recording.drawing import drawing
from recording.make import PICTURE

SVG = "{http://www.w3.org/2000/svg}"
CELL, LINE, BASELINE = 8, 17, 13
TERMINAL = environment(TERM="xterm-256color", LC_ALL="C.UTF-8")
README = Path(__file__).parent.parent.parent / "README.md"


def shown_at_the_ends(picture: str) -> list[str]:
    """The last state of each scene, by painting frame over frame as a browser does."""
    root = ElementTree.fromstring(picture)
    return [painted(scene) for scene in root.iter(f"{SVG}g") if (scene.get("class") or "").startswith("s ")]


def painted(scene: ElementTree.Element) -> str:
    grid: dict[tuple[int, int], str] = {}
    for part in scene.iter():
        column = int(part.get("x", "0")) // CELL
        if part.tag == f"{SVG}rect":
            row, wide = int(part.get("y", "0")) // LINE, int(part.get("width", "0")) // CELL
            grid.update({(row, column + at): " " for at in range(wide)})
        elif part.tag == f"{SVG}text":
            row, text = (int(part.get("y", "0")) - BASELINE) // LINE, part.text or ""
            assert int(part.get("textLength", CELL)) == len(text) * CELL
            grid.update({(row, column + at): character for at, character in enumerate(text)})
    rows = range(max(row for row, _ in grid) + 1)
    return "\n".join("".join(grid.get((row, at), " ") for at in range(200)).rstrip() for row in rows).rstrip()


def test_a_real_run_becomes_a_picture_that_shows_it(tmp_path: Path) -> None:
    (tmp_path / "a&b.img.xz").write_bytes(files("image_tools").joinpath("data", "sample.img.xz").read_bytes())
    camera = Camera(columns=90, rows=24)
    camera.cut()
    camera.run("resin --version", [PROGRAM, "--version"], environment=TERMINAL, folder=tmp_path)
    camera.hold(1)
    camera.cut()
    words = [PROGRAM, "image", "info", "a&b.img.xz"]
    camera.run("resin image info a&b.img.xz", words, environment=TERMINAL, folder=tmp_path)
    camera.hold(1)
    camera.cut()
    # No scene takes half of this loop, however slow the machine is.
    picture = drawing(camera.scenes, 1.9 * camera.now, "a <title>")
    ends = [scene.frames[-1].text for scene in camera.scenes]
    assert shown_at_the_ends(picture) == ends
    assert ends[0].startswith("$ resin --version\nresin ")
    assert "network: resin-sample (My_Wifi_Ssid)" in ends[1]
    assert "a&amp;b.img.xz" in picture
    # What was typed appears one character after the other.
    typed = [frame.text for frame in camera.scenes[0].frames]
    assert all(line in typed for line in ("$", "$ r", "$ re", "$ resin --version"))
    assert len({frame.at for scene in camera.scenes for frame in scene.frames}) > 40


def test_keys_are_typed_when_their_cue_comes_and_secrets_are_not_seen(tmp_path: Path) -> None:
    script = "stty -echo; printf 'word? '; read word; echo; echo ${#word} letters; exec sleep 999"
    camera = Camera()
    camera.cut()
    cues = [Cue("word? ", "strawberry\n"), Cue("letters", leave=True)]
    written = camera.run("ask", ["sh", "-c", script], environment=TERMINAL, folder=tmp_path, cues=cues)
    assert camera.scenes[0].frames[-1].text == "$ ask\nword?\n10 letters"
    assert "strawberry" not in written


def test_each_moment_is_shown_from_its_time_on() -> None:
    rows = [((("a", "red", True), BLANK),), ((("b", "default", False), BLANK),)]
    first = Scene([Frame(0, rows[0], (1, 0)), Frame(1.5, rows[1], None)])
    scenes = [first, Scene([Frame(4, rows[0], None)]), Scene([Frame(8, rows[1], None)])]
    picture = drawing(scenes, 10, "t")
    assert re.findall(r"animation-delay:(-[0-9.]+)s", picture) == ["-10.00", "-8.50", "-6.00", "-2.00"]
    assert "@keyframes s0{0%{opacity:1}40%,100%{opacity:0}}" in picture
    assert "@keyframes s1{0%{opacity:0}40%{opacity:1}80%,100%{opacity:0}}" in picture
    assert "@keyframes s2{0%{opacity:0}80%{opacity:1}100%{opacity:1}}" in picture
    with pytest.raises(ValueError, match="half of the loop"):
        drawing(scenes[:2], 8, "t")


def test_the_picture_of_the_readme() -> None:
    text = PICTURE.read_text(encoding="utf-8")
    assert len(text.encode()) < 150_000
    scenes = "\n".join(shown_at_the_ends(text))
    for words in ("resin image info", "verified it", "kitchen", "garage", "restarted main", "resin logs"):
        assert words in scenes
    assert not re.search(r"<script|href|https?://(?!www\.w3\.org/2000/svg)|\son[a-z]+=", text)
    assert not re.search(r"/(home|root|tmp|var|work|usr|opt)/|rror:", text)
    length = re.search(r"\.m\{animation:m ([0-9.]+)s", text)
    assert length is not None
    assert 25 <= float(length[1]) <= 40
    place = PICTURE.relative_to(README.parent).as_posix()
    assert f"({place})" in "\n".join(README.read_text(encoding="utf-8").splitlines()[:20])
