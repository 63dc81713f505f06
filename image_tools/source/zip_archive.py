"""A .zip with one image inside (PKWARE's APPNOTE)."""

from __future__ import annotations

import errno
import lzma
import shlex
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from image_tools.source.decoders import inflater
from resin_toolkit.errors import ImageDamaged, NotAnImage, PathNotFound, Usage, from_os_error

PIECE = 1024 * 1024
_READ = 256 * 1024
_LOCAL_HEADER = 30
_ENCRYPTED = 1
# zipfile has no one class for damage. ValueError: names that are not of their charset.
_DAMAGE = (zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, struct.error, ValueError)
_UNPACK = "Unpack it and name the image itself."


@dataclass(frozen=True)
class ArchiveEntry:
    """The image in the archive: its name there, and its size in bytes."""

    name: str
    size: int


class ZipArchive:
    """An open archive; `chosen` is its one image, or the one that `entry` names, by its path or last part.

    `looks_right` tells whether bytes begin an image.
    """

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        looks_right: Callable[[bytes], bool],
        peek: int,
        entry: str | None = None,
    ) -> None:
        self._name = name
        with self._as_errors():
            self._archive = zipfile.ZipFile(file)
        self._file = file
        self._peek = peek
        self._entry = entry
        self.chosen = self._choose(looks_right)

    def pieces(self) -> Iterator[bytes]:
        """The image in pieces; its CRC and length are checked at its end."""
        yield from self._read(self.chosen.name)

    def close(self) -> None:
        self._archive.close()

    def _choose(self, looks_right: Callable[[bytes], bool]) -> ArchiveEntry:
        files = [info for info in self._archive.infolist() if _may_be_image(info)]
        if not files:
            raise NotAnImage(f"{self._name} holds no file.", hint="Check that it is the right archive.")
        if self._entry is not None:
            files = self._named(files, self._entry)
        encrypted = [info.filename for info in files if info.flag_bits & _ENCRYPTED]
        if encrypted:
            raise NotAnImage(
                f"{self._name} is encrypted ({encrypted[0]}), and resin does not decrypt archives.",
                hint=_UNPACK,
            )
        if len(files) > 1:
            files = [info for info in files if looks_right(self._start(info.filename))] or files
        if len(files) > 1:
            names = ", ".join(info.filename for info in files)
            raise Usage(
                f"{self._name} holds several files: {names}.",
                hint=f"Say which with --entry, such as --entry {shlex.quote(files[0].filename)}.",
                entries=names,
            )
        return ArchiveEntry(files[0].filename, files[0].file_size)

    def _named(self, files: list[zipfile.ZipInfo], entry: str) -> list[zipfile.ZipInfo]:
        found = [info for info in files if info.filename == entry]
        found = found or [info for info in files if info.filename.rpartition("/")[2] == entry]
        if not found:
            names = ", ".join(info.filename for info in files)
            raise PathNotFound(f"{self._name} holds no {entry}.", hint=f"It holds: {names}.")
        return found

    def _start(self, entry: str) -> bytes:
        start = b""
        for piece in self._read(entry):
            start += piece
            if len(start) >= self._peek:
                break
        return start[: self._peek]

    def _read(self, entry: str) -> Iterator[bytes]:
        with self._as_errors(), self._archive.open(entry) as file:
            info = self._archive.getinfo(entry)
            if info.compress_type == zipfile.ZIP_DEFLATED:
                yield from self._inflated(info)
                return
            while piece := file.read(PIECE):
                yield piece

    def _inflated(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """A deflated entry, whose local header (APPNOTE 4.3.7) zipfile has found right, decoded faster."""
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL_HEADER)
        names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        left, position = info.compress_size, info.header_offset + _LOCAL_HEADER + names
        member, failure = inflater(-15)
        data, crc, size = b"", 0, 0
        while not member.eof:
            if not data:
                self._file.seek(position)
                data = self._file.read(min(_READ, left))
                left, position = left - len(data), position + len(data)
            if not data:
                raise EOFError
            try:
                piece = member.decompress(data, PIECE)
            except failure as error:
                raise zipfile.BadZipFile(f"{info.filename} cannot be unpacked") from error
            data = member.unconsumed_tail
            crc, size = zlib.crc32(piece, crc), size + len(piece)
            if piece:
                yield piece
        if crc != info.CRC or size != info.file_size:
            raise zipfile.BadZipFile(f"the checksum of {info.filename} is wrong")

    @contextmanager
    def _as_errors(self) -> Iterator[None]:
        """What zipfile and the decoders raise, as errors that say what is the matter."""
        try:
            yield
        except NotImplementedError as error:
            raise NotAnImage(
                f"{self._name} is packed by a method that resin cannot unpack.", hint=_UNPACK
            ) from error
        except _DAMAGE as error:
            raise self._damaged(error) from error
        except OSError as error:
            # The bz2 module's have no number; a place before the file's start is an invalid argument.
            if error.errno in (None, errno.EINVAL):
                raise self._damaged(error) from error
            raise from_os_error(error, self._name) from error

    def _damaged(self, error: Exception) -> ImageDamaged:
        reason = str(error).lower().rstrip(".") or "it ends before its own data does"
        return ImageDamaged(f"{self._name} is damaged: {reason}.", hint="Download or copy it again.")


def _may_be_image(info: zipfile.ZipInfo) -> bool:
    """Not a folder, and not what macOS adds to each archive."""
    name = info.filename
    return not (name.endswith("/") or name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith("."))
