"""Create a project: a Dockerfile on a matching base image, a sample app and resin.toml."""

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

DEFAULT_LANGUAGE, DEFAULT_DISTRO = "python", "debian"
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
_PROJECT_FILES = ("Dockerfile*", "docker-compose*.y*ml", "compose*.y*ml")
"""Files that define what is built: a new Dockerfile beside them would be ignored or would replace them."""


@dataclass(frozen=True)
class ProjectPlan:
    """The choices and base images of a new project."""

    language: str
    distro: str
    board: DeviceType | None
    """None means any board."""
    image: str
    """The base image that it runs on."""
    build_image: str
    """The base image that it is built on; the same if nothing is compiled."""
    architectures: tuple[str, ...]
    """The architectures that have these base images."""


@dataclass(frozen=True)
class CreatedProject:
    """A project that was written to a folder."""

    folder: Path
    name: str
    plan: ProjectPlan
    files: tuple[str, ...]


def create_project(
    folder: Path,
    language: str = DEFAULT_LANGUAGE,
    distro: str = DEFAULT_DISTRO,
    board: DeviceType | None = None,
) -> CreatedProject:
    """Write a new project into `folder`. Raises BadValue, and what `write_project` raises."""
    plan = plan_project(language, distro, board)
    name = project_name(folder)
    texts = project_files(plan, name)
    write_project(folder, texts)
    return CreatedProject(folder, name, plan, tuple(texts))


def project_languages() -> tuple[str, ...]:
    """Return the languages that a project can be created in."""
    return tuple(_FILES)


def find_base_images(
    board: DeviceType | None, distro: str | None = None, language: str | None = None
) -> tuple[BaseImage, ...]:
    """Return the base images for a board, or for all architectures. Raises BadValue if there are none."""
    targets = [board] if board else architectures()
    found = tuple(i for each in targets for i in base_images(each, distro=distro, language=language))
    if not found:
        raise _no_base_images(board, distro, language)
    return found


def plan_project(language: str, distro: str, board: DeviceType | None = None) -> ProjectPlan:
    """Choose the base images of a project. Raises BadValue, with the alternatives, if there are none."""
    if language not in _FILES:
        raise BadValue(
            f"There is no project template for {language_name(language)}.",
            hint=f"There are templates for {', '.join(map(language_name, _FILES))}. "
            f"`resin init --list --language {language}` lists the base images.",
        )
    targets = [board.arch] if board else list(architectures())
    found = {arch: list(base_images(arch, distro=distro, language=language)) for arch in targets}
    chosen, served = _most_available(found)
    if chosen is None:
        raise _no_base_images(board, distro, language)
    return _plan(chosen, board, served)


def project_files(plan: ProjectPlan, name: str) -> Mapping[str, str]:
    """Return the text of each file of a project, by file name."""
    sources = {
        DOCKERFILE: f"{plan.language}/Dockerfile.txt",
        **{file: f"{plan.language}/{file}.txt" for file in _FILES[plan.language]},
        **_COMMON,
    }
    board = plan.board
    values = {
        "HEAD": _header(plan),
        "IMAGE": plan.image,
        "BUILD_IMAGE": plan.build_image,
        "NAME": name,
        "IGNORED": _IGNORED[plan.language],
        "DEVICE_TYPE": f'device_type = "{board.slug}"' if board else '# device_type = "raspberrypi3"',
    }
    return {file: _fill_in(source, values) for file, source in sources.items()}


def project_name(folder: Path) -> str:
    """Return the application name of a project in `folder`."""
    return app_name(folder.resolve().name)


def check_no_project(folder: Path, names: Iterable[str] = ()) -> None:
    """Raise Refused if `folder` contains a project, or a file that a new one would overwrite.

    `names` are the files of the new project besides those that every project has.
    """
    new = (*_COMMON, *names)
    existing = {name for name in new if (folder / name).exists() or (folder / name).is_symlink()}
    existing |= {path.name for pattern in _PROJECT_FILES for path in folder.glob(pattern)}
    if existing:
        listed = ", ".join(sorted(existing))
        raise Refused(
            f"{folder} already contains a project: {listed}.",
            hint="Name an empty folder, or move these files away: nothing is overwritten.",
        )


def write_project(folder: Path, texts: Mapping[str, str]) -> None:
    """Write all files into `folder`, which is created if it does not exist; on an error, none remain.

    Raises Refused, and the errors of writing.
    """
    check_no_project(folder, texts)
    written: list[Path] = []
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            path = folder / name
            with path.open("x", encoding="utf-8", newline="\n") as file:
                written.append(path)
                file.write(text)
    except BaseException as error:
        for path in written:
            path.unlink(missing_ok=True)
        for each in missing:
            with suppress(OSError):
                each.rmdir()
        if isinstance(error, OSError):
            raise from_os_error(error, error.filename or folder) from error
        raise


def _most_available(found: Mapping[str, list[BaseImage]]) -> tuple[BaseImage | None, tuple[str, ...]]:
    """The tag that most architectures have, the newest of several, and those architectures."""
    served: Counter[tuple[str, str]] = Counter()
    for images in found.values():
        served.update(list(dict.fromkeys((image.version, image.release) for image in images)))
    if not served:
        return None, ()
    version, release = max(served, key=lambda tag: served[tag])
    having = {
        arch: image
        for arch, images in found.items()
        for image in images
        if (image.version, image.release) == (version, release)
    }
    return next(iter(having.values())), tuple(having)


def _plan(chosen: BaseImage, board: DeviceType | None, served: tuple[str, ...]) -> ProjectPlan:
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


def _header(plan: ProjectPlan) -> str:
    if plan.board:
        return f"# For {plan.board.name}."
    return (
        f"# For any board: `resin push` replaces {_ANY_BOARD} by the architecture of the device.\n"
        f"# This base image exists for {', '.join(plan.architectures)}."
    )


def _no_base_images(board: DeviceType | None, distro: str | None, language: str | None) -> BadValue:
    arches = [board.arch] if board else architectures()
    available = [image for arch in arches for image in base_images(arch)]
    wanted = " with ".join(
        word for word in ((distro or "").capitalize(), language_name(language) if language else "") if word
    )
    target = f"for {board.slug} ({board.arch})" if board else ""
    of = f"of {wanted}" if wanted else ""
    message = " ".join(word for word in ("There are no base images", of, target) if word)
    return BadValue(f"{message}.", hint=_alternatives(available, language))


def _alternatives(available: Iterable[BaseImage], language: str | None) -> str:
    pairs = {(image.distro, image.language) for image in available}
    having = {each for _, each in pairs}
    if language and language in having:
        distros = sorted(distro for distro, each in pairs if each == language)
        return f"{language_name(language)} is available on {', '.join(map(str.capitalize, distros))}."
    if language:
        shown = [language_name(name) for name in languages() if name in having]
        return f"Available: {', '.join(shown)}." if shown else "Only images without a language are available."
    listed = ", ".join(sorted({name.capitalize() for name, _ in pairs}))
    return f"Available: {listed}." if listed else "A Dockerfile can name any other image."


def _fill_in(source: str, values: Mapping[str, str]) -> str:
    text = files("resin_toolkit.project").joinpath("templates", *source.split("/")).read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
