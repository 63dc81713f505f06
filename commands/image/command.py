"""`resin image`: inspect an image and access its boot partition, without mounting and without root."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.completions import files, images
from commands.common.image_options import MemoryLimitOption, parse_memory_limit_option
from resin_toolkit.cli.command import command_group, report_of
from resin_toolkit.errors import Interrupted, PathNotFound, Usage
from resin_toolkit.terminal.report import Result
from resin_toolkit.terminal.screen import Screen, clean, table

if TYPE_CHECKING:
    from image_tools.fat import DirectoryEntry, FatFileSystem

ImageArgument = Annotated[
    Path,
    typer.Argument(
        metavar="IMAGE",
        help="Image file, or a flashed drive.",
        show_default=False,
        readable=False,
        autocompletion=images,
    ),
]
PartitionOption = Annotated[
    int | None,
    typer.Option("--partition", metavar="N", help="Number of the boot partition (default: detected)."),
]
RecursiveOption = Annotated[
    bool, typer.Option("--recursive", "-r", help="Include directories and their contents.")
]


@dataclass(frozen=True)
class Listing:
    """The entries of a directory of the boot partition."""

    path: str
    entries: tuple[DirectoryEntry, ...]

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

    def _shown(self, entry: DirectoryEntry) -> str:
        inside = entry.path.removeprefix(self.path.rstrip("/")).lstrip("/") or entry.name
        return f"{inside}/" if entry.is_directory else inside


@dataclass(frozen=True)
class Transferred:
    """The paths that were copied or removed; `verb` in the past tense."""

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


def info(
    context: typer.Context,
    image: ImageArgument,
    partition: PartitionOption = None,
    memory_limit: MemoryLimitOption = None,
) -> Result:
    """Show an image's partitions, file systems, used space, OS version and configuration."""
    from commands.image.summary import ImageSummary
    from image_tools.image_file import open_for_reading
    from image_tools.image_info import read_image_info

    report = report_of(context)
    limit = parse_memory_limit_option(memory_limit)
    with open_for_reading(image, report.progress(), limit) as file:
        info, notices = read_image_info(str(image), file, partition)
    report.warn(*notices)
    return ImageSummary(info)


def ls(
    context: typer.Context,
    image: ImageArgument,
    path: Annotated[
        str,
        typer.Argument(
            metavar="[PATH]", help="A directory or file in the boot partition.", show_default=False
        ),
    ] = "/",
    recursive: RecursiveOption = False,
    partition: PartitionOption = None,
    memory_limit: MemoryLimitOption = None,
) -> Listing:
    """List the files of the boot partition."""
    with _reading(context, image, partition, memory_limit) as files:
        entry = files.find(path)
        path = path if entry is None else entry.path
        if entry is not None and not entry.is_directory:
            return Listing(path, (entry,))
        return Listing(path, tuple(files.walk(path) if recursive else files.list(path)))


def cat(
    context: typer.Context,
    image: ImageArgument,
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A file in the boot partition.", show_default=False)
    ],
    partition: PartitionOption = None,
    memory_limit: MemoryLimitOption = None,
) -> Result:
    """Print a file of the boot partition."""
    report = report_of(context)
    with _reading(context, image, partition, memory_limit) as files:
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
            metavar="FILE... [DESTINATION]",
            help="Local files, then their destination in the boot partition.",
            autocompletion=files,
        ),
    ],
    recursive: RecursiveOption = False,
    partition: PartitionOption = None,
) -> Transferred:
    """Copy files into the boot partition, as `cp` does.

    The last argument is the new name or the directory to copy into; by default the root directory. Either all
    files are written or none.
    """
    from image_tools.boot_files import changes_to_put, find_local_files, split_destination

    sources, destination = split_destination(paths)
    local = [find_local_files(Path(source), recursive=recursive) for source in sources]
    with _writing(context, image, partition) as files:
        changes = list(changes_to_put(files, local, destination))
        files.apply(changes)
    return Transferred("put", tuple(change.path for change in changes))


def get(
    context: typer.Context,
    image: ImageArgument,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH... [DESTINATION]",
            help="Files in the boot partition, then their local destination.",
            autocompletion=files,
        ),
    ],
    recursive: RecursiveOption = False,
    partition: PartitionOption = None,
    memory_limit: MemoryLimitOption = None,
) -> Transferred:
    """Copy files out of the boot partition, as `cp` does.

    The last argument is the new name or the local directory to copy into; by default the current directory.
    """
    from image_tools.boot_files import find_image_files, require_names, write_locally

    report = report_of(context)
    require_names(paths)
    sources, destination = (paths[:-1], Path(paths[-1])) if len(paths) > 1 else (paths, Path())
    if paths[-1].endswith("/") and len(paths) > 1 and not destination.is_dir():
        raise PathNotFound(
            f"The folder {paths[-1]} does not exist here.", hint="Create it first, with mkdir."
        )
    if len(sources) > 1 and not destination.is_dir():
        raise Usage(
            f"{destination} is not a local directory.",
            hint="To copy several files, name an existing directory last.",
        )
    written: list[str] = []
    with _reading(context, image, partition, memory_limit) as files:
        if len(paths) > 1 and not destination.exists() and files.find(paths[-1]) is not None:
            raise Usage(
                f"The last argument is the local destination, but {paths[-1]} is in the image.",
                hint="End with a local path, for example . for this folder.",
            )
        for source in sources:
            for entry, place in find_image_files(files, source, destination, recursive=recursive):
                write_locally(files, entry, place, report.confirm)
                written.append(str(place))
    return Transferred("got", tuple(written))


def rm(
    context: typer.Context,
    image: ImageArgument,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files or directories to remove.")],
    recursive: RecursiveOption = False,
    partition: PartitionOption = None,
) -> Transferred:
    """Remove files from the boot partition, either all or none."""
    from image_tools.fat import Remove

    with _writing(context, image, partition) as files:
        files.apply([Remove(path, recursive=recursive) for path in paths])
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

app = command_group(
    "Inspect an image, and access the files of its boot partition, without mounting and without root.",
    EXAMPLES,
    info=info,
    ls=ls,
    cat=cat,
    put=put,
    get=get,
    rm=rm,
)


@contextmanager
def _reading(
    context: typer.Context, image: Path, partition: int | None, memory_limit: str | None
) -> Iterator[FatFileSystem]:
    """Open the boot partition of an image for reading."""
    from image_tools.boot_partition import open_boot
    from image_tools.image_file import open_for_reading

    report = report_of(context)
    limit = parse_memory_limit_option(memory_limit)
    with open_for_reading(image, report.progress(), limit) as file:
        boot = open_boot(file, partition)
        report.warn(*boot.notices)
        yield boot.filesystem


@contextmanager
def _writing(context: typer.Context, image: Path, partition: int | None) -> Iterator[FatFileSystem]:
    """Open the boot partition of an image for writing."""
    from image_tools.boot_partition import open_boot
    from image_tools.image_file import open_for_writing
    from image_tools.private_files import keep_private

    report = report_of(context)
    with open_for_writing(image) as file:
        boot = open_boot(file, partition)
        report.if_interrupted = Interrupted(
            f"Interrupted while writing; each file in {image} is either old or new.",
            hint="Run the same command again to complete it.",
        )
        yield boot.filesystem
        report.warn(*boot.notices)
        if notice := keep_private(file, str(image)):
            report.warn(notice)


def _entry_data(entry: DirectoryEntry) -> Mapping[str, object]:
    return {
        "name": entry.name,
        "path": entry.path,
        "type": "directory" if entry.is_directory else "file",
        "size": entry.size,
        "modified": entry.modified.isoformat() if entry.modified else None,
    }
