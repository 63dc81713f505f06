"""The files that the firmware of a Raspberry Pi loads from a boot partition, according to config.txt.

Source: https://www.raspberrypi.com/documentation/computers/config_txt.html. Only the sections of the model
and [all] are evaluated, and only the keys that select files.
"""

from __future__ import annotations

from dataclasses import dataclass

from image_tools.fat import FatFileSystem
from resin_toolkit.errors import PathNotFound

_LARGEST = 1 << 20


@dataclass(frozen=True)
class _Model:
    sections: frozenset[str]
    kernels: tuple[str, ...]
    trees: tuple[str, ...]


_TREES_3 = (
    "bcm2710-rpi-3-b.dtb",
    "bcm2837-rpi-3-b.dtb",
    "bcm2710-rpi-3-b-plus.dtb",
    "bcm2837-rpi-3-b-plus.dtb",
)
_TREES_2 = ("bcm2709-rpi-2-b.dtb", "bcm2836-rpi-2-b.dtb")
_MODELS = {
    "pi1": _Model(
        frozenset({"pi0", "pi1"}),
        ("kernel.img",),
        (
            *(
                "bcm2708-rpi-zero.dtb",
                "bcm2835-rpi-zero.dtb",
                "bcm2708-rpi-zero-w.dtb",
                "bcm2835-rpi-zero-w.dtb",
            ),
            *("bcm2708-rpi-b-plus.dtb", "bcm2835-rpi-b-plus.dtb", "bcm2708-rpi-b.dtb", "bcm2835-rpi-b.dtb"),
        ),
    ),
    "pi2": _Model(frozenset({"pi2"}), ("kernel7.img", "kernel.img"), _TREES_2),
    # The 32-bit system of a Pi 3 is booted on a Pi 2, whose device tree takes precedence.
    "pi3": _Model(frozenset({"pi3"}), ("kernel7.img", "kernel.img"), (*_TREES_2, *_TREES_3)),
    "pi3-64": _Model(frozenset({"pi3"}), ("kernel8.img",), _TREES_3),
    "pi4-64": _Model(frozenset({"pi4"}), ("kernel8.img",), ("bcm2711-rpi-4-b.dtb",)),
}


@dataclass(frozen=True)
class BootFiles:
    """Paths of files in the boot partition; None if the firmware loads none."""

    kernel: str | None
    tree: str | None
    initrd: str | None
    command_line: str


def find_boot_files(boot: FatFileSystem, model: str, *, needs_kernel: bool = True) -> BootFiles:
    """The files that the firmware of `model` loads: pi1, pi2, pi3, pi3-64 or pi4-64.

    Raises PathNotFound if `needs_kernel` and there is no kernel.
    """
    about = _MODELS[model]
    settings = _settings(_text(boot, "config.txt"), about.sections)
    prefix = settings.get("os_prefix", "")

    def first(names: tuple[str, ...]) -> str | None:
        return next((path for name in names if (path := _path(boot, prefix + name))), None)

    kernels = (settings["kernel"],) if "kernel" in settings else about.kernels
    kernel = first(kernels)
    if kernel is None and needs_kernel:
        raise PathNotFound(
            f"The boot partition has no kernel ({' or '.join(prefix + name for name in kernels)}).",
            hint="List the files with `resin image ls`, or use another kernel with --kernel FILE.",
        )
    return BootFiles(
        kernel=kernel,
        tree=first((settings["device_tree"],) if settings.get("device_tree") else about.trees),
        initrd=first((settings["initramfs"].split()[0],)) if settings.get("initramfs") else None,
        command_line=_text(boot, prefix + settings.get("cmdline", "cmdline.txt")).partition("\n")[0].strip(),
    )


def _settings(text: str, sections: frozenset[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    counts = True
    for line in (line.partition("#")[0].strip() for line in text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            counts = line[1:-1].lower() in (*sections, "all")
        elif counts and line.startswith("initramfs "):
            found["initramfs"] = line.partition(" ")[2].strip()
        elif counts and "=" in line:
            name, _, value = line.partition("=")
            found[name.strip().lower()] = value.strip()
    return found


def _path(boot: FatFileSystem, name: str) -> str | None:
    entry = boot.find(name) if name else None
    return None if entry is None or entry.is_directory else entry.path


def _text(boot: FatFileSystem, name: str) -> str:
    entry = boot.find(name)
    if entry is None or entry.is_directory or entry.size > _LARGEST:
        return ""
    return boot.read(entry.path).decode("utf-8", "replace")
