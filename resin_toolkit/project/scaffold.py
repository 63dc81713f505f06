"""A new project: a Dockerfile on the right base image, a small app, and what `resin push` should know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from resin_toolkit.device.types import (
    BaseImage,
    DeviceType,
    architectures,
    base_images,
    language_name,
    languages,
    repository,
)
from resin_toolkit.errors import BadValue, Refused, from_os_error
from resin_toolkit.project.names import app_name
from resin_toolkit.project.settings import FILE as SETTINGS_FILE

DOCKERFILE = "Dockerfile.template"
_COMMON = {SETTINGS_FILE: "resin.toml.txt", ".dockerignore": "dockerignore.txt"}
_FILES = {
    "node": ("package.json", "main.js"),
    "python": ("main.py",),
    "golang": ("go.mod", "main.go"),
    "openjdk": ("Main.java",),
}
_IGNORED = {
    "node": "node_modules",
    "python": "**/__pycache__\n.venv",
    "golang": "*_test.go",
    "openjdk": "**/*.class",
}
_ANY_BOARD = "%%BALENA_ARCH%%"
_DESCRIBES = ("Dockerfile*", "docker-compose*.y*ml", "compose*.y*ml")
"""Files that say what is built: a new Dockerfile beside them would not count, or would take their place."""


@dataclass(frozen=True)
class ProjectPlan:
    """What a new project is made of."""

    language: str
    distro: str
    board: DeviceType | None
    """None is any board."""
    image: str
    """The base image that it runs on."""
    build_image: str
    """The one that it is built on; the same where nothing is compiled."""
    architectures: tuple[str, ...]
    """Those that there are such images for."""


def project_languages() -> tuple[str, ...]:
    """The languages that there are projects in."""
    return tuple(_FILES)


def plan_project(language: str, distro: str, board: DeviceType | None = None) -> ProjectPlan:
    """The base images of a project. Raises BadValue where there are none, with what there is."""
    if language not in _FILES:
        raise BadValue(
            f"resin has no project in {language_name(language)} to begin with.",
            hint=f"It has {', '.join(map(language_name, _FILES))}. "
            f"`resin init --list --language {language}` lists the base images.",
        )
    places = [board.arch] if board else list(architectures())
    found = {place: list(base_images(place, distro=distro, language=language)) for place in places}
    chosen, served = _most_served(found)
    if chosen is None:
        raise no_base_images(board or "", distro, language)
    return _planned(chosen, board, served)


def no_base_images(place: DeviceType | str, distro: str | None, language: str | None) -> BadValue:
    """For a combination that has no base images; `place` is a board, an architecture, or empty for all."""
    arch = place if isinstance(place, str) else place.arch
    there = [image for each in ([arch] if arch else architectures()) for image in base_images(each)]
    wanted = " with ".join(
        word for word in ((distro or "").capitalize(), language_name(language) if language else "") if word
    )
    where = (
        (f"for {place}" if place else "") if isinstance(place, str) else f"for {place.slug} ({place.arch})"
    )
    message = " ".join(word for word in ("There are no base images of", wanted, where) if word)
    return BadValue(
        f"{message}." if wanted else f"There are no base images {where}.",
        hint=_others(there, language),
    )


def project_files(chosen: ProjectPlan, name: str) -> Mapping[str, str]:
    """The files of a project, by their names, and their texts."""
    sources = {
        DOCKERFILE: f"{chosen.language}/Dockerfile.txt",
        **{file: f"{chosen.language}/{file}.txt" for file in _FILES[chosen.language]},
        **_COMMON,
    }
    board = chosen.board
    said = {
        "HEAD": _head(chosen),
        "IMAGE": chosen.image,
        "BUILD_IMAGE": chosen.build_image,
        "NAME": name,
        "IGNORED": _IGNORED[chosen.language],
        "DEVICE_TYPE": f'device_type = "{board.slug}"' if board else '# device_type = "raspberrypi3"',
    }
    return {file: _filled(source, said) for file, source in sources.items()}


def project_name(folder: Path) -> str:
    """What a project in `folder` is called on a device."""
    return app_name(folder.resolve().name)


def check_no_project(folder: Path, names: Iterable[str] = ()) -> None:
    """Raise Refused where files lie in `folder` that a project would have to overwrite, or that describe one.

    Without `names`, those that every project has.
    """
    wanted = (*_COMMON, *names)
    there = {name for name in wanted if (folder / name).exists() or (folder / name).is_symlink()}
    there |= {path.name for pattern in _DESCRIBES for path in folder.glob(pattern)}
    if there:
        listed = ", ".join(sorted(there))
        raise Refused(
            f"{folder} already contains a project: {listed}.",
            hint="Name an empty folder, or move them away: nothing is overwritten.",
        )


def write_project(folder: Path, texts: Mapping[str, str]) -> None:
    """Write the files into `folder`, which is made where it is missing. All of them, or none.

    Raises Refused, and the failures of writing.
    """
    check_no_project(folder, texts)
    made: list[Path] = []
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            path = folder / name
            with path.open("x", encoding="utf-8", newline="\n") as file:
                made.append(path)
                file.write(text)
    except BaseException as error:
        for path in made:
            path.unlink(missing_ok=True)
        for each in missing:
            with suppress(OSError):
                each.rmdir()
        if isinstance(error, OSError):
            raise from_os_error(error, error.filename or folder) from error
        raise


def _most_served(found: Mapping[str, list[BaseImage]]) -> tuple[BaseImage | None, tuple[str, ...]]:
    """The image that most architectures have, the newest of several; its repository is the first one's."""
    served: Counter[tuple[str, str]] = Counter()
    for images in found.values():
        served.update(list(dict.fromkeys((image.version, image.release) for image in images)))
    if not served:
        return None, ()
    version, release = max(served, key=lambda tag: served[tag])
    has = {
        arch: image
        for arch, images in found.items()
        for image in images
        if (image.version, image.release) == (version, release)
    }
    return next(iter(has.values())), tuple(has)


def _planned(chosen: BaseImage, board: DeviceType | None, served: tuple[str, ...]) -> ProjectPlan:
    prefix = board.slug if board else _ANY_BOARD
    language, distro, release = chosen.language, chosen.distro, chosen.release
    name = repository(prefix, distro, language)
    run = build = f"{name}:{chosen.version}-{release}-run"
    if language == "golang":
        run = f"{repository(prefix, distro)}:{release}-run"
        build = f"{name}:{chosen.version}-{release}-build"
    elif language == "openjdk":
        run = f"{name}:{chosen.version.replace('-jdk', '-jre')}-{release}-run"
        build = f"{name}:{chosen.version}-{release}-build"
    return ProjectPlan(language, distro, board, run, build, served)


def _head(chosen: ProjectPlan) -> str:
    if chosen.board:
        return f"# For {chosen.board.name}."
    return (
        f"# For any board: `resin push` puts its architecture in the place of {_ANY_BOARD}.\n"
        f"# This base image is there for {', '.join(chosen.architectures)}."
    )


def _others(there: Iterable[BaseImage], language: str | None) -> str:
    """What there is instead, in the words of one who chooses."""
    pairs = {(image.distro, image.language) for image in there}
    has = {spoken for _, spoken in pairs}
    if language and language in has:
        on = sorted(name for name, spoken in pairs if spoken == language)
        return f"{language_name(language)} is there on {', '.join(map(str.capitalize, on))}."
    if language:
        shown = [language_name(name) for name in languages() if name in has]
        return f"There are {', '.join(shown)}." if shown else "There are some without a language only."
    listed = ", ".join(sorted({name.capitalize() for name, _ in pairs}))
    return f"There are {listed}." if listed else "A Dockerfile can name any other image."


def _filled(source: str, said: Mapping[str, str]) -> str:
    text = files("resin_toolkit.project").joinpath("templates", *source.split("/")).read_text("utf-8")
    for name, value in said.items():
        text = text.replace(f"@{name}@", value)
    return text
