"""Reading an image from a .zip archive (PKWARE's APPNOTE)."""

from __future__ import annotations

import errno
import lzma
import shlex
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from image_tools.source.decoders import deflate_decompressor
from resin_toolkit.errors import ImageDamaged, NotAnImage, PathNotFound, Usage, from_os_error
from resin_toolkit.memory_limit import DEFAULT_MEMORY_LIMIT, check_memory
from resin_toolkit.untrusted_json import one_line

CHUNK = 1024 * 1024
_READ = 256 * 1024
_LOCAL_HEADER = 30
_ENCRYPTED = 1
# zipfile has no common class for damage. ValueError: file names in the wrong character set.
_DAMAGE = (zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, struct.error, ValueError)
_MAX_DIRECTORY = 8 * 1024 * 1024
"""Bytes of a central directory. Its entries take up to 20 times as much memory."""
_NAMES_SHOWN = 10
_MAX_EXAMINED = 100
"""Of more files, only the largest are examined: an image is larger than what comes with it."""
_LZMA_PROPERTIES = 9
"""The bytes before LZMA data (5.8.8): version, length, and properties that end with the dictionary size."""
_UNPACK = "Extract the archive and name the image file."


@dataclass(frozen=True)
class ArchiveEntry:
    """The image in the archive: its name and its size in bytes."""

    name: str
    size: int


class ZipArchive:
    """An open archive. `image_entry` is the only image, or the one named `entry` (its path or file name).

    `is_image(data)` says whether the bytes may be the start of an image. Raises MemoryLimitExceeded for an
    entry whose decompression needs more than `memory_limit` bytes.
    """

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        is_image: Callable[[bytes], bool],
        peek: int,
        entry: str | None = None,
        memory_limit: int = DEFAULT_MEMORY_LIMIT,
    ) -> None:
        self._name = name
        self._memory_limit = memory_limit
        with self._as_errors():
            self._archive = zipfile.ZipFile(cast(BinaryIO, _BoundedReads(file)))
        self._file = file
        self._peek = peek
        self._entry = entry
        self.image_entry = self._select_entry(is_image)

    def chunks(self) -> Iterator[bytes]:
        """The image in chunks; its CRC and length are verified at the end."""
        yield from self._read(self.image_entry.name)

    def close(self) -> None:
        self._archive.close()

    def _select_entry(self, is_image: Callable[[bytes], bool]) -> ArchiveEntry:
        files = [info for info in self._archive.infolist() if _may_be_image(info)]
        if not files:
            raise NotAnImage(f"{self._name} contains no file.", hint="Check that it is the right archive.")
        if self._entry is not None:
            files = self._entries_named(files, self._entry)
        encrypted = [info.filename for info in files if info.flag_bits & _ENCRYPTED]
        if encrypted:
            raise NotAnImage(
                f"{self._name} is encrypted ({_one_line(encrypted[0])}); resin cannot decrypt archives.",
                hint=_UNPACK,
            )
        if len(files) > 1:
            largest = sorted(files, key=lambda info: info.file_size, reverse=True)[:_MAX_EXAMINED]
            files = [info for info in largest if is_image(self._start(info.filename))] or files
        if len(files) > 1:
            names = _listed(files)
            raise Usage(
                f"{self._name} contains {'several' if len(files) <= _NAMES_SHOWN else len(files)} files: "
                f"{names}.",
                hint=f"Select one with --entry, such as --entry {shlex.quote(_one_line(files[0].filename))}.",
                entries=names,
            )
        return ArchiveEntry(files[0].filename, files[0].file_size)

    def _entries_named(self, files: list[zipfile.ZipInfo], entry: str) -> list[zipfile.ZipInfo]:
        found = [info for info in files if info.filename == entry]
        found = found or [info for info in files if info.filename.rpartition("/")[2] == entry]
        if not found:
            raise PathNotFound(
                f"{self._name} does not contain {entry}.", hint=f"It contains: {_listed(files)}."
            )
        return found

    def _start(self, entry: str) -> bytes:
        start = b""
        for chunk in self._read(entry):
            start += chunk
            if len(start) >= self._peek:
                break
        return start[: self._peek]

    def _read(self, entry: str) -> Iterator[bytes]:
        with self._as_errors(), self._archive.open(entry) as file:
            info = self._archive.getinfo(entry)
            if info.compress_type == zipfile.ZIP_DEFLATED:
                yield from self._inflate(info)
                return
            if info.compress_type == zipfile.ZIP_LZMA:
                check_memory(self._name, self._lzma_dictionary(info), self._memory_limit)
            while chunk := file.read(CHUNK):
                yield chunk

    def _inflate(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """Decompress an entry faster than zipfile, which has verified its local header (APPNOTE 4.3.7)."""
        left, position = info.compress_size, self._data_offset(info)
        member, failure = deflate_decompressor(-15)
        data, crc, size = b"", 0, 0
        while not member.eof:
            if not data:
                self._file.seek(position)
                data = self._file.read(min(_READ, left))
                left, position = left - len(data), position + len(data)
            if not data:
                raise EOFError
            try:
                chunk = member.decompress(data, CHUNK)
            except failure as error:
                raise zipfile.BadZipFile(f"{info.filename} cannot be decompressed") from error
            data = member.unconsumed_tail
            crc, size = zlib.crc32(chunk, crc), size + len(chunk)
            if chunk:
                yield chunk
        if crc != info.CRC or size != info.file_size:
            raise zipfile.BadZipFile(f"the checksum of {info.filename} is wrong")

    def _data_offset(self, info: zipfile.ZipInfo) -> int:
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL_HEADER)
        names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        return info.header_offset + _LOCAL_HEADER + names

    def _lzma_dictionary(self, info: zipfile.ZipInfo) -> int:
        self._file.seek(self._data_offset(info))
        return int.from_bytes(self._file.read(_LZMA_PROPERTIES)[-4:], "little")

    @contextmanager
    def _as_errors(self) -> Iterator[None]:
        """Translate the exceptions of zipfile and the decoders."""
        try:
            yield
        except _TooManyFiles as error:
            raise NotAnImage(
                f"{self._name} contains too many files to be the archive of an image.", hint=_UNPACK
            ) from error
        except NotImplementedError as error:
            raise NotAnImage(
                f"{self._name} uses a compression method that resin does not support.", hint=_UNPACK
            ) from error
        except _DAMAGE as error:
            raise self._damaged(error) from error
        except OSError as error:
            # bz2 raises OSError without a number; a seek before the start of the file is an invalid argument.
            if error.errno in (None, errno.EINVAL):
                raise self._damaged(error) from error
            raise from_os_error(error, self._name) from error

    def _damaged(self, error: Exception) -> ImageDamaged:
        reason = _one_line(str(error).lower().rstrip(".")) or "it is truncated"
        return ImageDamaged(f"{self._name} is damaged: {reason}.", hint="Download or copy it again.")


def _may_be_image(info: zipfile.ZipInfo) -> bool:
    """Whether it is a file, and not one that macOS adds to archives."""
    name = info.filename
    return not (name.endswith("/") or name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith("."))


class _TooManyFiles(Exception):
    """The central directory is longer than is read."""


class _BoundedReads:
    """The file of an archive for zipfile, which reads the whole central directory at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > _MAX_DIRECTORY:
            raise _TooManyFiles
        return self._file.read(size)


def _one_line(name: str) -> str:
    return one_line(name, len(name))


def _listed(files: Sequence[zipfile.ZipInfo]) -> str:
    """The names of the first files, and how many more there are."""
    names = ", ".join(_one_line(info.filename) for info in files[:_NAMES_SHOWN])
    return names if len(files) <= _NAMES_SHOWN else f"{names} and {len(files) - _NAMES_SHOWN} more"
