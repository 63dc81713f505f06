"""The programs that resin is compared with, and resin; each as one run on a device."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from device import Device
from measure import Failed, Use, seconds_of, use_of

Prefix = tuple[str, ...]


def dd(source: Path, device: Device) -> list[str]:
    return ["dd", f"if={source}", f"of={device.path}", "bs=4M", "oflag=direct", "conv=fsync", "status=none"]


def dd_and_cmp(source: Path, device: Device, prefix: Prefix) -> Use:
    """Write all of a file, then compare it with what the device has, not with what a cache has."""
    written = seconds_of((*prefix, *dd(source, device)))
    device.forget()
    compare = ("cmp", "-n", str(source.stat().st_size), source, device.path)
    return Use(written + seconds_of((*prefix, *compare)))


def dd_there_and_back(source: Path, devices: Sequence[Device]) -> Use:
    """The time that the devices alone need, side by side: written, flushed, and read."""
    written = seconds_of(*(dd(source, device) for device in devices))
    for device in devices:
        device.forget()
    count = f"count={source.stat().st_size}"
    options = ("of=/dev/null", "bs=4M", "iflag=direct,count_bytes", count, "status=none")
    return Use(written + seconds_of(*(("dd", f"if={device.path}", *options) for device in devices)))


def bmaptool(source: Path, block_map: Path, device: Device) -> Use:
    """With the block map; it does not read the device back."""
    return use_of("bmaptool", "--quiet", "copy", "--bmap", block_map, source, device.path)


def etcher(source: Path, device: Device, prefix: Prefix, *, trim: bool) -> Use:
    """Etcher's SDK, which verifies."""
    script = Path(__file__).with_name("etcher.js")
    return use_of(*prefix, "node", script, source, device.path, "trim" if trim else "all")


def resin(source: Path, devices: Sequence[Device], prefix: Prefix, *options: str | Path) -> Use:
    targets = [device.path for device in devices]
    words = ("flash", source, *targets, "--yes", "--allow-fixed", "--quiet", *options)
    use = use_of(*prefix, resin_program(), *words)
    if "verified" not in use.said:
        raise Failed(f"resin did not verify: {use.said}")
    return use


@cache
def resin_program() -> str:
    """The `resin` beside this Python, else the one on the path."""
    beside = Path(sys.executable).with_name("resin")
    found = str(beside) if beside.exists() else shutil.which("resin")
    if found is None:
        raise SystemExit("resin is not installed")
    return found


@cache
def resin_has(option: str) -> bool:
    said = subprocess.run([resin_program(), "flash", "--help"], capture_output=True, text=True, check=True)
    return option in said.stdout


@cache
def etcher_is_there() -> bool:
    """Whether node finds the SDK: `npm install etcher-sdk`, and NODE_PATH set to its node_modules."""
    if shutil.which("node") is None:
        return False
    return subprocess.run(["node", "-e", "require('etcher-sdk')"], capture_output=True).returncode == 0
