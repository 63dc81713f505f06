"""Whether an image can run on a device."""

from __future__ import annotations

from collections.abc import Iterable

from resin_toolkit.engine import Engine
from resin_toolkit.engine.images import Images

_SAME = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv8l": "arm64",
    "armv7l": "arm",
    "armv6l": "arm",
    "armhf": "arm",
    "arm": "arm",
    "i686": "386",
    "i386": "386",
    "386": "386",
}
"""Names of the kernel (uname(2)), images and engines for the same architecture (Go's GOARCH)."""
_COMPATIBLE = {"amd64": {"386"}, "arm64": {"arm"}}
"""The architectures that a processor runs beside its own, if its kernel allows it."""


def can_run(image: str, engine: str) -> bool:
    """Whether an image of the architecture `image` runs on `engine`; true if either is unknown."""
    wanted, there = _SAME.get(image.lower()), _SAME.get(engine.lower())
    return wanted is None or there is None or wanted == there or wanted in _COMPATIBLE.get(there, set())


def is_same_architecture(image: str, engine: str) -> bool:
    """Whether both are known names of the same architecture."""
    wanted = _SAME.get(image.lower())
    return wanted is not None and wanted == _SAME.get(engine.lower())


def incompatible_bases(engine: Engine, bases: Iterable[str]) -> list[tuple[str, str]]:
    """The images on the device that are built for an incompatible architecture, each with it."""
    images, found = Images(engine), []
    for base in bases:
        details = images.inspect(base)
        if details is not None and not can_run(details.architecture, engine.facts.architecture):
            found.append((base, details.architecture))
    return found
