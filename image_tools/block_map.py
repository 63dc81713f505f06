"""Block maps (.bmap): which blocks of an image are in use, and their checksums. Versions 1.3 to 2.0.

Source: the format's description inside the files that bmaptool writes, and bmap-tools' BmapCopy: version 1.3
has SHA-1 sums in attributes and an element named after it; 1.4 and 2.0, which are the same, name their
checksum in `ChecksumType`.
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

LARGEST = 16 * 1024 * 1024
_PIECE = 64 * 1024
_CHUNK = 4 * 1024 * 1024
_CHECKSUMS = frozenset({"sha1", "sha224", "sha256", "sha384", "sha512"})
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})")
_RANGES = ["bmap", "BlockMap", "Range"]
"""Where the ranges are."""
_DEEPEST = len(_RANGES)
_MOST_NESTED = 100
_TEXTS = frozenset(
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
    """Bytes from `start` up to `end` that are in use, and their checksum in hexadecimal, if given."""

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
class _Words:
    """What the parts that hold checksums are called in a version."""

    checksum_type: str
    own: str
    attribute: str


def read_block_map(data: bytes, name: str) -> BlockMap:
    """The block map in the file `name`, whose own checksum is checked.

    Raises BadValue for what is no block map or of a version that is not known, ImageDamaged for one that
    contradicts itself or its own checksum.
    """
    root = _parsed(data, name)
    version = root.version.strip()
    words = _words(root, version, name)
    _check_own(data, root, words, name)
    image_size, block_size = _number(root, "ImageSize", name), _number(root, "BlockSize", name)
    blocks, mapped = _number(root, "BlocksCount", name), _number(root, "MappedBlocksCount", name)
    if not block_size or blocks != -(-image_size // block_size):
        raise _damaged(name, f"{blocks} blocks of {block_size} bytes are not an image of {image_size}")
    ranges, count, reached = [], 0, 0
    for text, attributes in root.ranges:
        match = _RANGE.fullmatch(text.strip())
        if match is None:
            raise _damaged(name, f"{text[:40]!r} is no range of blocks")
        first, last = int(match[1]), int(match[2] or match[1])
        if first < reached or last < first or last >= blocks:
            raise _damaged(name, f"its range {match[0]} is out of order or outside of the image")
        reached, count = last + 1, count + last + 1 - first
        checksum = attributes.get(words.attribute)
        end = min(reached * block_size, image_size)
        ranges.append(MappedRange(first * block_size, end, checksum.strip().lower() if checksum else None))
    if count != mapped:
        raise _damaged(name, f"it says that {mapped} blocks are mapped, and maps {count}")
    return BlockMap(name, version, image_size, block_size, words.checksum_type, tuple(ranges))


def load_block_map(path: Path) -> BlockMap:
    """The block map in a file. Raises OSError, and what `read_block_map` raises."""
    with path.open("rb") as file:
        return read_block_map(file.read(LARGEST + 1), str(path))


def check_ranges(
    block_map: BlockMap, size: int, read_at: Callable[[memoryview, int], int], passed: Callable[[int], None]
) -> None:
    """Read all mapped ranges of an image of `size` bytes and compare their checksums.

    `read_at(buffer, offset)` fills the buffer; `passed(offset)` is told how far the image was found right.
    Raises ImageDamaged with the first range that differs.
    """
    check = RangeCheck(block_map)
    check.finish(size)
    following = [part.start for part in block_map.ranges[1:]]
    with closing(_read_ahead(read_at, _parts(block_map))) as parts:
        for part, reached in zip(block_map.ranges, (*following, size), strict=True):
            for _ in range(part.start, part.end, _CHUNK):
                check.update(*next(parts))
            passed(reached)
    passed(size)


def _parts(block_map: BlockMap) -> Iterator[tuple[int, int]]:
    """The mapped ranges cut into pieces, as (offset, length)."""
    for part in block_map.ranges:
        for offset in range(part.start, part.end, _CHUNK):
            yield offset, min(_CHUNK, part.end - offset)


def _read_ahead(
    read_at: Callable[[memoryview, int], int], parts: Iterator[tuple[int, int]]
) -> Generator[tuple[int, memoryview]]:
    """The bytes at each (offset, length) with their offset; the next are read while the last are used."""
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


class RangeCheck:
    """Compares the checksums of the ranges while the image streams by, in order.

    Unmapped parts may be left out.
    """

    def __init__(self, block_map: BlockMap) -> None:
        self._map = block_map
        self._index = 0
        self._hash = hashlib.new(block_map.checksum_type)

    def update(self, offset: int, data: memoryview) -> None:
        """`data` lies at `offset`; raises ImageDamaged as soon as a range has ended with another checksum."""
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
        """The image ended, with `size` bytes; raises ImageDamaged where that is not the map's."""
        if size != self._map.image_size:
            raise ImageDamaged(
                f"The image has {size} bytes, and the block map {self._map.name} is of one with "
                f"{self._map.image_size}.",
                hint="Check that the block map belongs to this image.",
            )

    def _end_range(self, part: MappedRange) -> None:
        if part.checksum is not None and self._hash.hexdigest() != part.checksum:
            raise ImageDamaged(
                f"The image differs from its block map {self._map.name}: the checksum of bytes {part.start} "
                f"to {part.end - 1} is another one.",
                hint="Download both again, and check that they belong together.",
                start=part.start,
                end=part.end,
            )
        self._hash = hashlib.new(self._map.checksum_type)
        self._index += 1


@dataclass
class _Parts:
    """What the XML tells, as a target of its parser; of all else, however much it is, nothing is kept."""

    root: str = ""
    version: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    """Those of the elements directly below the root, the first of each name."""
    ranges: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    _path: list[str] = field(default_factory=list)
    _depth: int = 0
    _text: list[str] = field(default_factory=list)
    _attributes: dict[str, str] = field(default_factory=dict)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._depth == _MOST_NESTED:
            raise ValueError("its elements are nested too deeply")
        if not self._depth:
            self.root, self.version = tag, attributes.get("version", "")
        if self._depth < _DEEPEST:
            self._path[self._depth :] = [tag]
            self._text, self._attributes = [], attributes
        self._depth += 1

    def data(self, text: str) -> None:
        if 1 < self._depth <= _DEEPEST:
            self._text.append(text)

    def end(self, tag: str) -> None:
        if self._depth == len(_RANGES) and self._path == _RANGES:
            self.ranges.append(("".join(self._text), self._attributes))
        elif self._depth == len(_RANGES) - 1 and tag in _TEXTS:
            self.texts.setdefault(tag, "".join(self._text))
        self._text = []
        self._depth -= 1
        if self._depth < _DEEPEST:
            del self._path[self._depth :]

    def close(self) -> _Parts:
        return self

    def text_of(self, tag: str) -> str:
        return self.texts.get(tag, "").strip()


def _parsed(data: bytes, name: str) -> _Parts:
    # A block map declares nothing; what a declaration could do (entities that grow) is not wanted.
    if len(data) > LARGEST or b"\0" in data or b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise _no_map(name)
    try:
        root = _Parts()
        parser = ElementTree.XMLParser(target=root)
        for place in range(0, len(data), _PIECE):
            parser.feed(data[place : place + _PIECE])
        parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        if b"<bmap" in data:
            raise _damaged(name, f"it is no well-formed XML ({error})") from error
        raise _no_map(name) from error
    if root.root != "bmap":
        raise _no_map(name)
    return root


def _words(root: _Parts, version: str, name: str) -> _Words:
    match = _VERSION.fullmatch(version)
    numbers = (int(match[1]), int(match[2])) if match else (0, 0)
    if numbers == (1, 3):
        return _Words("sha1", "BmapFileSHA1", "sha1")
    if not ((1, 4) <= numbers < (3, 0)):
        raise BadValue(
            f"{name} is a block map of version {version or 'none'}, which resin does not know.",
            hint="Versions 1.3 to 2.0 are known; leave out --bmap to let resin find out what is in use.",
        )
    kind = root.text_of("ChecksumType").lower()
    if kind not in _CHECKSUMS:
        raise BadValue(f"{name} has checksums of a kind that resin does not know: {kind or 'none'}.")
    return _Words(kind, "BmapFileChecksum", "chksum")


def _check_own(data: bytes, root: _Parts, words: _Words, name: str) -> None:
    """The file's checksum is that of the file with zeros in its place."""
    own = root.text_of(words.own)
    digits = hashlib.new(words.checksum_type).digest_size * 2
    if len(own) != digits or data.count(own.encode()) == 0:
        raise _damaged(name, "its own checksum is missing")
    blanked = data.replace(own.encode(), b"0" * digits, 1)
    if hashlib.new(words.checksum_type, blanked).hexdigest() != own.lower():
        raise _damaged(name, "its own checksum is wrong")


def _number(root: _Parts, tag: str, name: str) -> int:
    text = root.text_of(tag)
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise _damaged(name, f"its {tag} is no number")
    return int(text)


def _no_map(name: str) -> BadValue:
    return BadValue(f"{name} is no block map.", hint="A block map is XML, as bmaptool writes it (.bmap).")


def _damaged(name: str, reason: str) -> ImageDamaged:
    return ImageDamaged(f"The block map {name} is damaged: {reason}.", hint="Download it again.")
