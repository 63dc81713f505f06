"""The images of the comparison in every form, kept in a folder so that the next run finds them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

import mapped
import os_image
from mapped import Extent

PACKERS: dict[str, tuple[str, ...]] = {
    ".gz": ("gzip", "-n", "-c"),
    ".zst": ("zstd", "-q", "-T0", "-c"),
    ".xz": ("xz", "-T0", "-6", "-c"),
    ".one.xz": ("xz", "-T1", "-6", "-c"),
}
"""As a distributor packs: xz with several threads, which makes several blocks; beside it all in one block."""


@dataclass(frozen=True)
class Image:
    folder: Path
    full: bool = False

    @property
    def name(self) -> str:
        return "full" if self.full else "os"

    @property
    def sparse(self) -> Path:
        """Where the image lies as its maker leaves it, with holes."""
        return self.folder / f"{self.name}.sparse"

    @cached_property
    def raw(self) -> Path:
        return self._kept(".img", lambda path: os_image.make(path, self.sparse, full=self.full))

    @cached_property
    def extents(self) -> list[Extent]:
        """What is mapped at the grain of 64 KiB. Ends the benchmark where it is not what the bars are for."""
        found = mapped.mapped_extents(self.raw)
        if not self.full:
            mapped.check_size(found)
        return found

    @cached_property
    def used_in_block_map(self) -> list[Extent]:
        """What the block map calls mapped and the file systems do not call free."""
        assert self.block_map is not None
        tree = ElementTree.parse(self.block_map)
        size = int(tree.findtext("BlockSize", "0"))
        ranges = [(text.text or "").split("-") for text in tree.iter("Range")]
        blocks = [(int(words[0]), int(words[-1])) for words in ranges]
        mapped_blocks = [Extent(first * size, (last - first + 1) * size) for first, last in blocks]
        return mapped.in_both(mapped_blocks, self.extents)

    @cached_property
    def dense(self) -> Path:
        """Nothing but the mapped bytes."""
        return self._kept(".dense", lambda path: mapped.write_dense(self.raw, self.extents, path))

    def form(self, end_of_image: str) -> Path:
        """The image packed as `ending` says; raw where it is empty."""
        if not end_of_image:
            return self.raw
        if end_of_image == ".zip":
            return self._kept(".zip", lambda path: self._zip(path))
        words = " ".join(PACKERS[end_of_image])
        return self._kept(
            f".img{end_of_image}",
            lambda path: os_image.run("sh", "-c", f'{words} "$0" >"$1"', self.raw, path),
        )

    def _zip(self, path: Path) -> None:
        os_image.run("zip", "-q", "-j", path.with_suffix(".zip"), self.raw)
        path.with_suffix(".zip").rename(path)

    @cached_property
    def block_map(self) -> Path | None:
        """As a builder's bmaptool makes it of the sparse image; None without bmaptool."""
        if shutil.which("bmaptool") is None:
            return None
        return self._kept(".blocks", lambda path: os_image.run("bmaptool", "create", "-o", path, self.sparse))

    def _kept(self, end_of_image: str, make: Callable[[Path], object]) -> Path:
        path = self.folder / f"{self.name}{end_of_image}"
        if not path.exists():
            print(f"making {path.name}", flush=True)
            unfinished = path.with_suffix(".part")
            unfinished.unlink(missing_ok=True)
            make(unfinished)
            unfinished.rename(path)
        return path
