"""`resin verify`: compare an image with what a drive or file holds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from commands.common.block_map import block_map_of
from commands.common.completions import drives, files
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
    """An image that a drive holds; sizes in bytes."""

    image: str
    target: str
    size: int
    compared: int
    from_medium: bool
    """Whether it was read past the page cache."""
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
    image: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE",
            help="Image file, compressed or not; - reads stdin.",
            show_default=False,
            autocompletion=files,
        ),
    ],
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
    bmap: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Use and check this block map (.bmap) of the image.",
            readable=False,
            autocompletion=files,
        ),
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Check the SHA-256 of the image or of its compressed file."),
    ] = None,
    entry: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use this file of a zip archive that contains several.")
    ] = None,
) -> Verified:
    """Compare an image with what a drive holds; nothing is written.

    Ends with 5 where they differ, and tells where, in which partition, and what it looks like. A card that
    was configured, or that has run, differs from its image.
    """
    from image_tools.flash import FlashOptions, compare, is_drive
    from image_tools.source import open_source, parse_sha256

    report = report_of(context)
    expected = parse_sha256(sha256) if sha256 is not None else None
    options = FlashOptions(full=full, sha256=expected, block_map=block_map_of(bmap))
    with open_source(image, digest=expected is not None, entry=entry) as source:
        try:
            done = compare(source, target, report.progress(), options)
        except NotPermitted as error:
            if is_drive(target):
                error.hint = f"Run it as root: {sudo_line(sys.argv[1:])}"
            raise
        finally:
            report.warn(*source.notices)
        return Verified(
            image=source.name,
            target=target,
            size=done.size,
            compared=done.written,
            from_medium=done.reading is not None and done.reading.past_cache,
            sha256=done.sha256,
        )


app = single_command(verify, epilog=as_examples(EXAMPLES))
