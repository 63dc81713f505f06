"""An image opened for streaming, out of whatever it is packed in."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import IO, TYPE_CHECKING, BinaryIO, Self, cast

from image_tools.partitions import notices_past_end, read_table
from image_tools.source import decoders, sparse, xz_index, zstandard_frames
from image_tools.source.compressed import Compressed
from image_tools.source.formats import MAGIC_LENGTH, ImageFormat, image_format_of
from image_tools.source.xz_parallel import BlockDamaged, ParallelXz
from resin_toolkit.errors import BadValue, ImageDamaged, NotAnImage, Notice, Usage, from_os_error

if TYPE_CHECKING:
    from image_tools.source.zip_archive import ZipArchive

START = 1024 * 1024
"""How much of an image is looked at before anything is written."""
SECTOR = 512


class Source:
    """An image that is read once, from its start to its end.

    `name` is for messages. `size` is the image's own size in bytes, None where nothing tells it beforehand:
    a gzip trailer counts modulo 4 GiB and knows nothing of other members. `stored_size` is the size of the
    file it comes in, None for a pipe. `notices` grows while it is read.
    """

    def __init__(self, file: io.FileIO, name: str, *, digest: bool = False, entry: str | None = None) -> None:
        self.name = name
        self._wanted_entry = entry
        self.notices: list[Notice] = []
        self._path_is_known = isinstance(file.name, (str, bytes))
        self._file = file
        self._identity = _identity(file)
        self._raw = Compressed(file, name)
        self._spool: IO[bytes] | None = None
        self._archive: ZipArchive | None = None
        self._parallel: ParallelXz | None = None
        self._seekable = _length(file)
        self.stored_size = self._seekable
        self.kind = image_format_of(self._raw.peek(MAGIC_LENGTH))
        if entry is not None and self.kind is not ImageFormat.ZIP:
            self.close()
            raise Usage(f"{name} is no zip that an entry could be taken out of.", hint="Leave out --entry.")
        if digest and self.kind is not ImageFormat.RAW:
            self._raw.start_digest()
        self._rest = memoryview(b"")
        self._start = b""
        self._given = 0
        try:
            self._pieces = self._open()
            self.size = self._known_size()
            self._check_start()
        except BaseException:
            self.close()
            raise

    @property
    def consumed(self) -> int:
        """How many bytes of the file that it comes in have been used."""
        return self._parallel.consumed if self._parallel is not None else self._raw.consumed

    @property
    def entry(self) -> str | None:
        """The name of the image inside an archive."""
        return self._archive.chosen.name if self._archive else None

    def readinto(self, buffer: memoryview) -> int:
        """Fill `buffer`; fewer bytes than it holds only at the end of the image, which is then known sound.

        Raises ImageDamaged for an archive that is cut off, fails a checksum or goes on with something else.
        """
        done = 0
        while done < len(buffer):
            if self._rest:
                count = min(len(self._rest), len(buffer) - done)
                buffer[done : done + count] = self._rest[:count]
                self._rest = self._rest[count:]
            elif self.kind is ImageFormat.RAW:
                count = self._raw.take_into(buffer[done:])
                if not count:
                    self._check_end(self._given + done)
                    break
            else:
                piece = next(self._pieces, None)
                if piece is None:
                    self._check_end(self._given + done)
                    break
                self._rest = memoryview(piece)
                count = 0
            done += count
        self._given += done
        return done

    @property
    def is_random_access(self) -> bool:
        """Whether any part of the image can be read at any time: a raw file or drive."""
        return self.kind is ImageFormat.RAW and self._seekable is not None

    def read_at(self, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` from that offset of the image, which has random access; short only at its end.

        The stream does not move, and several threads may read. Raises what `from_os_error` makes of an error.
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
        """The holes of a sparse raw file, as (start, end); none where the file system tells of none."""
        if not self.is_random_access or not self._is_file:
            return []
        return sparse.holes(self._raw.file.fileno(), self._seekable or 0)

    @property
    def can_reopen(self) -> bool:
        """Whether the image can be read a second time."""
        return self._is_file and self._seekable is not None

    def reopen(self) -> Source:
        """The same image once more, from its start, without a digest; raises ImageDamaged if it changed."""
        again = open_source(self.name, entry=self._wanted_entry)
        if again._identity != self._identity:
            again.close()
            raise self._changed()
        return again

    def check_unchanged(self) -> None:
        """Raise ImageDamaged where the file was written to since it was opened; only files tell."""
        if self._is_file and _identity(self._file) != self._identity:
            raise self._changed()

    def _changed(self) -> ImageDamaged:
        return ImageDamaged(
            f"{self.name} changed while it was read.", hint="Let nothing else write to it, and start over."
        )

    def stored_sha256(self) -> str | None:
        """The SHA-256 of the file that the image comes in, once all is read.

        None if it was not asked for, or if that file is the image itself.
        """
        if self._raw.digest is None:
            return None
        if (self.kind is ImageFormat.ZIP and self._spool is None) or self._parallel is not None:
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

    def _tell(self, notice: Notice) -> None:
        if notice not in self.notices:
            self.notices.append(notice)

    def _open(self) -> Iterator[bytes]:
        if self.kind is ImageFormat.ZIP:
            from image_tools.source.zip_archive import ZipArchive

            self._archive = ZipArchive(
                self._seekable_file(), self.name, looks_like_image, START, self._wanted_entry
            )
            return self._archive.pieces()
        return iter(self._stream())

    def _stream(self) -> Iterable[bytes]:
        if self.kind is ImageFormat.GZIP:
            return decoders.gzip_pieces(self._raw)
        if self.kind is ImageFormat.XZ:
            return self._xz_pieces()
        if self.kind is ImageFormat.BZIP2:
            return decoders.bzip2_pieces(self._raw)
        if self.kind is ImageFormat.ZSTD:
            return zstandard_frames.zstandard_pieces(self._raw, self._tell)
        return ()

    def _xz_pieces(self) -> Iterator[bytes]:
        """Several blocks at a time where the file has them and its index is sound; else in order."""
        found = xz_index.blocks(self._at, self._seekable) if self._seekable is not None else None
        if found is None or len(found) < 2:
            yield from decoders.xz_pieces(self._raw, self._tell)
            return
        if any(block.flags == b"\0\0" for block in found):
            self._tell(decoders.no_checksum(self._raw))
        self._parallel = ParallelXz(self._at, found)
        try:
            yield from self._parallel.pieces()
        except BlockDamaged as damage:
            self._raw.consumed = damage.offset
            raise decoders.damaged(self._raw, damage) from damage

    def _seekable_file(self) -> BinaryIO:
        """The file itself, or a copy of what a pipe brings: an archive's list of files is at its end."""
        if self._seekable is not None:
            return cast(BinaryIO, self._raw.file)
        import tempfile

        spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the source
        self._spool = spool
        try:
            while data := self._raw.take():
                spool.write(data)
        except OSError as error:
            raise from_os_error(error, tempfile.gettempdir()) from error
        return cast(BinaryIO, spool)

    def _known_size(self) -> int | None:
        if self._archive is not None:
            return self._archive.chosen.size
        if self._seekable is None:
            return None
        if self.kind is ImageFormat.RAW:
            return self._seekable
        if self.kind is ImageFormat.XZ:
            return xz_index.content_size(self._at, self._seekable)
        if self.kind is ImageFormat.ZSTD:
            return zstandard_frames.content_size(self._at, self._seekable)
        return None

    def _at(self, offset: int, count: int) -> bytes:
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
        if not self._holds_something(start):
            raise NotAnImage(
                f"{self.name} is not a disk image: it has neither a partition table nor a file system.",
                hint="Check the file: raw, or compressed as gz, xz, zst, bz2 or zip.",
            )

    def _holds_something(self, start: bytes) -> bool:
        if self.kind is not ImageFormat.RAW or self._seekable is None:
            return looks_like_image(start)
        try:
            table = read_table(cast(BinaryIO, _Unmoved(self)), self._seekable, tolerant=True)
        except NotAnImage:
            return False
        self.notices.extend(table.notices)
        return True

    def _peek_image(self) -> bytes:
        """The first `START` bytes of the image, which stay to be read."""
        start = bytearray(START)
        view = memoryview(start)
        count = self.readinto(view)
        view.release()
        del start[count:]
        self._rest = memoryview(bytes(start) + bytes(self._rest))
        self._given = 0
        return bytes(start)

    def _check_end(self, size: int) -> None:
        """Note what a stream is too short for, now that its `size` is known: a download may break off."""
        if not self._start or self.is_random_access:
            return
        with suppress(NotAnImage, ImageDamaged):
            for notice in notices_past_end(read_table(io.BytesIO(self._start), tolerant=True), size):
                self._tell(notice)


class _Unmoved:
    """A raw file seen through `read_at`, so that the position of the stream stays."""

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


def open_source(path: str, *, digest: bool = False, entry: str | None = None) -> Source:
    """Open the image at `path`, `-` for stdin, packed as gz, xz, zst, bz2, zip or not at all.

    What it is packed in is told by its content; `entry` names the one of several files in a zip. With
    `digest`, the SHA-256 of the file itself is taken along the way. Raises PathNotFound, NotPermitted,
    BadValue (a folder), NotAnImage (empty, or bytes in which neither a partition table nor a file system is
    recognised), ImageDamaged, Usage (an archive that holds several images).
    """
    if path == "-":
        return Source(_unbuffered(0), "stdin", digest=digest, entry=entry)
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115, PTH123 - the source closes it
    except OSError as error:
        raise from_os_error(error, path) from error
    return Source(file, path, digest=digest, entry=entry)


def parse_sha256(text: str) -> str:
    """64 hexadecimal digits, in lower case; raises BadValue."""
    digest = text.strip().lower()
    if len(digest) != 64 or any(digit not in "0123456789abcdef" for digit in digest):
        raise BadValue("A SHA-256 has 64 hexadecimal digits.", hint="Copy it whole, without the file's name.")
    return digest


def _unbuffered(descriptor: int) -> io.FileIO:
    """stdin without Python's buffer: a thread that waits in that one would hang the end of the process."""
    if os.isatty(descriptor):
        raise BadValue(
            "stdin is a terminal, and no image comes from there.", hint="Pipe the image into resin."
        )
    try:
        return open(descriptor, "rb", buffering=0, closefd=False)
    except OSError as error:
        raise BadValue(
            "There is no stdin to read an image from.", hint="Pipe the image into resin."
        ) from error


def _identity(file: io.FileIO) -> tuple[int, int, int, int]:
    """What stays the same as long as a file is the same and nobody writes to it."""
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _length(file: io.FileIO) -> int | None:
    """The length of a file or drive in bytes, None for a pipe; tells the kernel that all will be read."""
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
    """Whether an image may begin with these bytes."""
    try:
        read_table(io.BytesIO(start), tolerant=True)
    except NotAnImage:
        return False
    except ImageDamaged:
        # A table that cannot be judged by its beginning alone is a table.
        return True
    return True
