"""Opening an image: a file, a compressed file, or a flashed drive."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from image_tools.private_files import OWNER_ONLY, create_file, resolve_output, set_mode
from image_tools.source.formats import ImageFormat, image_format_of
from image_tools.temporary_files import large_temporary_folder
from resin_toolkit.errors import BadValue, NotAnImage, PathNotFound, Refused, Usage, from_os_error
from resin_toolkit.memory_limit import DEFAULT_MEMORY_LIMIT
from resin_toolkit.progress import Progress

if TYPE_CHECKING:
    from image_tools.source import Source

_BLOCK = 64 << 10
_CHUNK = 4 << 20


@contextmanager
def open_for_reading(
    image: Path, progress: Progress, memory_limit: int = DEFAULT_MEMORY_LIMIT
) -> Iterator[BinaryIO]:
    """Open an image as a seekable file; a compressed one is decompressed to a temporary file.

    `memory_limit` is that of `open_source`.
    """
    _require_file_or_drive(image)
    with image.open("rb", buffering=0) as file, _name_image(image), _name_in_errors(image):
        if not _is_compressed(file):
            file.seek(0)
            yield file
            return
    folder = large_temporary_folder()
    with _name_image(image), _name_in_errors(Path(folder)), tempfile.TemporaryFile(dir=folder) as unpacked:
        _decompress(image, unpacked, progress, memory_limit)
        yield unpacked


@contextmanager
def open_for_writing(image: Path) -> Iterator[BinaryIO]:
    """Open an image or drive to change it in place, locked against other runs of `resin`.

    Raises Usage for a compressed image, Refused for a drive that must not be written to, or that is exchanged
    meanwhile.
    """
    drive = None
    if _require_file_or_drive(image):
        from image_tools.drives import check_flashable, check_not_exchanged, find_drive

        drive = find_drive(str(image))
        check_flashable(drive, allow_fixed=True)
    held = _open_exclusively(image, 0 if drive is None else os.O_EXCL)
    with held as file, _name_image(image), _name_in_errors(image, changing=True):
        if drive is not None:
            check_not_exchanged(drive, file.fileno())
        if _is_compressed(file):
            raise Usage(
                f"{image} is compressed and cannot be changed in place.",
                hint="Use --output FILE to write a changed copy.",
            )
        file.seek(0)
        yield file


def check_medium_of(descriptor: int, path: str) -> Callable[[], None]:
    """A function that raises Refused once an open drive has another medium; for a file, it does nothing."""
    if not stat.S_ISBLK(os.fstat(descriptor).st_mode):
        return lambda: None
    from image_tools.drives import medium_check

    return medium_check(descriptor, path)


@contextmanager
def open_copy(
    image: Path, output: Path, progress: Progress, memory_limit: int = DEFAULT_MEMORY_LIMIT
) -> Iterator[BinaryIO]:
    """Open a decompressed copy of an image; it becomes `output` when the block ends without an error.

    Only its owner can read it if it holds a secret; otherwise those who can read what it replaces or copies.
    `memory_limit` is that of `open_source`. Raises Refused for a link that another user may have prepared.
    """
    _require_file_or_drive(image)
    if output.exists() and (not output.is_file() or output.samefile(image)):
        raise Usage(
            f"{output} cannot be the output: it is the image itself, or not a file.",
            hint="Name a new file. To write to a drive, use `resin flash`.",
        )
    if not output.parent.is_dir():
        raise PathNotFound(f"The folder {output.parent} does not exist.", hint="Create it first.")
    output = resolve_output(output)
    partial = output.with_name(f".{output.name[:100]}.{os.getpid()}.partial")
    mode = (output if output.exists() else image).stat().st_mode & 0o666
    if not stat.S_ISREG(image.stat().st_mode):
        mode &= OWNER_ONLY
    with _name_image(image), _name_in_errors(output, instead_of=partial), _temporary(partial) as file:
        _decompress(image, file, progress, memory_limit)
        file.seek(0)
        yield file
        set_mode(file, mode)
        os.fsync(file.fileno())
        partial.replace(output)


@contextmanager
def _temporary(path: Path) -> Iterator[BinaryIO]:
    """Create a file that only its owner can read; remove it at the end unless it was renamed."""
    descriptor = create_file(path)
    try:
        with os.fdopen(descriptor, "w+b", buffering=0) as file:
            yield file
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _name_image(image: Path) -> Iterator[None]:
    """Name the image in NotAnImage errors."""
    try:
        yield
    except NotAnImage as error:
        if str(image) in error.message:
            raise
        raise NotAnImage(
            f"{image} is not an image: it has neither a partition table nor a known file system.",
            hint=error.hint,
        ) from error


@contextmanager
def _name_in_errors(image: Path, *, instead_of: Path | None = None, changing: bool = False) -> Iterator[None]:
    """Name `image` in errors of the operating system that name no file, or `instead_of`.

    With `changing`, describe the state of the image.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, BrokenPipeError) or error.filename not in (None, str(instead_of)):
            raise
        failure = from_os_error(error, image)
        if changing:
            failure.message += (
                " Each file in it is either old or new; run the same command again to complete it."
            )
        raise failure from error


def _open_exclusively(image: Path, flags: int) -> BinaryIO:
    try:
        descriptor = os.open(image, os.O_RDWR | os.O_CLOEXEC | flags)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise Refused(
                f"{image} is in use: it is mounted or open in another program.", hint="Unmount it first."
            ) from None
        raise
    file = os.fdopen(descriptor, "r+b", buffering=0)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise Refused(f"Another program is changing {image}.", hint="Wait until it is done.") from None
    return file


def _require_file_or_drive(image: Path) -> bool:
    """Whether it is a drive; raises BadValue if it is neither a drive nor a file, such as a pipe."""
    mode = image.stat().st_mode
    if stat.S_ISDIR(mode):
        raise BadValue(f"{image} is a directory, not an image.", hint="Name the image file itself.")
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        raise BadValue(f"{image} is neither a file nor a drive.", hint="Name an image file or a drive.")
    return stat.S_ISBLK(mode)


def _is_compressed(file: BinaryIO) -> bool:
    return image_format_of(file.read(_BLOCK)) is not ImageFormat.RAW


def _decompress(image: Path, file: BinaryIO, progress: Progress, memory_limit: int) -> None:
    """Write the decompressed image to an empty `file`, with holes instead of zeros."""
    with (
        _open_only_image(str(image), memory_limit) as source,
        progress.step("unpacking", source.size) as step,
    ):
        position = 0
        buffer = memoryview(bytearray(_CHUNK))
        while count := source.readinto(buffer):
            chunk = buffer[:count]
            for start in range(0, len(chunk), _BLOCK):
                block = chunk[start : start + _BLOCK]
                if bytes(block).strip(b"\0"):
                    file.seek(position + start)
                    _write_all(file, block)
            position += len(chunk)
            step.advance(len(chunk))
        file.truncate(position)


def _open_only_image(image: str, memory_limit: int) -> Source:
    """Open an image. The entry of an archive cannot be chosen here, so the hint is another one."""
    from image_tools.source import open_source

    try:
        return open_source(image, memory_limit=memory_limit)
    except Usage as error:
        error.hint = "Extract the archive and name the image file."
        raise


def _write_all(file: BinaryIO, data: memoryview) -> None:
    while data:
        data = data[file.write(data) :]
