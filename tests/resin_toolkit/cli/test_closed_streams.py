"""A closed pipe or a full disk behind stdout or stderr: the work is completed, and reported truthfully."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.boot_images import boot_image
from support.resin_command import environment

CHATTY = """
import sys
from resin_toolkit.cli import main as cli
from resin_toolkit.terminal import report
report.SECONDS_BETWEEN_LINES = 0
sys.exit(cli.run(sys.argv[1:]))
"""


def run_with_sink(stream: str, words: list[str | Path], sink: int) -> int:
    """The exit code of a run that reports progress constantly, with `sink` for one of its streams."""
    command = [sys.executable, "-c", CHATTY, *words]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: sink}
    return subprocess.run(
        command, env=environment(), stdin=subprocess.DEVNULL, check=False, timeout=60, **streams
    ).returncode


def closed_pipe() -> int:
    """The write end of a pipe without a reader."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize(("stream", "more"), [("stdout", ["--json"]), ("stderr", [])])
@pytest.mark.parametrize(("sink", "code"), [("pipe", 0), ("full", None)])
def test_a_flash_is_completed(
    stream: str, more: list[str], sink: str, code: int | None, tmp_path: Path
) -> None:
    image = boot_image(tmp_path / "image", {"config.json": "{}"}).path
    card = tmp_path / "card.img"
    descriptor = closed_pipe() if sink == "pipe" else os.open("/dev/full", os.O_WRONLY)
    try:
        found = run_with_sink(stream, ["flash", image, card, "--yes", *more], descriptor)
    finally:
        os.close(descriptor)
    # A result that cannot be written is a failure; the card is complete all the same.
    assert found == (code if code is not None else int(stream == "stdout"))
    assert card.read_bytes() == image.read_bytes()


def test_a_warning_into_a_closed_pipe_does_not_stop_configure(tmp_path: Path) -> None:
    boot = boot_image(tmp_path / "image", {"config.json": "{}"})
    descriptor = closed_pipe()
    words: list[str | Path] = ["configure", boot.path, "--set", "nosuchkey=1", "--hostname", "kitchen"]
    try:
        assert run_with_sink("stderr", words, descriptor) == 0
    finally:
        os.close(descriptor)
    assert json.loads(boot.read("config.json")) == {"nosuchkey": 1, "hostname": "kitchen"}


def test_a_failure_into_a_closed_pipe_keeps_its_exit_code(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        assert run_with_sink("stderr", ["image", "info", tmp_path / "nothing"], full.fileno()) == 3
