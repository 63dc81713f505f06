"""How a run of resin ends: pipes that close, disks that are full, Ctrl-C; and plain terminals."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from support.boot_images import Boot
from support.cli_words import named_boot, shell  # noqa: F401 - fixtures
from support.resin_command import PROGRAM, Terminal, environment


@pytest.mark.parametrize(
    "words",
    [
        "image ls $image",
        "image ls --json $image",
        "image cat $image /big",
        "image info $image",
        "configure $image --show",
        "--help",
        "--version",
        "image",
        "image nonsense --json",
    ],
)
def test_a_closed_pipe_is_not_an_error(boot: Boot, words: str) -> None:
    done = shell(f'"$resin" {words} | head -c 0; echo "${{PIPESTATUS[0]}}"', image=str(boot.path))
    expected = "2" if words in ("image", "image nonsense --json") else "0"
    assert done.stdout.split()[-1] in ("0", expected)
    assert done.stderr == ""


def test_a_pipe_that_is_closed_before_anything_is_written(boot: Boot) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for words in (
        ["image", "cat", str(boot.path), "/big"],
        ["image", "ls", str(boot.path)],
        ["--help"],
        ["-V"],
    ):
        done = subprocess.run([PROGRAM, *words], stdout=writer, stderr=subprocess.PIPE, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
    os.close(writer)


@pytest.mark.parametrize(
    "words", ["image ls $image", "image cat $image /big", "image info $image --json", "-V"]
)
def test_a_full_disk_behind_stdout_is_reported(boot: Boot, words: str) -> None:
    done = shell(f'"$resin" {words} > /dev/full', image=str(boot.path))
    assert done.returncode == 1
    assert done.stderr.lower().startswith("error: stdout: no space left on device.")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_streams_that_are_closed(boot: Boot, closed: str) -> None:
    for words, code in (("image ls $image", 0), ("configure $image", 2), ("-V", 0)):
        done = shell(f'"$resin" {words} {closed}', image=str(boot.path))
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr
        assert "defect" not in done.stderr


def test_ctrl_c_ends_with_130(boot: Boot) -> None:
    terminal = Terminal("configure", boot.path)
    terminal.until("Host name")
    os.kill(terminal.pid, signal.SIGINT)
    assert terminal.end() == 130
    assert "error: Interrupted" in terminal.plain
    assert "Traceback" not in terminal.plain


def test_no_color_and_dumb_terminals(boot: Boot) -> None:
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        terminal = Terminal("image", "info", boot.path, env=environment(**variables))
        assert terminal.end() == 0
        assert "\x1b[3" not in terminal.screen
