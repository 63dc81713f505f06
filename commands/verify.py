"""`resin verify`: compare an image with what a drive or file holds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from commands.common.completions import drives
from commands.common.image_options import (
    BmapOption,
    EntryOption,
    ImageArgument,
    MemoryLimitOption,
    Sha256Option,
    parse_memory_limit_option,
    read_image_checks,
)
from commands.common.secrets import check_stdin_readers
from commands.common.sudo import sudo_line
from resin_toolkit.cli.command import as_examples, report_of, single_command
from resin_toolkit.errors import NotPermitted
from resin_toolkit.terminal.screen import Screen, format_size

EXAMPLES = """
resin verify resin.img.xz /dev/sdb
resin verify resin.img.xz /dev/sdb --full
resin verify resin.img card.img --json
"""


@dataclass(frozen=True)
class Verified:
    """The result: the image, and the drive or file that holds it. Sizes in bytes."""

    image: str
    target: str
    size: int
    compared: int
    from_medium: bool
    """Whether the target was read past the page cache."""
    sha256: str | None

    def data(self) -> Mapping[str, object]:
        return {
            "image": self.image,
            "target": self.target,
            "bytes": self.size,
            "compared": self.compared,
            "from_medium": self.from_medium,
            "sha256": self.sha256,
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        share = format_size(self.size)
        if self.compared < self.size:
            share = f"{format_size(self.compared)} of {share}, all that the image uses"
        where = "read past the page cache" if self.from_medium else "maybe read from the page cache"
        return f"{self.target} holds {self.image}: {share}, {where}, every byte is the same."


def verify(
    context: typer.Context,
    image: ImageArgument,
    target: Annotated[
        str,
        typer.Argument(
            metavar="DRIVE",
            help="A drive such as /dev/sdb, or a file.",
            show_default=False,
            autocompletion=drives,
        ),
    ],
    full: Annotated[bool, typer.Option("--full", help="Compare every byte, including unused areas.")] = False,
    bmap: BmapOption = None,
    sha256: Sha256Option = None,
    entry: EntryOption = None,
    memory_limit: MemoryLimitOption = None,
) -> Verified:
    """Compare an image with the contents of a drive. Nothing is written.

    Exits with 5 if they differ, and reports the offset, the partition and the pattern of the difference.
    A card that was configured or booted differs from its image.
    """
    from image_tools.flash import FlashOptions, compare, is_drive
    from image_tools.source import open_source

    report = report_of(context)
    check_stdin_readers([("the image", image), ("--bmap", bmap)])
    checks = read_image_checks(sha256, bmap)
    most_memory = parse_memory_limit_option(memory_limit)
    options = FlashOptions(full=full, sha256=checks.sha256, block_map=checks.block_map)
    with open_source(
        image, digest=checks.sha256 is not None, entry=entry, memory_limit=most_memory
    ) as source:
        try:
            result = compare(source, target, report.progress(), options)
        except NotPermitted as error:
            if is_drive(target):
                error.hint = f"Run it as root: {sudo_line(sys.argv[1:])}"
            raise
        finally:
            report.warn(*source.notices)
        return Verified(
            image=source.name,
            target=target,
            size=result.size,
            compared=result.written,
            from_medium=result.reading is not None and result.reading.past_cache,
            sha256=result.sha256,
        )


app = single_command(verify, epilog=as_examples(EXAMPLES))
