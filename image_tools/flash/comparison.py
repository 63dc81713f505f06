"""Comparing a drive or file with an image, without writing anything."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from image_tools.flash.diagnosis import verify_failure
from image_tools.flash.direct_io import BLOCK, CHUNK, buffers, read_all, round_up
from image_tools.flash.flash_run import FlashRun
from image_tools.flash.image_reader import ImageReader
from image_tools.flash.io_errors import medium_failure
from image_tools.flash.outcome import FlashOptions, TargetResult
from image_tools.flash.overlay import with_changes
from image_tools.flash.read_back import BadBlock, add_bad_blocks, find_bad_blocks
from image_tools.flash.target import Target, TargetState, is_drive
from image_tools.flash.target_plan import FlashJob, plan_target
from image_tools.flash.target_writer import TargetWriter
from image_tools.flash.write_record import Extent, extent_of
from image_tools.source import Source
from image_tools.usage import UsageContradicted
from resin_toolkit.errors import BadValue, DriveNotFound, ImageDamaged, from_os_error
from resin_toolkit.progress import Progress


def compare(
    source: Source, path: str, progress: Progress, options: FlashOptions | None = None
) -> TargetResult:
    """Compare the used parts of `source` with `path`; `written` of the result counts the compared bytes.

    Raises VerifyFailed for what differs, ImageDamaged, IoFailed, DriveNotFound, NotPermitted, BadValue.
    """
    options = options or FlashOptions()
    with _open(path) as target:
        try:
            return _compare(source, target, progress, options)
        except UsageContradicted as contradiction:
            if not source.can_reopen:
                raise ImageDamaged(
                    f"Unused areas of {source.name} cannot be skipped: {contradiction.reason}.",
                    hint="Compare it with --full.",
                ) from contradiction
        with source.reopen() as reread:
            return _compare(reread, target, progress, replace(options, full=True))


def _compare(source: Source, target: Target, progress: Progress, options: FlashOptions) -> TargetResult:
    with ImageReader(source) as reader:
        usage = reader.usage(full=options.full, block_map=options.block_map)
        plan = plan_target(reader, FlashJob(target), None)
        run = FlashRun(reader, usage, progress, [plan], options, writer_type=Comparison)
        run.run()
        [outcome] = run.results()
    if outcome.error is not None:
        raise outcome.error
    return outcome


@dataclass
class Comparison(TargetWriter):
    """A writer that reads and compares instead of writing."""

    step_name: ClassVar[str] = "comparing"
    _bad: list[BadBlock] = field(default_factory=list)
    _extents: list[Extent] = field(default_factory=list)
    _expected: bytes | None = None
    _is_relocated: bool = True

    def _work(self) -> None:
        [self._buffer] = buffers(1, CHUNK)
        self.reading = self.target.drop_cache(flush=False)
        end_of_image = self._write_chunks()
        if end_of_image is None:
            return
        head = self._head(end_of_image, changed=False)
        self._compare_part(0, head)
        for held in end_of_image.held:
            for offset, data in self._outside_head(held):
                self._compare_part(offset, data)
        if self._is_relocated:
            for offset, data in self.changes:
                if offset >= end_of_image.size:
                    self._compare_with(memoryview(data), extent_of(offset, data))
        if self._bad:
            raise verify_failure(
                self.target.path,
                self._bad,
                [*end_of_image.extents, *self._extents],
                self.context.partitions(),
                self._expected,
                was_written=False,
            )

    def _write(self, data: memoryview, extent: Extent) -> None:
        self._compare_with(data, extent)

    def _compare_part(self, offset: int, data: bytes) -> None:
        """Compare a part that relocating the backup GPT may have changed; both forms are accepted."""
        changed = with_changes(data, offset, self.changes)
        found = bytes(self._read(offset, len(data)))
        if found == data != changed:
            self._is_relocated = False
            self.written += len(data)
            return
        extent = extent_of(offset, changed)
        self._extents.append(extent)
        self._compare_with(memoryview(changed), extent)

    def _compare_with(self, data: memoryview, extent: Extent) -> None:
        found = self._read(extent.offset, extent.length)
        bad = find_bad_blocks(found, extent.offset, extent.length, extent.hashes)
        if bad and not self._bad:
            start = bad[0].offset - extent.offset
            self._expected = bytes(data[start : start + bad[0].length])
        add_bad_blocks(self._bad, bad)
        self.written += extent.length

    def _read(self, offset: int, length: int) -> memoryview:
        try:
            buffer = self._buffer[: round_up(length, BLOCK)]
            got = read_all(self.target.descriptor, buffer, offset, length)
        except OSError as error:
            raise medium_failure(error, self.target.path, offset, "read") from error
        return self._buffer[: min(got, length)]


def _open(path: str) -> Target:
    """Open a drive or file for reading, past the page cache if possible."""
    flags = os.O_RDONLY | os.O_CLOEXEC
    try:
        try:
            descriptor, direct = os.open(path, flags | os.O_DIRECT), True
        except OSError as error:
            if isinstance(error, (FileNotFoundError, PermissionError)):
                raise
            descriptor, direct = os.open(path, flags), False
    except FileNotFoundError as error:
        if path.startswith("/dev/"):
            hint = "`resin drives --all` lists all drives."
            raise DriveNotFound(f"There is no drive {path}.", hint=hint) from error
        raise from_os_error(error, path) from error
    except OSError as error:
        raise from_os_error(error, path) from error
    if not is_drive(path) and not Path(path).is_file():
        os.close(descriptor)
        raise BadValue(f"{path} is neither a drive nor a file.", hint="Name a drive, such as /dev/sdb.")
    target = Target(os.path.realpath(path), is_drive=is_drive(path), descriptor=descriptor)
    target.direct = direct
    target.state = TargetState.ONLY_READ
    return target
