"""An image with a configured boot partition, and an empty folder to work in."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.boot_images import OS_RELEASE, Boot, boot_image

BINARY = bytes(range(256)) * 300
FILES = {
    "config.json": '{"hostname": "kitchen", "apiKey": "hush-hush-key"}',
    "os-release": OS_RELEASE + 'VARIANT_ID="dev"\n',
    "device-type.json": '{"slug": "raspberrypi3", "name": "Raspberry Pi 3", "arch": "armv7hf"}',
    "splash/resin-logo.png": BINARY,
    "system-connections/home": "[connection]\nid=home\ntype=wifi\n[wifi]\nssid=Home\n"
    "[wifi-security]\nkey-mgmt=wpa-psk\npsk=hush-hush-psk\n",
}


@pytest.fixture(name="boot")
def listed_boot(tmp_path: Path) -> Boot:
    return boot_image(tmp_path / "image.img", FILES)


@pytest.fixture(name="here")
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
