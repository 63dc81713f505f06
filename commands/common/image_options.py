"""The image argument, and the options to read and check an image, shared by commands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.completions import files

if TYPE_CHECKING:
    from image_tools.block_map import BlockMap

ImageArgument = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE",
        help="Image file, compressed or not; - reads stdin.",
        show_default=False,
        autocompletion=files,
    ),
]
BmapOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Read the blocks in use from this block map (.bmap) and verify its checksums.",
        readable=False,
        autocompletion=files,
    ),
]
Sha256Option = Annotated[
    str | None,
    typer.Option(metavar="HEX", help="Check the SHA-256 of the image or of its compressed file."),
]
EntryOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Select a file in a zip archive that contains several.")
]
MemoryLimitOption = Annotated[
    str | None,
    typer.Option(
        "--memory-limit",
        metavar="SIZE",
        help="Let decompression use this much memory, such as 2G. Default: 512M.",
        show_default=False,
    ),
]


def parse_memory_limit_option(text: str | None) -> int:
    """The bytes of `--memory-limit`. Raises BadValue."""
    from resin_toolkit.memory_limit import DEFAULT_MEMORY_LIMIT, parse_memory_limit

    return DEFAULT_MEMORY_LIMIT if text is None else parse_memory_limit(text)


@dataclass(frozen=True)
class ImageChecks:
    """What an image is checked against."""

    sha256: str | None
    block_map: BlockMap | None


def read_image_checks(sha256: str | None, bmap: Path | None) -> ImageChecks:
    """Parse `--sha256` and read the file of `--bmap`. Raises BadValue, ImageDamaged or OSError."""
    from image_tools.source import parse_sha256

    expected = None if sha256 is None else parse_sha256(sha256)
    if bmap is None:
        return ImageChecks(expected, None)
    from image_tools.block_map import load_block_map

    return ImageChecks(expected, load_block_map(bmap))
