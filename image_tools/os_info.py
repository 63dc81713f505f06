"""The operating system of an image, from its boot partition: name, version, variant, device type.

Read from `os-release` (freedesktop.org's os-release(5)), `device-type.json`, `image-version-info` and
`config.json`; unknown fields are None.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from image_tools.fat import FatFileSystem
from resin_toolkit.errors import PathNotFound
from resin_toolkit.os_release import parse_os_release

# The Yocto Project releases that resinOS was built with: codename to version.
YOCTO_RELEASES = {
    "pyro": "2.3",
    "morty": "2.2",
    "krogoth": "2.1",
    "jethro": "2.0",
    "fido": "1.8",
    "dizzy": "1.7",
    "daisy": "1.6",
    "dora": "1.5",
}
FLASHER_MARKERS = ("/resin-image-flasher", "/balena-image-flasher")
FLASHER_LABEL = "flash-boot"
_LARGEST = 1 << 20


@dataclass(frozen=True)
class OsInfo:
    """Facts about the system in an image."""

    name: str | None
    version: str | None
    variant: str | None
    """"development" or "production"."""
    yocto: str | None
    """Codename and version of the Yocto release, as in "Morty 2.2"."""
    build: str | None
    """The name of the build."""
    device_type: str | None
    device_name: str | None
    architecture: str | None
    is_flasher: bool


def read_os_info(filesystem: FatFileSystem, partition_name: str = "") -> OsInfo:
    """Read the facts in the boot partition; `partition_name` is its GPT name, if it has one."""
    release = parse_os_release(_text(filesystem, "/os-release"))
    build = _text(filesystem, "/image-version-info").strip()
    device = _object(filesystem, "/device-type.json")
    config = _object(filesystem, "/config.json")
    yocto = device.get("yocto")
    machine = yocto.get("machine") if isinstance(yocto, dict) else None
    labels = (filesystem.label.lower(), partition_name.lower())
    return OsInfo(
        name=release.get("NAME") or release.get("ID"),
        version=release.get("VERSION") or release.get("VERSION_ID"),
        variant=_variant(release, config),
        yocto=_yocto_release([*release.values(), build]),
        build=build.splitlines()[0] if build else None,
        device_type=_string(
            device.get("slug"), release.get("SLUG"), config.get("deviceType"), machine, release.get("MACHINE")
        ),
        device_name=_string(device.get("name")),
        architecture=_string(device.get("arch")),
        is_flasher=FLASHER_LABEL in labels or any(filesystem.find(path) for path in FLASHER_MARKERS),
    )


def _variant(release: dict[str, str], config: dict[str, object]) -> str | None:
    variant = release.get("VARIANT_ID", "").lower()
    if variant in ("dev", "development"):
        return "development"
    if config.get("developmentMode") in (True, "true"):
        return "development"
    if variant in ("prod", "production") or config.get("developmentMode") in (False, "false"):
        return "production"
    return None


def _yocto_release(texts: list[str]) -> str | None:
    for text in texts:
        for word in re.findall(r"[a-z]+", text.lower()):
            if word in YOCTO_RELEASES:
                return f"{word.capitalize()} {YOCTO_RELEASES[word]}"
    for text in texts:
        version = re.search(r"(?:yocto|poky)\D{0,20}(\d+\.\d+)", text, re.IGNORECASE)
        names = {release: name for name, release in YOCTO_RELEASES.items()}
        if version and version[1] in names:
            return f"{names[version[1]].capitalize()} {version[1]}"
    return None


def _string(*values: object) -> str | None:
    return next((value for value in values if isinstance(value, str) and value), None)


def _object(filesystem: FatFileSystem, path: str) -> dict[str, object]:
    """The JSON object in a file; empty if it is missing or invalid, which is reported elsewhere."""
    try:
        value = json.loads(_text(filesystem, path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(filesystem: FatFileSystem, path: str) -> str:
    try:
        entry = filesystem.stat(path)
    except PathNotFound:
        return ""
    if entry.is_directory or entry.size > _LARGEST:
        return ""
    return filesystem.read(path).decode("utf-8-sig", "replace")
