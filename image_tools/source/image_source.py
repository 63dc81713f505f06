"""An image opened for streaming, decompressed if necessary."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import IO, TYPE_CHECKING, BinaryIO, Self, cast

from image_tools.partitions import notices_past_end, read_table
from image_tools.source import decoders, sparse, xz_index, zstandard_frames
from image_tools.source.formats import MAGIC_LENGTH, ImageFormat, image_format_of
from image_tools.source.input_file import InputFile
from image_tools.source.xz_parallel import BlockDamaged, ParallelXz, memory_needed
from image_tools.temporary_files import large_temporary_folder
from resin_toolkit.errors import BadValue, ImageDamaged, NotAnImage, Notice, Usage, from_os_error
from resin_toolkit.memory_limit import DEFAULT_MEMORY_LIMIT, check_memory

if TYPE_CHECKING:
    from image_tools.source.zip_archive import ZipArchive

START = 1024 * 1024
"""The bytes of an image that are checked before anything is written."""
SECTOR = 512


class Source:
    """An image that is read once, from start to end.

    `name` is used in messages. `size` is the size of the image in bytes, None if it is not known in advance:
    a gzip trailer counts modulo 4 GiB and ignores other members. `stored_size` is the size of the compressed
    file, None for a pipe. `notices` may grow while the image is read.
    """

    def __init__(
        self,
        file: io.FileIO,
        name: str,
        *,
        digest: bool = False,
        entry: str | None = None,
        memory_limit: int = DEFAULT_MEMORY_LIMIT,
    ) -> None:
        self.name = name
        self._memory_limit = memory_limit
        self._wanted_entry = entry
        self.notices: list[Notice] = []
        self._path_is_known = isinstance(file.name, (str, bytes))
        self._file = file
        self._identity = _identity(file)
        self._raw = InputFile(file, name)
        self._spool: IO[bytes] | None = None
        self._archive: ZipArchive | None = None
        self._parallel: ParallelXz | None = None
        self._seekable = _length(file)
        self.stored_size = self._seekable
        self.format = image_format_of(self._raw.peek(MAGIC_LENGTH))
        if entry is not None and self.format is not ImageFormat.ZIP:
            self.close()
            raise Usage(f"{name} is not a zip archive.", hint="Remove --entry.")
        if digest and self.format is not ImageFormat.RAW:
            self._raw.start_digest()
        self._rest = memoryview(b"")
        self._start = b""
        self._given = 0
        with ExitStack() as on_failure:
            on_failure.callback(self.close)
            self._chunks = self._open()
            self.size = self._known_size()
            self._check_start()
            on_failure.pop_all()

    @property
    def consumed(self) -> int:
        """The bytes of the (compressed) file that have been consumed."""
        return self._parallel.consumed if self._parallel is not None else self._raw.consumed

    @property
    def entry(self) -> str | None:
        """The name of the image inside an archive."""
        return self._archive.image_entry.name if self._archive else None

    def readinto(self, buffer: memoryview) -> int:
        """Fill `buffer`, and return the number of bytes; short only at the end of the image.

        At the end all checksums are verified. Raises ImageDamaged for a file that is truncated, fails a
        checksum or is followed by other data.
        """
        done = 0
        while done < len(buffer):
            if self._rest:
                count = min(len(self._rest), len(buffer) - done)
                buffer[done : done + count] = self._rest[:count]
                self._rest = self._rest[count:]
            elif self.format is ImageFormat.RAW:
                count = self._raw.take_into(buffer[done:])
                if not count:
                    self._check_end(self._given + done)
                    break
            else:
                chunk = next(self._chunks, None)
                if chunk is None:
                    self._check_end(self._given + done)
                    break
                self._rest = memoryview(chunk)
                count = 0
            done += count
        self._given += done
        return done

    @property
    def is_random_access(self) -> bool:
        """Whether `read_at` works: the image is an uncompressed file or drive."""
        return self.format is ImageFormat.RAW and self._seekable is not None

    def read_at(self, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` from an offset of a random-access image, and return the count; short only at its end.

        Does not move the stream; thread-safe. Raises the error of an OSError.
        """
        done = 0
        try:
            while done < len(buffer):
                count = os.preadv(self._raw.file.fileno(), [buffer[done:]], offset + done)
                if not count:
                    break
                done += count
        except OSError as error:
            raise from_os_error(error, self.name) from error
        return done

    def holes(self) -> list[tuple[int, int]]:
        """The holes of a sparse raw file, as (start, end); empty if the file system does not report them."""
        if not self.is_random_access or not self._is_file:
            return []
        return sparse.holes(self._raw.file.fileno(), self._seekable or 0)

    @property
    def can_reopen(self) -> bool:
        """Whether `reopen` works."""
        return self._is_file and self._seekable is not None

    def reopen(self) -> Source:
        """Open the same image again, without a digest; raises ImageDamaged if the file has changed."""
        again = open_source(self.name, entry=self._wanted_entry, memory_limit=self._memory_limit)
        if again._identity != self._identity:
            again.close()
            raise self._changed()
        return again

    def check_unchanged(self) -> None:
        """Raise ImageDamaged if the file was modified since it was opened. Ignores drives and pipes."""
        if self._is_file and _identity(self._file) != self._identity:
            raise self._changed()

    def _changed(self) -> ImageDamaged:
        return ImageDamaged(
            f"{self.name} changed while it was being read.",
            hint="Make sure that no other program writes to it, and start over.",
        )

    def stored_sha256(self) -> str | None:
        """The SHA-256 of the compressed file, once the image is read.

        None if it was not requested, or if the image is not compressed.
        """
        if self._raw.digest is None:
            return None
        if (self.format is ImageFormat.ZIP and self._spool is None) or self._parallel is not None:
            import hashlib

            self._raw.file.seek(0)
            return hashlib.file_digest(self._raw.file, "sha256").hexdigest()
        return str(self._raw.digest.hexdigest())

    def close(self) -> None:
        for held in (self._parallel, self._archive, self._spool, self._raw.file):
            if held is not None:
                held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _is_file(self) -> bool:
        return self._path_is_known and stat.S_ISREG(os.fstat(self._raw.file.fileno()).st_mode)

    def _notify(self, notice: Notice) -> None:
        if notice not in self.notices:
            self.notices.append(notice)

    def _open(self) -> Iterator[bytes]:
        if self.format is ImageFormat.ZIP:
            from image_tools.source.zip_archive import ZipArchive

            self._archive = ZipArchive(
                self._seekable_file(),
                self.name,
                looks_like_image,
                START,
                self._wanted_entry,
                self._memory_limit,
            )
            return self._archive.chunks()
        return iter(self._stream())

    def _stream(self) -> Iterable[bytes]:
        if self.format is ImageFormat.GZIP:
            return decoders.decode_gzip(self._raw)
        if self.format is ImageFormat.XZ:
            return self._decode_xz()
        if self.format is ImageFormat.BZIP2:
            return decoders.decode_bzip2(self._raw)
        if self.format is ImageFormat.ZSTD:
            return zstandard_frames.decode_zstandard(self._raw, self._notify, self._memory_limit)
        return ()

    def _decode_xz(self) -> Iterator[bytes]:
        """Decode several blocks in parallel if the file has them and a valid index; otherwise in order."""
        found = xz_index.blocks(self._read_at, self._seekable) if self._seekable is not None else None
        if found is None or len(found) < 2:
            yield from decoders.decode_xz(self._raw, self._notify, self._memory_limit)
            return
        dictionary = memory_needed(self._read_at, found)
        check_memory(self.name, dictionary, self._memory_limit)
        if any(block.flags == b"\0\0" for block in found):
            self._notify(decoders.no_checksum_notice(self._raw))
        self._parallel = ParallelXz(self._read_at, found, dictionary)
        try:
            yield from self._parallel.chunks()
        except BlockDamaged as damage:
            self._raw.consumed = damage.offset
            raise decoders.damaged_error(self._raw, damage) from damage

    def _seekable_file(self) -> BinaryIO:
        """The file itself, or a temporary copy of a pipe: the directory of an archive is at its end."""
        if self._seekable is not None:
            return cast(BinaryIO, self._raw.file)
        import tempfile

        folder = large_temporary_folder()
        spool = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed with the source
        self._spool = spool
        try:
            while data := self._raw.take():
                spool.write(data)
        except OSError as error:
            raise from_os_error(error, folder) from error
        return cast(BinaryIO, spool)

    def _known_size(self) -> int | None:
        if self._archive is not None:
            return self._archive.image_entry.size
        if self._seekable is None:
            return None
        if self.format is ImageFormat.RAW:
            return self._seekable
        if self.format is ImageFormat.XZ:
            return xz_index.content_size(self._read_at, self._seekable)
        if self.format is ImageFormat.ZSTD:
            return zstandard_frames.content_size(self._read_at, self._seekable)
        return None

    def _read_at(self, offset: int, count: int) -> bytes:
        try:
            return os.pread(self._raw.file.fileno(), count, offset)
        except OSError as error:
            raise from_os_error(error, self.name) from error

    def _check_start(self) -> None:
        start = self._peek_image()
        if not start:
            raise NotAnImage(f"{self.name} is empty.", hint="Check that it was downloaded completely.")
        if len(start) < SECTOR:
            raise NotAnImage(
                f"{self.name} is not an image: it holds only {len(start)} bytes.",
                hint="Check that it is the right file.",
            )
        self._start = start
        if not self._is_image(start):
            raise NotAnImage(
                f"{self.name} is not a disk image: it has neither a partition table nor a file system.",
                hint="Check the file: raw, or compressed as gz, xz, zst, bz2 or zip.",
            )

    def _is_image(self, start: bytes) -> bool:
        if self.format is not ImageFormat.RAW or self._seekable is None:
            return looks_like_image(start)
        try:
            table = read_table(cast(BinaryIO, _RandomAccessView(self)), self._seekable, tolerant=True)
        except NotAnImage:
            return False
        self.notices.extend(table.notices)
        return True

    def _peek_image(self) -> bytes:
        """The first `START` bytes of the image, without consuming them."""
        start = bytearray(START)
        view = memoryview(start)
        count = self.readinto(view)
        view.release()
        del start[count:]
        self._rest = memoryview(bytes(start) + bytes(self._rest))
        self._given = 0
        return bytes(start)

    def _check_end(self, size: int) -> None:
        """Note partitions past the end of a stream of `size` bytes: the download may be incomplete."""
        if not self._start or self.is_random_access:
            return
        with suppress(NotAnImage, ImageDamaged):
            for notice in notices_past_end(read_table(io.BytesIO(self._start), tolerant=True), size):
                self._notify(notice)


class _RandomAccessView:
    """A seekable view of a raw file that does not move its stream."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset if whence == io.SEEK_SET else (self._source.stored_size or 0) + offset
        return self._position

    def read(self, count: int) -> bytes:
        buffer = bytearray(count)
        got = self._source.read_at(memoryview(buffer), self._position)
        self._position += got
        return bytes(buffer[:got])


def open_source(
    path: str,
    *,
    digest: bool = False,
    entry: str | None = None,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
) -> Source:
    """Open the image at `path`, or stdin for `-`; raw, gz, xz, zst, bz2 or zip.

    The format is detected from the contents; `entry` names a file in a zip archive. With `digest`, the
    SHA-256 of the file is computed while it is read. Decompression takes at most `memory_limit` bytes for its
    window or dictionary.

    Raises PathNotFound, NotPermitted, BadValue (a folder), NotAnImage (empty, or neither a partition table
    nor a file system), ImageDamaged, Usage (an archive with several images), MemoryLimitExceeded.
    """
    if path == "-":
        return Source(_unbuffered(0), "stdin", digest=digest, entry=entry, memory_limit=memory_limit)
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115, PTH123 - the source closes it
    except OSError as error:
        raise from_os_error(error, path) from error
    return Source(file, path, digest=digest, entry=entry, memory_limit=memory_limit)


def parse_sha256(text: str) -> str:
    """Return a SHA-256 of 64 hexadecimal digits in lower case; raises BadValue."""
    digest = text.strip().lower()
    if len(digest) != 64 or any(digit not in "0123456789abcdef" for digit in digest):
        raise BadValue("A SHA-256 has 64 hexadecimal digits.", hint="Copy all of it, without the file name.")
    return digest


def _unbuffered(descriptor: int) -> io.FileIO:
    """stdin without Python's buffer, in which a waiting thread would block the exit of the process."""
    if os.isatty(descriptor):
        raise BadValue("stdin is a terminal, not an image.", hint="Pipe the image into resin.")
    try:
        return open(descriptor, "rb", buffering=0, closefd=False)
    except OSError as error:
        raise BadValue(
            "stdin is closed, so no image can be read from it.", hint="Pipe the image into resin."
        ) from error


def _identity(file: io.FileIO) -> tuple[int, int, int, int]:
    """Values that change if the file is replaced or modified."""
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _length(file: io.FileIO) -> int | None:
    """The length of a file or drive in bytes, None for a pipe; also advises the kernel to read ahead."""
    mode = os.fstat(file.fileno()).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        return None
    try:
        here = file.seek(0, io.SEEK_CUR)
        length = file.seek(0, io.SEEK_END)
        file.seek(here)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
    except OSError as error:
        if error.errno == errno.ESPIPE:
            return None
        raise from_os_error(error) from error
    return length if here == 0 else None


def looks_like_image(start: bytes) -> bool:
    """Whether these bytes may be the start of an image."""
    try:
        read_table(io.BytesIO(start), tolerant=True)
    except NotAnImage:
        return False
    except ImageDamaged:
        # A GPT may be damaged at the start and have a valid backup at the end.
        return True
    return True
