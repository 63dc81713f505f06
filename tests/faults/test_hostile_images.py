"""Disk images with a boot partition that asks for very much memory or time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.card_images import MIB
from support.hostile_fat import HostileFat, entry
from support.peak_memory import measured

MOST = 300 * MIB
LARGEST = 0xFFFFFFFF
"""The size of a file that has 4 GiB."""


def huge_files(image: Path) -> None:
    """Every file that is read has 4 GiB of zeros."""
    fat = HostileFat.make(image, 5 << 30, 64)
    fat.chain_in_a_row(100, -(-LARGEST // fat.cluster))
    fat.chain(3)
    fat.chain(4)
    names = {
        "CONFIG~1JSO": "config.json",
        "DEVICE~1JSO": "device-type.json",
        "OS-REL~1   ": "os-release",
        "IMAGE-~1   ": "image-version-info",
    }
    files = b"".join(entry(short, 100, LARGEST, name=name) for short, name in names.items())
    folders = entry("SYSTEM~1", 3, name="system-connections", directory=True)
    folders += entry("SYSTEM~2", 4, name="system-proxy", directory=True)
    fat.write(2, files + folders)
    fat.write(3, b"".join(entry(f"K{n}", 100, LARGEST) for n in range(50)))
    fat.write(4, entry("REDSOC~1CON", 100, LARGEST, name="redsocks.conf") + entry("NO_PROXY", 100, LARGEST))


def many_profiles(image: Path) -> None:
    """Sixty thousand profiles of 1 MiB, which share their clusters."""
    fat = HostileFat.make(image, 300 * MIB, 1)
    fat.chain_in_a_row(20_000, MIB // fat.cluster)
    fat.chain_in_a_row(3, 2 * MIB // fat.cluster)
    fat.write(2, entry("SYSTEM~1", 3, name="system-connections", directory=True))
    fat.write(20_000, b"[connection]\nid=a\ntype=wifi\n".ljust(MIB, b"#"))
    fat.write(3, b"".join(entry(f"K{n}", 20_000, MIB) for n in range(60_000)))


def many_folders(image: Path) -> None:
    """Sixty folders, each of 2 MiB, which share all but their first cluster."""
    fat = HostileFat.make(image, 300 * MIB, 1)
    shared = range(30_000, 30_000 + 2 * MIB // fat.cluster - 2)
    fat.chain_in_a_row(shared[0], len(shared))
    fat.write(shared[0], b"".join(entry(f"F{n}", 0) for n in range(16 * len(shared))))
    fat.chain_in_a_row(2, 20)
    folders = range(100, 160)
    for folder in folders:
        fat.chain(folder, then=shared[0])
        fat.write(folder, b"".join(entry(f"G{n}", 0) for n in range(16)))
    fat.write(2, b"".join(entry(f"D{folder}", folder, directory=True) for folder in folders))


def deep_folders(image: Path) -> None:
    """A thousand folders, each in the one before it."""
    fat = HostileFat.make(image, 300 * MIB, 1)
    for cluster in range(3, 1003):
        fat.chain(cluster)
        fat.write(cluster - 1, entry("D", cluster, name="d" * 100, directory=True))


def long_chain(image: Path) -> None:
    """A file of 1 MiB with clusters for 6 GiB."""
    fat = HostileFat.make(image, 10 << 30, 8)
    fat.chain_in_a_row(100, (6 << 30) // fat.cluster)
    fat.write(2, entry("CONFIG~1JSO", 100, MIB, name="config.json"))


HOSTILE: dict[Callable[[Path], None], dict[str, str]] = {
    huge_files: {"ls": "", "cat": "bad-value", "show": "config-invalid", "set": "config-invalid"},
    many_profiles: {"ls": "", "cat": "file-not-found", "show": "config-invalid", "set": "config-invalid"},
    many_folders: {
        "ls": "filesystem-damaged",
        "cat": "file-not-found",
        "show": "",
        "set": "filesystem-damaged",
    },
    deep_folders: {"ls": "filesystem-damaged", "cat": "file-not-found", "show": "", "set": ""},
    long_chain: dict.fromkeys(("ls", "cat", "show", "set"), "filesystem-damaged") | {"ls": ""},
}


@pytest.mark.parametrize("build", HOSTILE)
def test_a_hostile_file_system_is_bounded(build: Callable[[Path], None], tmp_path: Path) -> None:
    image = tmp_path / "card.img"
    build(image)
    commands = {
        "ls": ["image", "ls", "--recursive", image],
        "cat": ["image", "cat", image, "/config.json"],
        "show": ["configure", image, "--show"],
        "set": ["configure", image, "--hostname", "new"],
    }
    others = [
        ["image", "info", image],
        ["configure", image, "--check"],
        ["configure", image, "--show", "--toml"],
    ]
    found = measured(*([*words, "--json"] for words in (*commands.values(), *others)))
    errors = [json.loads(run.out)["error"] for run in found.runs]
    codes = [error["code"] if error else "" for error in errors]
    assert dict(zip(commands, codes, strict=False)) == HOSTILE[build]
    assert "internal" not in codes
    assert found.peak < MOST, f"{found.peak / MIB:.0f} MiB"


def test_names_in_an_image_add_no_lines(tmp_path: Path) -> None:
    image = tmp_path / "card.img"
    fat = HostileFat.make(image, 300 * MIB, 1)
    fat.chain(3)
    fat.chain(4)
    folder = entry("SYSTEM~1", 3, name="system-connections", directory=True)
    fat.write(2, entry("A\nB\x1bC", 0) + entry("A", 0, name="a\r\nerror: forged\u2028x") + folder)
    fat.write(3, entry("K", 4, 40, name="k\nerror: forged"))
    fat.write(4, b"[connection]\nid=a\ntype=wifi\n".ljust(40))
    commands = [
        ["image", "ls", "--recursive", image],
        ["image", "info", image],
        ["configure", image, "--show"],
        ["configure", image, "--check"],
    ]
    for run in measured(*commands).runs:
        assert "forged" in run.out
        assert not [line for line in run.out.splitlines() if line.startswith("error: forged")]
        assert "\x1b" not in run.out
