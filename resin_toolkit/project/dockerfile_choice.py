"""Choose the Dockerfile of a folder for a device, and fill in its variables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from resin_toolkit.errors import BadValue, PathNotFound, ResinError, from_os_error
from resin_toolkit.project import template
from resin_toolkit.project.bounded_file import ReadFile, read_bounded

PLAIN = "Dockerfile"
TEMPLATE = "Dockerfile.template"


@dataclass(frozen=True)
class ChosenDockerfile:
    """The Dockerfile for a device."""

    path: Path
    name: str
    """Relative to the folder, with slashes."""
    text: str
    """With its variables replaced; bytes that are not UTF-8 are surrogates."""
    is_template: bool
    """Whether variables are replaced in it; it need not contain any."""
    content: bytes = field(default=b"", compare=False)
    """The file as it was read."""


def choose_dockerfile(
    folder: Path,
    explicit: str | None = None,
    machine_names: Sequence[str] = (),
    arch: str = "",
    *,
    service: str = "",
    application: str = "",
    read: ReadFile = read_bounded,
) -> ChosenDockerfile:
    """Choose `explicit`, else Dockerfile.MACHINE, Dockerfile.ARCH, Dockerfile.template or Dockerfile.

    `machine_names` are the names of the device type, preferred first; they and `arch` are empty if they are
    unknown. `read` reads the file. Raises PathNotFound, and BadValue for a variable without a value.
    """
    name = _relative_name(folder, explicit) if explicit else _first(folder, [*machine_names, arch])
    path = folder / name
    try:
        content = read(path, "Dockerfile")
    except FileNotFoundError as error:
        raise _no_such(folder, name) from error
    except OSError as error:
        raise from_os_error(error, path) from error
    text = content.decode("utf-8", "surrogateescape")
    is_template = PurePosixPath(name).name != PLAIN
    if is_template:
        machine = machine_names[0] if machine_names else ""
        text = template.fill_template(
            text, template.template_values(machine, arch, service, application), name
        )
    return ChosenDockerfile(path, name, text, is_template, content)


def _relative_name(folder: Path, name: str) -> str:
    """The name relative to the folder. Raises BadValue if it is outside, where the engine cannot read it."""
    path = os.path.relpath(os.path.abspath(folder / name), os.path.abspath(folder))  # noqa: PTH100 - keeps links
    inside = path.replace(os.sep, "/")
    if inside.startswith("../"):
        raise BadValue(
            f"{name} is outside the build context {folder}.",
            hint="Move it into the folder, or use a parent folder as the context.",
        )
    return inside


def _first(folder: Path, suffixes: Sequence[str]) -> str:
    """The first that exists, in the exact case, even on a case-insensitive file system."""
    listed = _files(folder)
    wanted = [f"{PLAIN}.{suffix}" for suffix in suffixes if suffix and "/" not in suffix]
    for name in (*wanted, TEMPLATE, PLAIN):
        if name in listed:
            return name
    raise PathNotFound(f"{folder} has no {PLAIN}.", hint=_hint(listed, [*wanted, TEMPLATE, PLAIN]))


def _hint(listed: Sequence[str], wanted: Sequence[str]) -> str:
    folded = {name.casefold(): name for name in wanted}
    for name in listed:
        if name.casefold() in folded:
            return f"There is {name}: rename it to {folded[name.casefold()]}, or use --dockerfile {name}."
    others = [name for name in listed if name.startswith(f"{PLAIN}.") and not name.endswith(".dockerignore")]
    if others:
        suffix = others[0].removeprefix(f"{PLAIN}.")
        return f"There is {', '.join(others)}: use --device-type {suffix} or --dockerfile {others[0]}."
    return "Create a project with `resin init`."


def _no_such(folder: Path, name: str) -> ResinError:
    """The error for an explicit name that does not exist."""
    near = (folder / name).parent
    listed = _files(near) if near.is_dir() else ()
    wanted = PurePosixPath(name).name
    folded = [other for other in listed if other.casefold() == wanted.casefold()]
    close = folded or get_close_matches(wanted, listed, n=1, cutoff=0.7)
    hint = f"Did you mean {PurePosixPath(name).with_name(close[0])}?" if close else "Check the spelling."
    return PathNotFound(f"{folder} has no {name}.", hint=hint)


def _files(folder: Path) -> tuple[str, ...]:
    try:
        with os.scandir(folder) as entries:
            return tuple(sorted(entry.name for entry in entries if _is_file(entry)))
    except OSError as error:
        raise from_os_error(error, folder) from error


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file; a broken link, which may raise, is not."""
    try:
        return entry.is_file()
    except OSError:
        return False
