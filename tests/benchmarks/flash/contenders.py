"""Every run that takes part, by a name; what it needs, and what the device has to hold afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import peers
from device import Device
from images import Image
from mapped import Extent, total
from measure import Use
from os_image import SIZE
from throttle import Throttle


@dataclass(frozen=True)
class Contender:
    """`run` takes what holds the device to a speed, empty for the device as fast as it is.

    `source` is what it reads. `extents` of `image` have to be on `devices` afterwards; None is not checked.
    """

    name: str
    image: Image
    source: Callable[[], Path]
    run: Callable[[peers.Prefix], Use]
    devices: Sequence[Device] = ()
    extents: Callable[[], list[Extent]] | None = None
    is_slow: bool = False
    missing: str | None = None

    def least_bytes(self) -> int:
        """What it has to write at least, where it is held to a speed."""
        return total(self.image.extents)


def all_contenders(image: Image, full: Image, devices: list[Device]) -> dict[str, Contender]:
    found = [
        *at_card_speed(image, devices[0], ("", ".gz", ".zip", ".zst", ".xz", ".one.xz")),
        *at_card_speed(full, devices[0], ("", ".gz")),
        *at_full_speed(image, devices[0]),
        *side_by_side(image, devices),
    ]
    return {contender.name: contender for contender in found}


def at_card_speed(image: Image, device: Device, endings: Sequence[str]) -> list[Contender]:
    tag = "full " if image.full else ""

    def dd(prefix: peers.Prefix) -> Use:
        return peers.dd_and_cmp(image.dense, device, prefix)

    found = [Contender(f"{tag}dd mapped, slow", image, lambda: image.dense, dd, is_slow=True)]
    for end_of_image in endings:
        found.append(
            resin(f"{tag}resin {end_of_image or 'raw'}, slow", image, end_of_image, [device], is_slow=True)
        )
    if not image.full:
        found.append(etcher("etcher raw trimmed, slow", image, device, trim=True, is_slow=True))
    return found


def at_full_speed(image: Image, device: Device) -> list[Contender]:
    def dd(_: peers.Prefix) -> Use:
        return peers.dd_and_cmp(image.raw, device, ())

    return [
        Contender("dd all", image, lambda: image.raw, dd),
        resin("resin raw --full", image, "", [device], "--full"),
        etcher("etcher raw all", image, device, trim=False),
        bmaptool("bmaptool raw", image, "", device),
        resin("resin raw --bmap", image, "", [device], "--bmap"),
        bmaptool("bmaptool xz", image, ".xz", device),
        resin("resin xz", image, ".xz", [device]),
        resin("resin xz --bmap", image, ".xz", [device], "--bmap"),
    ]


def side_by_side(image: Image, devices: list[Device]) -> list[Contender]:
    def one(_: peers.Prefix) -> Use:
        return peers.dd_there_and_back(image.dense, devices[:1])

    def four(_: peers.Prefix) -> Use:
        return peers.dd_there_and_back(image.dense, devices)

    return [
        Contender("dd one", image, lambda: image.dense, one),
        Contender("dd four", image, lambda: image.dense, four),
        resin("resin one", image, "", devices[:1]),
        resin("resin four", image, "", devices),
    ]


def bmaptool(name: str, image: Image, end_of_image: str, device: Device) -> Contender:
    def run(_: peers.Prefix) -> Use:
        return peers.bmaptool(image.form(end_of_image), block_map(image), device)

    return Contender(name, image, lambda: image.form(end_of_image), run, missing=no_bmaptool())


def etcher(name: str, image: Image, device: Device, *, trim: bool, is_slow: bool = False) -> Contender:
    def run(prefix: peers.Prefix) -> Use:
        return peers.etcher(image.raw, device, prefix, trim=trim)

    return Contender(name, image, lambda: image.raw, run, is_slow=is_slow, missing=no_etcher())


def resin(
    name: str,
    image: Image,
    end_of_image: str,
    devices: Sequence[Device],
    option: str = "",
    *,
    is_slow: bool = False,
) -> Contender:
    def run(prefix: peers.Prefix) -> Use:
        options = [option, block_map(image)] if option == "--bmap" else [option] if option else []
        return peers.resin(image.form(end_of_image), devices, prefix, *options)

    extents = {"": lambda: image.extents, "--full": whole, "--bmap": lambda: image.used_in_block_map}[option]
    missing = None if peers.resin_has(option) else f"this resin has no {option}"
    if option == "--bmap":
        missing = missing or no_bmaptool()
    return Contender(name, image, lambda: image.form(end_of_image), run, devices, extents, is_slow, missing)


def whole() -> list[Extent]:
    return [Extent(0, SIZE)]


def block_map(image: Image) -> Path:
    assert image.block_map is not None
    return image.block_map


def no_bmaptool() -> str | None:
    return None if shutil.which("bmaptool") else "bmaptool is not installed"


def no_etcher() -> str | None:
    return None if peers.etcher_is_there() else "etcher-sdk is not installed where node finds it"


def not_throttled(contender: Contender, throttle: Throttle | None) -> str | None:
    if contender.is_slow and throttle is None:
        return "nothing here can hold a device to a speed"
    return contender.missing
