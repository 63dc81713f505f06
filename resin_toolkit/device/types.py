"""Device types that resinOS and balenaOS support, their architectures and base images.

The data is in `data/device-types.toml`. A base image is named
`balenalib/<board or architecture>-<distro>[-<language>]:[<version>-]<release>-<run|build>`; before 2018 it
was `resin/<board or architecture>-<distro>[-<language>][:<version>]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from resin_toolkit.errors import BadValue

VARIANTS = ("run", "build")
"""`build` images have compilers and headers, `run` images do not."""
_LANGUAGES = {
    "node": ("nodejs", "node.js", "javascript", "js"),
    "python": ("python3", "py"),
    "golang": ("go",),
    "openjdk": ("java", "jdk"),
    "dotnet": (".net", "csharp", "c#"),
}
_LANGUAGE_NAMES = {"node": "Node.js", "python": "Python", "golang": "Go", "openjdk": "Java", "dotnet": ".NET"}


@dataclass(frozen=True)
class DeviceType:
    """A board that the OS supports."""

    slug: str
    """Its name in the OS, `device-type.json` and base images: `raspberrypi3`."""
    name: str
    arch: str
    """Its architecture as the OS names it, one of `architectures()`."""
    aliases: tuple[str, ...] = ()
    """Earlier slugs."""
    boot: str = ""
    """What it boots from: sdcard, internal (written by a flasher image) or image."""


@dataclass(frozen=True)
class BaseImage:
    """A base image for a Dockerfile."""

    reference: str
    distro: str
    release: str
    language: str = ""
    """Empty if it contains only the distribution."""
    version: str = ""
    """The version of the language."""
    variant: str = ""
    """run or build; empty for the old `resin/` images, which are all like build."""


@dataclass(frozen=True)
class _Row:
    language: str
    distro: str
    architectures: tuple[str, ...]
    releases: tuple[str, ...]
    versions: tuple[str, ...]


def device_type(name: str) -> DeviceType:
    """The device type with the slug, earlier slug or name `name`, in any case. Raises BadValue."""
    found = _by_name().get(_normalize(name))
    if found is None:
        raise BadValue(
            f"Unknown device type {name!r}.", hint=_hint(name, [t.slug for t in all_device_types()])
        )
    return found


@cache
def all_device_types() -> tuple[DeviceType, ...]:
    """All device types, sorted by slug."""
    return tuple(
        DeviceType(slug, entry["name"], entry["arch"], tuple(entry.get("aliases", ())), entry["boot"])
        for slug, entry in sorted(_data()["device-types"].items())
    )


def architectures() -> tuple[str, ...]:
    """The architectures as the OS names them."""
    return tuple(_data()["architectures"])


def os_architecture(name: str) -> str:
    """The OS name of an architecture such as `x86_64` or `arm64`; empty if it is not supported."""
    return next((arch for arch, names in _data()["architectures"].items() if name.lower() in names), "")


def distros() -> tuple[str, ...]:
    """The distributions of the base images."""
    return tuple(sorted({row.distro for row in _rows()}))


def languages() -> tuple[str, ...]:
    """The languages of the base images, as in image names."""
    return tuple(_LANGUAGES)


def language_name(language: str) -> str:
    """The display name of a language: `Node.js` for `node`."""
    return _LANGUAGE_NAMES[language]


def language(name: str) -> str:
    """The language of a name or alias (`javascript`, `Go`). Raises BadValue."""
    wanted = name.strip().lower()
    for known, aliases in _LANGUAGES.items():
        if wanted in (known, *aliases):
            return known
    raise BadValue(
        f"There are no base images of the language {name!r}.",
        hint=_hint(name, list(_LANGUAGES), _LANGUAGE_NAMES),
    )


def distro(name: str) -> str:
    """The distribution named `name`, in any case. Raises BadValue."""
    wanted = name.strip().lower()
    if wanted not in distros():
        raise BadValue(
            f"There are no base images of the distribution {name!r}.", hint=_hint(name, list(distros()))
        )
    return wanted


def base_images(
    target: DeviceType | str,
    *,
    distro: str | None = None,
    language: str | None = None,
    variant: str | None = None,
    old_names: bool = False,
) -> Iterator[BaseImage]:
    """The base images for a device type or architecture, the newest of each distribution and language first.

    `language=""` selects those without a language, `old_names` the `resin/` images instead.
    """
    arch, prefix = (target, target) if isinstance(target, str) else (target.arch, target.slug)
    list_images = _old_images if old_names else _images
    for row in _rows():
        if arch in row.architectures and distro in (None, row.distro) and language in (None, row.language):
            yield from (i for i in list_images(row, prefix) if variant in (None, i.variant))


def repository(prefix: str, distro: str, language: str = "", owner: str = "balenalib") -> str:
    """The repository of a base image; `prefix` is a slug, an architecture, or a template variable."""
    return f"{owner}/{'-'.join(filter(None, (prefix, distro, language)))}"


def _images(row: _Row, prefix: str) -> Iterator[BaseImage]:
    name = repository(prefix, row.distro, row.language)
    for version in row.versions:
        for release in row.releases:
            for variant in VARIANTS:
                tag = "-".join(filter(None, (version, release, variant)))
                yield BaseImage(f"{name}:{tag}", row.distro, release, row.language, version, variant)


def _old_images(row: _Row, prefix: str) -> Iterator[BaseImage]:
    name = repository(prefix, row.distro, row.language, "resin")
    for tag in row.versions if row.language else row.releases:
        release, version = ("", tag) if row.language else (tag, "")
        yield BaseImage(f"{name}:{tag}", row.distro, release, row.language, version)


@cache
def _data() -> Mapping[str, Any]:
    import tomllib
    from importlib.resources import files

    return tomllib.loads(files("resin_toolkit").joinpath("data/device-types.toml").read_text("utf-8"))


@cache
def _rows() -> tuple[_Row, ...]:
    return tuple(
        _Row(
            row.get("language", ""),
            row["distro"],
            tuple(row["architectures"]),
            tuple(row["releases"]),
            tuple(row.get("versions", [""])),
        )
        for row in _data()["images"]
    )


@cache
def _by_name() -> Mapping[str, DeviceType]:
    return {
        _normalize(name): found
        for found in all_device_types()
        for name in (found.slug, *found.aliases, found.name)
    }


def _normalize(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum() or char == "+")


def _hint(name: str, known: list[str], names: Mapping[str, str] | None = None) -> str:
    """A similar name, else all names unless there are too many."""
    from difflib import get_close_matches

    near = get_close_matches(name.strip().lower().replace("_", "-").replace(" ", "-"), known, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    if len(known) > 20:
        return "Use a slug such as raspberrypi3 or intel-nuc."
    return f"Available: {', '.join((names or {}).get(each, each) for each in known)}."
