"""The boards that resinOS and balenaOS are made for, their architectures, and the base images for them.

All of it comes from `data/device-types.toml`. A base image is called
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
"""`build` has compilers and headers, `run` has not."""
_LANGUAGES = {
    "node": ("nodejs", "node.js", "javascript", "js"),
    "python": ("python3", "py"),
    "golang": ("go",),
    "openjdk": ("java", "jdk"),
    "dotnet": (".net", "csharp", "c#"),
}
_SHOWN = {"node": "Node.js", "python": "Python", "golang": "Go", "openjdk": "Java", "dotnet": ".NET"}


@dataclass(frozen=True)
class DeviceType:
    """A kind of board."""

    slug: str
    """What the OS, `device-type.json` and base images call it."""
    name: str
    arch: str
    """The OS's word for its architecture, one of `architectures()`."""
    aliases: tuple[str, ...] = ()
    """Other slugs that it has had."""
    boot: str = ""
    """Where it starts from: sdcard, internal (which a flasher image writes) or image."""


@dataclass(frozen=True)
class BaseImage:
    """An image that a Dockerfile can begin with."""

    reference: str
    distro: str
    release: str
    language: str = ""
    """Empty for one that has the distribution alone."""
    version: str = ""
    """The language's."""
    variant: str = ""
    """run or build; empty for the old `resin/` images, which are all of the second kind."""


@dataclass(frozen=True)
class _Row:
    language: str
    distro: str
    architectures: tuple[str, ...]
    releases: tuple[str, ...]
    versions: tuple[str, ...]


def device_type(word: str) -> DeviceType:
    """The board that `word` means: its slug, one that it had before, or its name, in any case.

    Raises BadValue.
    """
    found = _by_word().get(_squashed(word))
    if found is None:
        raise BadValue(f"{word!r} is no device type.", hint=_hint(word, [t.slug for t in all_device_types()]))
    return found


@cache
def all_device_types() -> tuple[DeviceType, ...]:
    """Every board, by its slug."""
    return tuple(
        DeviceType(slug, about["name"], about["arch"], tuple(about.get("aliases", ())), about["boot"])
        for slug, about in sorted(_data()["device-types"].items())
    )


def architectures() -> tuple[str, ...]:
    """The OS's words for architectures."""
    return tuple(_data()["architectures"])


def os_architecture(word: str) -> str:
    """The OS's word for what an engine or a kernel calls `x86_64` or `arm64`; empty where it has none."""
    squashed = word.lower()
    return next((arch for arch, words in _data()["architectures"].items() if squashed in words), "")


def distros() -> tuple[str, ...]:
    """The distributions that there are base images of."""
    return tuple(sorted({row.distro for row in _rows()}))


def languages() -> tuple[str, ...]:
    """The languages that there are base images of, as their names have them."""
    return tuple(_LANGUAGES)


def language_name(language: str) -> str:
    """A language as people write it: `Node.js` for `node`."""
    return _SHOWN[language]


def language(word: str) -> str:
    """The language that `word` means (`javascript`, `Go`). Raises BadValue."""
    wanted = word.strip().lower()
    for name, others in _LANGUAGES.items():
        if wanted in (name, *others):
            return name
    raise BadValue(
        f"There are no base images of the language {word!r}.", hint=_hint(word, list(_LANGUAGES), _SHOWN)
    )


def distro(word: str) -> str:
    """The distribution that `word` means. Raises BadValue."""
    wanted = word.strip().lower()
    if wanted not in distros():
        raise BadValue(
            f"There are no base images of the distribution {word!r}.", hint=_hint(word, list(distros()))
        )
    return wanted


def base_images(
    place: DeviceType | str,
    *,
    distro: str | None = None,
    language: str | None = None,
    variant: str | None = None,
    old_names: bool = False,
) -> Iterator[BaseImage]:
    """The base images of a board, or of an architecture, the newest of each kind first.

    `language=""` are those without one. `old_names` gives the `resin/` images instead.
    """
    arch, prefix = (place, place) if isinstance(place, str) else (place.arch, place.slug)
    made = _old_images if old_names else _images
    for row in _rows():
        if arch in row.architectures and distro in (None, row.distro) and language in (None, row.language):
            yield from (i for i in made(row, prefix) if variant in (None, i.variant))


def repository(prefix: str, distro: str, language: str = "", owner: str = "balenalib") -> str:
    """A base image without its tag; `prefix` is a slug, an architecture, or a template variable."""
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
def _by_word() -> Mapping[str, DeviceType]:
    return {
        _squashed(word): found
        for found in all_device_types()
        for word in (found.slug, *found.aliases, found.name)
    }


def _squashed(word: str) -> str:
    return "".join(char for char in word.casefold() if char.isalnum() or char == "+")


def _hint(word: str, known: list[str], shown: Mapping[str, str] | None = None) -> str:
    """What may have been meant, else what there is, unless that is too much."""
    from difflib import get_close_matches

    near = get_close_matches(word.strip().lower().replace("_", "-").replace(" ", "-"), known, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    if len(known) > 20:
        return "It is a word such as raspberrypi3 or intel-nuc."
    return f"There are {', '.join((shown or {}).get(name, name) for name in known)}."
