"""Files that two runs want, that few may read, or that are named in odd ways."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from support.boot_images import Boot, boot_image
from support.resin_command import PROGRAM, environment, resin


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Boot:
    monkeypatch.chdir(tmp_path)
    return boot_image(tmp_path / "image.img", {"config.json": "{}"})


def test_a_file_that_is_being_flashed_belongs_to_that_run(boot: Boot) -> None:
    command = [PROGRAM, "flash", "-", "card.img"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()
    ) as first:
        assert first.stdin is not None
        first.stdin.write(boot.path.read_bytes()[: 4 * 1024 * 1024 + 4096])
        first.stdin.flush()
        while not (Path("card.img").exists() and Path("card.img").stat().st_size):
            time.sleep(0.02)
        for words in (
            ["flash", boot.path, "card.img", "--yes"],
            ["configure", "card.img", "--hostname", "x"],
        ):
            run = resin(*words)
            assert (run.code, "Another program" in run.err) == (4, True), run
        Path("card.img").rename("moved.img")
        Path("card.img").write_text("somebody else's")
        first.terminate()
        assert first.wait(20) == 130
    assert Path("card.img").read_text() == "somebody else's"


def test_what_is_made_from_a_private_image_is_private(boot: Boot) -> None:
    boot.path.chmod(0o600)
    assert resin("flash", boot.path, "card.img").code == 0
    assert resin("configure", boot.path, "--hostname", "a", "--output", "copy.img").code == 0
    boot.path.chmod(0o644)
    assert resin("configure", boot.path, "--hostname", "a", "--output", "shared.img").code == 0
    modes = [oct(Path(name).stat().st_mode & 0o777) for name in ("card.img", "copy.img", "shared.img")]
    assert modes == ["0o600", "0o600", "0o644"]
    assert resin("configure", boot.path, "--hostname", "b", "--output", "copy.img", "--yes").code == 0
    assert Path("copy.img").stat().st_mode & 0o777 == 0o600


def test_an_output_that_is_a_link_keeps_being_one(boot: Boot) -> None:
    Path("real.img").write_bytes(b"old")
    Path("link.img").symlink_to("real.img")
    assert resin("configure", boot.path, "--hostname", "a", "--output", "link.img", "--yes").code == 0
    assert Path("link.img").is_symlink()
    assert Path("real.img").stat().st_size == boot.path.stat().st_size


def test_a_link_is_put_under_its_own_name(boot: Boot) -> None:
    Path("target.txt").write_text("x")
    Path("link.txt").symlink_to("target.txt")
    assert resin("image", "put", boot.path, "link.txt").code == 0
    assert boot.read("link.txt") == b"x"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["get", "IMAGE", "/config.json", "nodir/"], 3),
        (["get", "IMAGE", "/config.json", "/config.json"], 2),
        (["get", "IMAGE", ""], 2),
        (["put", "IMAGE", "", "/"], 2),
        (["put", "IMAGE", "/dev/null", "/x"], 2),
        (["cat", "IMAGE", "/"], 2),
    ],
    ids=str,
)
def test_odd_names_are_told_and_nothing_is_done(boot: Boot, words: list[str], code: int) -> None:
    before = boot.digest()
    run = resin("image", *(str(boot.path) if word == "IMAGE" else word for word in words), "--json")
    assert run.code == code, run
    assert boot.digest() == before
    assert {path.name for path in Path().iterdir()} == {"image.img"}


def test_a_config_json_nested_without_end_is_no_defect_of_ours(tmp_path: Path) -> None:
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    path = boot_image(tmp_path / "image", {"config.json": deep}).path
    assert resin("image", "info", path).code == 0
    run = resin("configure", path, "--show", "--json")
    assert (run.code, run.error["code"]) == (1, "config-invalid")
