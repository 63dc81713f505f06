"""Files on their way between this system and a boot partition, by the rules of `cp`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from resin_toolkit.errors import BadValue, PathNotFound, Usage, from_os_error
from resin_toolkit.terminal.report import Report

if TYPE_CHECKING:
    from image_tools.fat import Change, DirectoryEntry, FatFileSystem


def sources_and_destination(paths: list[str]) -> tuple[list[str], str]:
    """The files to put and where they go: the root directory, where only one file is named."""
    require_names(paths)
    if len(paths) == 1:
        return paths, "/"
    *sources, destination = paths
    if Path(destination).exists() and not destination.startswith("/"):
        raise Usage(
            f"{destination} is a file here, and the last name says where the others go in the image.",
            hint="End with a place in the boot partition, for example / or /system-connections.",
        )
    return sources, destination


def require_names(paths: list[str]) -> None:
    """Raise Usage for a name that is empty, which would mean this folder."""
    if "" in paths:
        raise Usage("A name is empty.", hint="Is a variable of your shell not set?")


def local_members(source: Path, *, recursive: bool) -> tuple[Path, list[Path]]:
    """A file or directory here, and what to put for it, each directory before what is in it."""
    if not source.is_dir():
        if source.exists() and not source.is_file():
            raise BadValue(f"{source} is not a regular file.", hint="Put its content into a file first.")
        if not source.exists():
            raise PathNotFound(f"{source} does not exist.", hint="Check the spelling and the folder.")
        return source, [source]
    if not recursive:
        raise BadValue(
            f"{source} is a directory.", hint="Use --recursive to copy a directory and its contents."
        )
    members = sorted(source.rglob("*"))
    for member in members:
        if not member.is_file() and (member.is_symlink() or not member.is_dir()):
            raise BadValue(
                f"{member} is neither a file nor a directory, and FAT holds nothing else.",
                hint="Remove it, or name what should be put.",
            )
    return source, members


def puts(files: FatFileSystem, local: list[tuple[Path, list[Path]]], destination: str) -> Iterator[Change]:
    """The changes that put what `local_members` found; raises PathNotFound where the destination is none."""
    from image_tools.fat import FileSource, MakeDirectory, Put

    entry = files.find(destination)
    is_directory = not PurePosixPath(destination).name or (entry is not None and entry.is_directory)
    if not is_directory and (len(local) > 1 or destination.endswith("/")):
        raise PathNotFound(
            f"{destination} is no directory in the boot partition.",
            hint="Name one that `resin image ls` shows.",
        )
    for source, members in local:
        top = f"{destination.rstrip('/')}/{_own_name(source)}" if is_directory else destination
        if source.is_dir():
            yield MakeDirectory(top, exist_ok=True)
        for member in members:
            path = f"{top}/{member.relative_to(source).as_posix()}" if source.is_dir() else top
            if member.is_dir():
                yield MakeDirectory(path, exist_ok=True)
                continue
            content = FileSource(member.stat().st_size, partial(_opened, member))
            yield Put(path, content)


def _own_name(source: Path) -> str:
    """The name of a file or folder here, a link's own too."""
    return source.name if source.name not in ("", "..") else source.resolve().name


def gets(
    files: FatFileSystem, source: str, destination: Path, *, recursive: bool
) -> list[tuple[DirectoryEntry, Path]]:
    """What to get for `source`, and where it goes, each directory before what is in it."""
    entry = files.stat(source) if source.strip("/") else None
    top = destination
    if entry is not None:
        name = _safe_name(entry)
        top = destination / name if destination.is_dir() else destination
        if not entry.is_directory:
            return [(entry, top)]
    if not recursive:
        raise BadValue(
            f"{source} is a directory.", hint="Use --recursive to copy a directory and its contents."
        )
    found = [(entry, top)] if entry is not None else []
    above = entry.path if entry is not None else "/"
    for member in files.walk(above):
        _safe_name(member)
        found.append((member, top / member.path[len(above) :].lstrip("/")))
    return found


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _safe_name(entry: DirectoryEntry) -> str:
    """The name of an entry, which an image can make up, where it is a plain name on this system."""
    if entry.name in ("", ".", "..") or "/" in entry.name or "\0" in entry.name or os.sep in entry.name:
        raise BadValue(
            f"{entry.path!r} has a name that cannot be used here.", hint="Give it another destination."
        )
    return entry.name


def write_here(files: FatFileSystem, entry: DirectoryEntry, place: Path, report: Report) -> None:
    """Write one entry to `place`; asks before it replaces a file."""
    if entry.is_directory:
        place.mkdir(parents=True, exist_ok=True)
        return
    if place.exists():
        report.confirm(f"{place} exists. Replace it?")
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists() and not place.is_file():
        with place.open("wb", buffering=0) as output:
            _fill(output, files.chunks(entry.path), place)
        return
    # Whole or not at all: what was there stays until then.
    goal = place.resolve()
    unfinished = goal.with_name(f".{goal.name[:100]}.{os.getpid()}.partial")
    try:
        with _opened_new(unfinished, place) as output:
            if goal.exists():
                unfinished.chmod(goal.stat().st_mode & 0o777)
            _fill(output, files.chunks(entry.path), place)
        unfinished.replace(goal)
    finally:
        unfinished.unlink(missing_ok=True)


def _opened_new(unfinished: Path, place: Path) -> FileIO:
    try:
        return unfinished.open("xb", buffering=0)
    except OSError as error:
        raise from_os_error(error, place) from error


def _fill(output: FileIO, chunks: Iterable[bytes], place: Path) -> None:
    """Write all of `chunks`; what the system says of that is about `place`, and not about the image."""
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            try:
                rest = rest[output.write(rest) :]
            except OSError as error:
                if isinstance(error, BrokenPipeError):
                    raise
                raise from_os_error(error, place) from error
