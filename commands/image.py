"""`resin image`: look into an image, and at the files of its boot partition, without mounting or root."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from resin_toolkit.errors import BadValue, Interrupted, PathNotFound, Usage
from resin_toolkit.report import Report, Result, Screen, clean, table
from resin_toolkit.verb import group, report_of

if TYPE_CHECKING:
    from image_tools.fat import Change, Entry, FatFileSystem

ImageArgument = Annotated[
    Path,
    typer.Argument(metavar="IMAGE", help="An image file, or a drive that was flashed.", show_default=False),
]
PartitionOption = Annotated[
    int | None, typer.Option("--partition", metavar="N", help="Take this partition for the boot partition.")
]
RecursiveOption = Annotated[
    bool, typer.Option("--recursive", "-r", help="Directories, with all that is in them.")
]


@dataclass(frozen=True)
class Listing:
    """What is in a directory of the boot partition."""

    path: str
    entries: tuple[Entry, ...]

    def data(self) -> Mapping[str, object]:
        return {"path": self.path, "entries": [_entry_data(entry) for entry in self.entries]}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        rows = [
            (
                "" if entry.is_directory else str(entry.size),
                f"{entry.modified:%Y-%m-%d %H:%M}" if entry.modified else "",
                clean(self._shown(entry)),
            )
            for entry in self.entries
        ]
        return table(rows, right=frozenset({0})) if rows else ""

    def _shown(self, entry: Entry) -> str:
        inside = entry.path.removeprefix(self.path.rstrip("/")).lstrip("/") or entry.name
        return f"{inside}/" if entry.is_directory else inside


@dataclass(frozen=True)
class Transferred:
    """What was copied or removed; `verb` in the past tense."""

    verb: str
    paths: tuple[str, ...]

    def data(self) -> Mapping[str, object]:
        return {self.verb: list(self.paths)}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return "\n".join(f"{self.verb} {clean(path)}" for path in self.paths)


@dataclass(frozen=True)
class Content:
    """The content of one file, for --json."""

    path: str
    content: bytes

    def data(self) -> Mapping[str, object]:
        try:
            return {"path": self.path, "text": self.content.decode()}
        except UnicodeDecodeError:
            from base64 import b64encode

            return {"path": self.path, "base64": b64encode(self.content).decode()}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return ""


def info(context: typer.Context, image: ImageArgument, partition: PartitionOption = None) -> Result:
    """Show the partitions of an image, their file systems and use, its OS version, and what is configured."""
    from commands._image_info import describe
    from image_tools.media import opened_for_reading

    report = report_of(context)
    with opened_for_reading(image, report.progress()) as file:
        found, notices = describe(str(image), file, partition)
    report.warn(*notices)
    return found


def ls(
    context: typer.Context,
    image: ImageArgument,
    path: Annotated[
        str, typer.Argument(metavar="[PATH]", help="A directory or file in it.", show_default=False)
    ] = "/",
    recursive: RecursiveOption = False,
    partition: PartitionOption = None,
) -> Listing:
    """List the files of the boot partition."""
    with _reading(context, image, partition) as files:
        entry = files.find(path)
        path = path if entry is None else entry.path
        if entry is not None and not entry.is_directory:
            return Listing(path, (entry,))
        return Listing(path, tuple(files.walk(path) if recursive else files.list(path)))


def cat(
    context: typer.Context,
    image: ImageArgument,
    path: Annotated[str, typer.Argument(metavar="PATH", help="A file in it.", show_default=False)],
    partition: PartitionOption = None,
) -> Result:
    """Print a file of the boot partition."""
    report = report_of(context)
    with _reading(context, image, partition) as files:
        if report.settings.json:
            return Content(path, files.read(path))
        for chunk in files.chunks(path):
            report.raw(chunk)
    return Content(path, b"")


def put(
    context: typer.Context,
    image: ImageArgument,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE... [DESTINATION]", help="Files here, then where they go in the boot partition."
        ),
    ],
    recursive: RecursiveOption = False,
    partition: PartitionOption = None,
) -> Transferred:
    """Copy files into the boot partition, as `cp` does.

    After FILE stands its new name or the directory that it goes into; alone, it goes into the root directory.
    All or nothing is written.
    """
    from image_tools.boot import open_boot
    from image_tools.clock import write_time
    from image_tools.media import opened_for_writing

    report = report_of(context)
    sources, destination = _sources_and_destination(paths)
    local = [_local(Path(source), recursive=recursive) for source in sources]
    with opened_for_writing(image) as file:
        boot = open_boot(file, partition)
        report.if_interrupted = Interrupted(
            f"Interrupted while writing; each file in {image} is either old or new.",
            hint="Run the same command again to complete it.",
        )
        changes = list(_puts(boot.filesystem, local, destination))
        boot.filesystem.apply(changes, now=write_time())
        report.warn(*boot.notices)
    return Transferred("put", tuple(change.path for change in changes))


def get(
    context: typer.Context,
    image: ImageArgument,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH... [DESTINATION]", help="Files in the boot partition, then where they go here."
        ),
    ],
    recursive: RecursiveOption = False,
    partition: PartitionOption = None,
) -> Transferred:
    """Copy files out of the boot partition, as `cp` does.

    After PATH stands its new name or the directory here that it goes into; alone, it goes into this one.
    """
    report = report_of(context)
    sources, destination = (paths[:-1], Path(paths[-1])) if len(paths) > 1 else (paths, Path())
    if len(sources) > 1 and not destination.is_dir():
        raise Usage(
            f"{destination} is no directory here.",
            hint="Several files need a directory to go to, named last.",
        )
    written: list[str] = []
    with _reading(context, image, partition) as files:
        for source in sources:
            for entry, place in _gets(files, source, destination, recursive=recursive):
                _write_here(files, entry, place, report)
                written.append(str(place))
    return Transferred("got", tuple(written))


def rm(
    context: typer.Context,
    image: ImageArgument,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="What to remove.")],
    recursive: RecursiveOption = False,
    partition: PartitionOption = None,
) -> Transferred:
    """Remove files from the boot partition. All or nothing is removed."""
    from image_tools.boot import open_boot
    from image_tools.clock import write_time
    from image_tools.fat import Remove
    from image_tools.media import opened_for_writing

    report = report_of(context)
    with opened_for_writing(image) as file:
        boot = open_boot(file, partition)
        report.if_interrupted = Interrupted(
            f"Interrupted while writing; each file in {image} is either old or new.",
            hint="Run the same command again to complete it.",
        )
        boot.filesystem.apply([Remove(path, recursive=recursive) for path in paths], now=write_time())
        report.warn(*boot.notices)
    return Transferred("removed", tuple(paths))


EXAMPLES = {
    "info": "resin image info image.img",
    "ls": """
        resin image ls image.img
        resin image ls --recursive image.img /system-connections
    """,
    "cat": "resin image cat image.img /config.json",
    "put": """
        resin image put image.img config.txt
        resin image put image.img logo.png /splash/resin-logo.png
        resin image put --recursive image.img dispatcher.d /
    """,
    "get": """
        resin image get image.img /config.json
        resin image get --recursive image.img /system-connections backup
    """,
    "rm": """
        resin image rm image.img /splash/resin-logo.png
        resin image rm --recursive image.img /system-proxy
    """,
}

app = group(
    "Look into an image, and at the files of its boot partition, without mounting and without root.",
    EXAMPLES,
    info=info,
    ls=ls,
    cat=cat,
    put=put,
    get=get,
    rm=rm,
)


@contextmanager
def _reading(context: typer.Context, image: Path, partition: int | None) -> Iterator[FatFileSystem]:
    """The files of the boot partition of an image, to be read."""
    from image_tools.boot import open_boot
    from image_tools.media import opened_for_reading

    report = report_of(context)
    with opened_for_reading(image, report.progress()) as file:
        boot = open_boot(file, partition)
        report.warn(*boot.notices)
        yield boot.filesystem


def _entry_data(entry: Entry) -> Mapping[str, object]:
    return {
        "name": entry.name,
        "path": entry.path,
        "type": "directory" if entry.is_directory else "file",
        "size": entry.size,
        "modified": entry.modified.isoformat() if entry.modified else None,
    }


def _sources_and_destination(paths: list[str]) -> tuple[list[str], str]:
    """The files to put and where they go: the root directory, where only one file is named."""
    if len(paths) == 1:
        return paths, "/"
    *sources, destination = paths
    if Path(destination).exists() and not destination.startswith("/"):
        raise Usage(
            f"{destination} is a file here, and the last name says where the others go in the image.",
            hint="End with a place in the boot partition, for example / or /system-connections.",
        )
    return sources, destination


def _local(source: Path, *, recursive: bool) -> tuple[Path, list[Path]]:
    """A file or directory here, and what to put for it, each directory before what is in it."""
    if not source.is_dir():
        if not source.is_file():
            raise PathNotFound(f"{source} does not exist.", hint="Check the spelling and the folder.")
        return source, [source]
    if not recursive:
        raise BadValue(f"{source} is a directory.", hint="Say --recursive to put it with all that is in it.")
    members = sorted(source.rglob("*"))
    for member in members:
        if not member.is_file() and (member.is_symlink() or not member.is_dir()):
            raise BadValue(
                f"{member} is neither a file nor a directory, and FAT holds nothing else.",
                hint="Remove it, or name what should be put.",
            )
    return source, members


def _puts(files: FatFileSystem, local: list[tuple[Path, list[Path]]], destination: str) -> Iterator[Change]:
    from image_tools.fat import FileSource, MakeDirectory, Put

    entry = files.find(destination)
    is_directory = not PurePosixPath(destination).name or (entry is not None and entry.is_directory)
    if not is_directory and (len(local) > 1 or destination.endswith("/")):
        raise PathNotFound(
            f"{destination} is no directory in the boot partition.",
            hint="Name one that `resin image ls` shows.",
        )
    for source, members in local:
        top = f"{destination.rstrip('/')}/{source.resolve().name}" if is_directory else destination
        if source.is_dir():
            yield MakeDirectory(top, exist_ok=True)
        for member in members:
            path = f"{top}/{member.relative_to(source).as_posix()}" if source.is_dir() else top
            if member.is_dir():
                yield MakeDirectory(path, exist_ok=True)
                continue
            content = FileSource(member.stat().st_size, partial(_opened, member))
            yield Put(path, content)


def _gets(
    files: FatFileSystem, source: str, destination: Path, *, recursive: bool
) -> list[tuple[Entry, Path]]:
    """What to get for `source`, and where it goes, each directory before what is in it."""
    entry = files.stat(source) if source.strip("/") else None
    top = destination
    if entry is not None:
        name = _safe_name(entry)
        top = destination / name if destination.is_dir() else destination
        if not entry.is_directory:
            return [(entry, top)]
    if not recursive:
        raise BadValue(f"{source} is a directory.", hint="Say --recursive to get it with all that is in it.")
    found = [(entry, top)] if entry is not None else []
    above = entry.path if entry is not None else "/"
    for member in files.walk(above):
        _safe_name(member)
        found.append((member, top / member.path[len(above) :].lstrip("/")))
    return found


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _safe_name(entry: Entry) -> str:
    """The name of an entry, which an image can make up, where it is a plain name on this system."""
    if entry.name in ("", ".", "..") or "/" in entry.name or "\0" in entry.name or os.sep in entry.name:
        raise BadValue(
            f"{entry.path!r} has a name that cannot be used here.", hint="Give it another destination."
        )
    return entry.name


def _write_here(files: FatFileSystem, entry: Entry, place: Path, report: Report) -> None:
    if entry.is_directory:
        place.mkdir(parents=True, exist_ok=True)
        return
    if place.exists():
        report.confirm(f"{place} exists. Replace it?")
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as output:
        for chunk in files.chunks(entry.path):
            output.write(chunk)
