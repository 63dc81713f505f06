"""An image to configure, a passphrase that must not show, and what is then on the boot partition."""

from __future__ import annotations

import json
from configparser import RawConfigParser
from pathlib import Path

import pytest

from support.boot_images import Boot, boot_image
from support.resin_command import Run

SECRET = "never-to-be-seen-42"
CONFIG = json.dumps({"deviceType": "raspberrypi3", "hostname": "old"})


@pytest.fixture(name="boot")
def configured_boot(tmp_path: Path) -> Boot:
    return boot_image(tmp_path / "image.img", {"config.json": CONFIG})


@pytest.fixture(name="secret_file")
def configured_secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "wifi.txt"
    path.write_text(SECRET + "\n")
    return path


def config_of(boot: Boot) -> dict[str, object]:
    config = json.loads(boot.read("config.json"))
    assert isinstance(config, dict)
    return config


def connections(boot: Boot) -> list[str]:
    prefix = "system-connections/"
    return sorted(path.removeprefix(prefix) for path in boot.tree() if path.startswith(prefix))


def keyfile(boot: Boot, name: str) -> dict[str, dict[str, str]]:
    parser = RawConfigParser(delimiters="=")
    parser.read_string(boot.read(f"system-connections/{name}").decode())
    return {section: dict(parser[section]) for section in parser.sections()}


def hides_the_secret(run: Run) -> Run:
    assert SECRET not in run.out + run.err
    return run
