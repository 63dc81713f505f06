"""Copying files between this system and a boot partition, by the rules of `cp`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from image_tools.boot_secrets import may_hold_secret
from image_tools.private_files import OWNER_ONLY, create_file, make_folders, resolve_output
from resin_toolkit.errors import BadValue, PathNotFound, Usage, from_os_error

if TYPE_CHECKING:
    from image_tools.fat import Change, DirectoryEntry, FatFileSystem


def split_destination(paths: list[str]) -> tuple[list[str], str]:
    """The local files, and their destination in the image: the root directory if only one path is given."""
    require_names(paths)
    if len(paths) == 1:
        return paths, "/"
    *sources, destination = paths
    if Path(destination).exists() and not destination.startswith("/"):
        raise Usage(
            f"The last argument is the destination in the image, but {destination} is a local file.",
            hint="End with a path in the boot partition, for example / or /system-connections.",
        )
    return sources, destination


def require_names(paths: list[str]) -> None:
    """Raise Usage for an empty path, which would stand for the current folder."""
    if "" in paths:
        raise Usage("A path is empty.", hint="Check that the variables of your shell are set.")


def find_local_files(source: Path, *, recursive: bool) -> tuple[Path, list[Path]]:
    """A local file or directory, and its files and directories, each directory before its contents."""
    if not source.is_dir():
        if source.exists() and not source.is_file():
            raise BadValue(f"{source} is not a regular file.", hint="Save its contents to a file first.")
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
                f"{member} is neither a file nor a directory, so FAT cannot hold it.",
                hint="Remove it, or name the files to copy.",
            )
    return source, members


def changes_to_put(
    files: FatFileSystem, local: list[tuple[Path, list[Path]]], destination: str
) -> Iterator[Change]:
    """The changes that copy the results of `find_local_files` to `destination`. Raises PathNotFound."""
    from image_tools.fat import FileSource, MakeDirectory, Put

    entry = files.find(destination)
    is_directory = not PurePosixPath(destination).name or (entry is not None and entry.is_directory)
    if not is_directory and (len(local) > 1 or destination.endswith("/")):
        raise PathNotFound(
            f"{destination} is not a directory in the boot partition.",
            hint="List the directories with `resin image ls`.",
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
            content = FileSource(member.stat().st_size, partial(_open, member))
            yield Put(path, content)


def _own_name(source: Path) -> str:
    """The name of a local file or folder; of a link, the name of the link."""
    return source.name if source.name not in ("", "..") else source.resolve().name


def find_image_files(
    files: FatFileSystem, source: str, destination: Path, *, recursive: bool
) -> list[tuple[DirectoryEntry, Path]]:
    """The entries at and below `source`, each with its local path, each directory before its contents."""
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


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _safe_name(entry: DirectoryEntry) -> str:
    """The name of an entry. An image may contain any name: raises BadValue if it is not a plain one here."""
    if entry.name in ("", ".", "..") or "/" in entry.name or "\0" in entry.name or os.sep in entry.name:
        raise BadValue(
            f"{entry.path!r} has a name that this system does not allow.", hint="Name another destination."
        )
    return entry.name


def write_locally(
    files: FatFileSystem, entry: DirectoryEntry, place: Path, confirm: Callable[[str], object]
) -> None:
    """Write one entry to `place`. `confirm` gets a question and raises if a file must not be replaced.

    Only its owner can read a file that may hold a secret, such as config.json. Raises Refused for a link that
    another user may have prepared.
    """
    if entry.is_directory:
        make_folders(place)
        return
    if place.exists():
        confirm(f"{place} exists. Replace it?")
    make_folders(place.parent)
    if place.exists() and not place.is_file():
        with place.open("wb", buffering=0) as output:
            _write_chunks(output, files.chunks(entry.path), place)
        return
    # An existing file is replaced only by a complete one.
    target = resolve_output(place)
    partial_file = target.with_name(f".{target.name[:100]}.{os.getpid()}.partial")
    most = OWNER_ONLY if may_hold_secret(entry.path) else 0o777
    try:
        with _create(partial_file, place, most & 0o666) as output:
            if target.exists():
                os.fchmod(output.fileno(), target.stat().st_mode & most)
            _write_chunks(output, files.chunks(entry.path), place)
        partial_file.replace(target)
    finally:
        partial_file.unlink(missing_ok=True)


def _create(partial_file: Path, place: Path, mode: int) -> FileIO:
    try:
        return FileIO(create_file(partial_file, mode), "wb")
    except OSError as error:
        raise from_os_error(error, place) from error


def _write_chunks(output: FileIO, chunks: Iterable[bytes], place: Path) -> None:
    """Write all of `chunks`. An error of the system is reported for `place`, not for the image."""
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            try:
                rest = rest[output.write(rest) :]
            except OSError as error:
                if isinstance(error, BrokenPipeError):
                    raise
                raise from_os_error(error, place) from error
