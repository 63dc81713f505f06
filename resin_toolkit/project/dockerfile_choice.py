"""Which Dockerfile of a folder builds for a device, and its text for that device."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from resin_toolkit.errors import BadValue, PathNotFound, ResinError, from_os_error
from resin_toolkit.project import template

PLAIN = "Dockerfile"
TEMPLATE = "Dockerfile.template"


@dataclass(frozen=True)
class ChosenDockerfile:
    """A Dockerfile, chosen for a device."""

    path: Path
    name: str
    """Relative to the folder, with slashes."""
    text: str
    """With the variables' values; bytes that are not UTF-8 are surrogates."""
    is_template: bool
    """Whether variables are replaced in it; the text may be that of the file all the same."""


def choose_dockerfile(
    folder: Path,
    explicit: str | None = None,
    machine_names: Sequence[str] = (),
    arch: str = "",
    *,
    service: str = "",
    application: str = "",
) -> ChosenDockerfile:
    """The file that builds: `explicit`, or the machine's, the architecture's, the template, the plain one.

    `machine_names` are the names that the device's type goes by, its own first; those and `arch` are empty
    where only the engine is known. Raises PathNotFound, and BadValue for a variable that has no value.
    """
    name = _inside(folder, explicit) if explicit else _first(folder, [*machine_names, arch])
    path = folder / name
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError as error:
        raise _no_such(folder, name) from error
    except OSError as error:
        raise from_os_error(error, path) from error
    is_template = PurePosixPath(name).name != PLAIN
    if is_template:
        machine = machine_names[0] if machine_names else ""
        text = template.fill_template(
            text, template.template_values(machine, arch, service, application), name
        )
    return ChosenDockerfile(path, name, text, is_template)


def _inside(folder: Path, name: str) -> str:
    """The name relative to the folder. Raises BadValue where it leads out of it: an engine builds no such."""
    path = os.path.relpath(os.path.abspath(folder / name), os.path.abspath(folder))  # noqa: PTH100 - by names alone
    inside = path.replace(os.sep, "/")
    if inside.startswith("../"):
        raise BadValue(
            f"{name} is outside the build context {folder}.",
            hint="Move it there, or name a folder further up that holds both.",
        )
    return inside


def _first(folder: Path, kinds: Sequence[str]) -> str:
    """The first that is there; raises PathNotFound. A file system may not tell upper case from lower."""
    listed = _files(folder)
    wanted = [f"{PLAIN}.{kind}" for kind in kinds if kind and "/" not in kind]
    for name in (*wanted, TEMPLATE, PLAIN):
        if name in listed:
            return name
    raise PathNotFound(f"{folder} has no {PLAIN}.", hint=_hint(listed, [*wanted, TEMPLATE, PLAIN]))


def _hint(listed: Sequence[str], wanted: Sequence[str]) -> str:
    folded = {name.casefold(): name for name in wanted}
    for name in listed:
        if name.casefold() in folded:
            return f"There is {name}: name it {folded[name.casefold()]}, or give `--dockerfile {name}`."
    others = [name for name in listed if name.startswith(f"{PLAIN}.") and not name.endswith(".dockerignore")]
    if others:
        kind = others[0].removeprefix(f"{PLAIN}.")
        return (
            f"There is {', '.join(others)}: `--device-type {kind}` or `--dockerfile {others[0]}` chooses it."
        )
    return "Create a project with `resin init`."


def _no_such(folder: Path, name: str) -> ResinError:
    """What is wrong with a name that was given."""
    near = (folder / name).parent
    listed = _files(near) if near.is_dir() else ()
    wanted = PurePosixPath(name).name
    folded = [other for other in listed if other.casefold() == wanted.casefold()]
    close = folded or get_close_matches(wanted, listed, n=1, cutoff=0.7)
    hint = f"Did you mean {PurePosixPath(name).with_name(close[0])}?" if close else "Check its spelling."
    return PathNotFound(f"{folder} has no {name}.", hint=hint)


def _files(folder: Path) -> tuple[str, ...]:
    try:
        with os.scandir(folder) as entries:
            return tuple(sorted(entry.name for entry in entries if _is_file(entry)))
    except OSError as error:
        raise from_os_error(error, folder) from error


def _is_file(entry: os.DirEntry[str]) -> bool:
    """A link may lead through what is no folder, or to itself: that is no file, and no failure."""
    try:
        return entry.is_file()
    except OSError:
        return False
