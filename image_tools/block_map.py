"""Block maps (.bmap) of versions 1.3 to 2.0: the used blocks of an image and their checksums.

Source: the description inside files written by bmaptool, and BmapCopy of bmap-tools. Version 1.3 uses SHA-1,
with attributes and an element named after it; 1.4 and 2.0, which are identical, name the algorithm in
`ChecksumType`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from resin_toolkit.errors import BadValue, ImageDamaged

MAX_SIZE = 16 * 1024 * 1024
_FEED_SIZE = 64 * 1024
_CHUNK = 4 * 1024 * 1024
_CHECKSUMS = frozenset({"sha1", "sha224", "sha256", "sha384", "sha512"})
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})")
_RANGES = ["bmap", "BlockMap", "Range"]
"""The path of the range elements."""
_RANGE_DEPTH = len(_RANGES)
_MAX_DEPTH = 100
_FIELDS = frozenset(
    {
        "ImageSize",
        "BlockSize",
        "BlocksCount",
        "MappedBlocksCount",
        "ChecksumType",
        "BmapFileChecksum",
        "BmapFileSHA1",
    }
)
_RANGE = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?")


@dataclass(frozen=True, slots=True)
class MappedRange:
    """The used bytes from `start` up to `end`, and their checksum in hexadecimal, if given."""

    start: int
    end: int
    checksum: str | None


@dataclass(frozen=True)
class BlockMap:
    """A block map; sizes in bytes, the ranges ascend and do not overlap."""

    name: str
    version: str
    image_size: int
    block_size: int
    checksum_type: str
    ranges: tuple[MappedRange, ...]


@dataclass(frozen=True)
class _FieldNames:
    """The checksum algorithm of a version, and the names of the element and attribute with checksums."""

    checksum_type: str
    own: str
    attribute: str


def read_block_map(data: bytes, name: str) -> BlockMap:
    """Parse the block map in the file `name` and verify its own checksum.

    Raises BadValue for an unknown version or another kind of file, ImageDamaged for an inconsistent block map
    or a wrong checksum.
    """
    root = _parse(data, name)
    version = root.version.strip()
    names = _field_names(root, version, name)
    _verify_own_checksum(data, root, names, name)
    image_size, block_size = _number(root, "ImageSize", name), _number(root, "BlockSize", name)
    blocks, mapped = _number(root, "BlocksCount", name), _number(root, "MappedBlocksCount", name)
    if not block_size or blocks != -(-image_size // block_size):
        raise _damaged(
            name, f"{blocks} blocks of {block_size} bytes do not match the image size of {image_size} bytes"
        )
    ranges, count, reached = [], 0, 0
    for text, attributes in root.ranges:
        match = _RANGE.fullmatch(text.strip())
        if match is None:
            raise _damaged(name, f"{text[:40]!r} is not a range of blocks")
        first, last = int(match[1]), int(match[2] or match[1])
        if first < reached or last < first or last >= blocks:
            raise _damaged(name, f"its range {match[0]} is out of order or outside the image")
        reached, count = last + 1, count + last + 1 - first
        checksum = attributes.get(names.attribute)
        end = min(reached * block_size, image_size)
        ranges.append(MappedRange(first * block_size, end, checksum.strip().lower() if checksum else None))
    if count != mapped:
        raise _damaged(name, f"it maps {count} blocks instead of {mapped}")
    return BlockMap(name, version, image_size, block_size, names.checksum_type, tuple(ranges))


def load_block_map(path: Path) -> BlockMap:
    """The block map in a file. Raises OSError, and what `read_block_map` raises."""
    with path.open("rb") as file:
        return read_block_map(file.read(MAX_SIZE + 1), str(path))


def verify_ranges(
    block_map: BlockMap,
    size: int,
    read_at: Callable[[memoryview, int], int],
    on_verified: Callable[[int], None],
) -> None:
    """Read all mapped ranges of an image of `size` bytes and verify their checksums.

    `read_at(buffer, offset)` fills the buffer; `on_verified(offset)` gets the offset verified so far.
    Raises ImageDamaged with the first range that differs.
    """
    check = RangeVerifier(block_map)
    check.finish(size)
    following = [part.start for part in block_map.ranges[1:]]
    with closing(_read_ahead(read_at, _split_ranges(block_map))) as parts:
        for part, reached in zip(block_map.ranges, (*following, size), strict=True):
            for _ in range(part.start, part.end, _CHUNK):
                check.update(*next(parts))
            on_verified(reached)
    on_verified(size)


def _split_ranges(block_map: BlockMap) -> Iterator[tuple[int, int]]:
    """Split the mapped ranges into chunks, as (offset, length)."""
    for part in block_map.ranges:
        for offset in range(part.start, part.end, _CHUNK):
            yield offset, min(_CHUNK, part.end - offset)


def _read_ahead(
    read_at: Callable[[memoryview, int], int], parts: Iterator[tuple[int, int]]
) -> Generator[tuple[int, memoryview]]:
    """The bytes at each (offset, length), with the offset; reads the next while the last are processed."""
    buffer, other = (memoryview(bytearray(_CHUNK)) for _ in range(2))
    with ThreadPoolExecutor(1) as reader:
        reading = None
        for offset, length in parts:
            following = offset, buffer, reader.submit(read_at, buffer[:length], offset)
            if reading is not None:
                yield reading[0], reading[1][: reading[2].result()]
            reading, buffer, other = following, other, buffer
        if reading is not None:
            yield reading[0], reading[1][: reading[2].result()]


class RangeVerifier:
    """Verifies the checksums of an image that is passed to `update` in order.

    Unmapped parts may be skipped.
    """

    def __init__(self, block_map: BlockMap) -> None:
        self._map = block_map
        self._index = 0
        self._hash = hashlib.new(block_map.checksum_type)

    def update(self, offset: int, data: memoryview) -> None:
        """Process `data` at `offset`; raises ImageDamaged at the end of a range with a wrong checksum."""
        end = offset + len(data)
        while self._index < len(self._map.ranges):
            part = self._map.ranges[self._index]
            if part.start >= end:
                return
            self._hash.update(data[max(part.start, offset) - offset : min(part.end, end) - offset])
            if part.end > end:
                return
            self._end_range(part)

    def finish(self, size: int) -> None:
        """End the image at `size` bytes; raises ImageDamaged if the block map has another size."""
        if size != self._map.image_size:
            raise ImageDamaged(
                f"The image has {size} bytes, but the block map {self._map.name} is for an image of "
                f"{self._map.image_size} bytes.",
                hint="Check that the block map belongs to this image.",
            )

    def _end_range(self, part: MappedRange) -> None:
        if part.checksum is not None and self._hash.hexdigest() != part.checksum:
            raise ImageDamaged(
                f"The image does not match its block map {self._map.name}: the checksum of bytes "
                f"{part.start} to {part.end - 1} differs.",
                hint="Download both again, and check that they belong together.",
                start=part.start,
                end=part.end,
            )
        self._hash = hashlib.new(self._map.checksum_type)
        self._index += 1


@dataclass
class _BmapParser:
    """A target for the XML parser that keeps only the fields and ranges, to bound the memory."""

    root: str = ""
    version: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    """The texts of the elements directly below the root, the first of each name."""
    ranges: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    _path: list[str] = field(default_factory=list)
    _depth: int = 0
    _text: list[str] = field(default_factory=list)
    _attributes: dict[str, str] = field(default_factory=dict)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._depth == _MAX_DEPTH:
            raise ValueError("its elements are nested too deeply")
        if not self._depth:
            self.root, self.version = tag, attributes.get("version", "")
        if self._depth < _RANGE_DEPTH:
            self._path[self._depth :] = [tag]
            self._text, self._attributes = [], attributes
        self._depth += 1

    def data(self, text: str) -> None:
        if 1 < self._depth <= _RANGE_DEPTH:
            self._text.append(text)

    def end(self, tag: str) -> None:
        if self._depth == len(_RANGES) and self._path == _RANGES:
            self.ranges.append(("".join(self._text), self._attributes))
        elif self._depth == len(_RANGES) - 1 and tag in _FIELDS:
            self.fields.setdefault(tag, "".join(self._text))
        self._text = []
        self._depth -= 1
        if self._depth < _RANGE_DEPTH:
            del self._path[self._depth :]

    def close(self) -> _BmapParser:
        return self

    def field_text(self, tag: str) -> str:
        return self.fields.get(tag, "").strip()


def _parse(data: bytes, name: str) -> _BmapParser:
    # Block maps have no declarations; reject them, because entities can expand without bound.
    if len(data) > MAX_SIZE or b"\0" in data or b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise _not_a_block_map(name)
    try:
        root = _BmapParser()
        parser = ElementTree.XMLParser(target=root)
        for place in range(0, len(data), _FEED_SIZE):
            parser.feed(data[place : place + _FEED_SIZE])
        parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        if b"<bmap" in data:
            raise _damaged(name, f"it is not well-formed XML ({error})") from error
        raise _not_a_block_map(name) from error
    if root.root != "bmap":
        raise _not_a_block_map(name)
    return root


def _field_names(root: _BmapParser, version: str, name: str) -> _FieldNames:
    match = _VERSION.fullmatch(version)
    numbers = (int(match[1]), int(match[2])) if match else (0, 0)
    if numbers == (1, 3):
        return _FieldNames("sha1", "BmapFileSHA1", "sha1")
    if not ((1, 4) <= numbers < (3, 0)):
        raise BadValue(
            f"{name} is a block map of version {version or 'none'}, which resin does not support.",
            hint="Use version 1.3 to 2.0, or omit --bmap to let resin detect the used blocks.",
        )
    kind = root.field_text("ChecksumType").lower()
    if kind not in _CHECKSUMS:
        raise BadValue(f"{name} has an unsupported checksum type: {kind or 'none'}.")
    return _FieldNames(kind, "BmapFileChecksum", "chksum")


def _verify_own_checksum(data: bytes, root: _BmapParser, names: _FieldNames, name: str) -> None:
    """Verify the checksum of the file, which is computed with zeros in its place."""
    own = root.field_text(names.own)
    digits = hashlib.new(names.checksum_type).digest_size * 2
    if len(own) != digits or data.count(own.encode()) == 0:
        raise _damaged(name, "its own checksum is missing")
    blanked = data.replace(own.encode(), b"0" * digits, 1)
    if hashlib.new(names.checksum_type, blanked).hexdigest() != own.lower():
        raise _damaged(name, "its own checksum is wrong")


def _number(root: _BmapParser, tag: str, name: str) -> int:
    text = root.field_text(tag)
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise _damaged(name, f"its {tag} is not a number")
    return int(text)


def _not_a_block_map(name: str) -> BadValue:
    return BadValue(
        f"{name} is not a block map.", hint="A block map is an XML file (.bmap), as written by bmaptool."
    )


def _damaged(name: str, reason: str) -> ImageDamaged:
    return ImageDamaged(f"The block map {name} is damaged: {reason}.", hint="Download it again.")
