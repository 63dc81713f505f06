"""The command lines of every command, an image to name in them, and a shell to run them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from resin_toolkit.cli.command_table import COMMANDS
from support.boot_images import Boot, boot_image
from support.resin_command import PROGRAM, environment

NAMES = [entry.name for entry in COMMANDS]
IMAGE_SUBCOMMANDS = ["info", "ls", "cat", "put", "get", "rm"]
EVERY = [[], *([name] for name in NAMES), *(["image", name] for name in IMAGE_SUBCOMMANDS)]


@pytest.fixture(name="boot")
def named_boot(tmp_path: Path) -> Boot:
    return boot_image(tmp_path / "image.img", {"config.json": '{"hostname": "old"}', "big": bytes(300_000)})


def shell(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script of bash in which $resin is the program."""
    env = environment(resin=str(PROGRAM), **variables)
    words = ["bash", "-o", "pipefail", "-c", script]
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=60)
