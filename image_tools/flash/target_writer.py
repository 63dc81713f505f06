"""Writing the image to one target and verifying it, in a thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from image_tools.flash.diagnosis import verify_failure
from image_tools.flash.direct_io import BLOCK, CHUNK, aligned, round_up, spans
from image_tools.flash.image_feed import Chunk, EndOfImage
from image_tools.flash.io_errors import too_small
from image_tools.flash.overlay import with_changes
from image_tools.flash.pipeline import Channel, Pipeline
from image_tools.flash.read_access import ReadAccess
from image_tools.flash.read_back import BadBlock, differences, find_bad_blocks
from image_tools.flash.target import HEAD, Target
from image_tools.flash.write_record import HASH, HASH_BLOCK, Extent, extent_of, hash_of_same
from image_tools.partitions import Partition
from resin_toolkit.errors import Notice, ResinError
from resin_toolkit.progress import SilentStep


@dataclass(frozen=True)
class WriterEvent:
    """Progress of a writer: a step starts (`name`, `total` in bytes), or `amount` bytes are done."""

    writer: TargetWriter
    name: str = ""
    total: int | None = None
    amount: int = 0
    consumed: int = 0
    """How much of the compressed file has been consumed, if known."""


class RunContext(Protocol):
    """What a writer needs from its flash run."""

    pipeline: Pipeline
    events: Channel[WriterEvent]

    def release(self, chunk: Chunk) -> None: ...
    def reread(self, places: Sequence[tuple[int, int]]) -> Iterable[tuple[int, bytes]] | None:
        """Read the image again at each (offset, length); None if it cannot be read twice."""
        ...

    def partitions(self) -> Sequence[Partition]: ...
    def check_before_head(self, target: Target, head: bytes, size: int) -> None:
        """Check what was written before the head makes it bootable; may raise."""
        ...


@dataclass
class TargetWriter:
    """One target, and the changes (offset, bytes) to apply to the image for this target only.

    When the thread has ended, `error` is set if it failed, and `excluded` if it was much slower than the
    other targets and was not completed. Counts are in bytes, except `rewritten`, which counts hash blocks.
    """

    step_name: ClassVar[str] = "writing"
    target: Target
    changes: Sequence[tuple[int, bytes]]
    context: RunContext
    full: bool = False
    verify: bool = True
    probe: bool = False
    discard: bool = False
    eject: bool = False
    error: ResinError | None = None
    excluded: bool = False
    end_of_image: EndOfImage | None = None
    reading: ReadAccess | None = None
    written: int = 0
    rewritten: int = 0
    cleared: bool = False
    """Whether the whole drive was discarded first."""
    write_seconds: float = 0.0
    verify_seconds: float = 0.0
    alive: bool = True
    pending: int = 0
    done: bool = False
    queue: Channel[Chunk | EndOfImage] = field(init=False)
    _busy: float = 0.0
    _since: float | None = None
    _own: list[tuple[int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = self.context.pipeline.channel(Chunk)

    @property
    def rate(self) -> float:
        since = self._since
        busy = self._busy + (time.monotonic() - since if since is not None else 0.0)
        return self.written / max(busy, 0.001)

    def exclude(self) -> None:
        self.excluded, self.alive = True, False

    def run(self) -> None:
        """Write and verify. Raises Stopped if the whole run is stopped."""
        self.target.is_busy = True
        try:
            self._work()
        except ResinError as error:
            self.target.ensure_clear()
            self.error = self.target.add_state(error)
        finally:
            self.alive = self.target.is_busy = False
        while self.end_of_image is None:
            self._drop(self.queue.get())
        self.done = True
        self.context.events.put(WriterEvent(self))

    def _drop(self, item: Chunk | EndOfImage) -> None:
        if isinstance(item, EndOfImage):
            self.end_of_image = item
        else:
            self.context.release(item)

    def _work(self) -> None:
        self._prepare()
        self._clear_boot_areas()
        started = time.monotonic()
        end_of_image = self._write_chunks()
        if end_of_image is None:
            return
        extents = sorted(
            (*end_of_image.extents, *self._write_own(end_of_image)), key=lambda extent: extent.offset
        )
        self.target.set_length(end_of_image.size)
        self.target.flush()
        self.write_seconds = time.monotonic() - started
        head = self._head(end_of_image)
        if self.verify:
            self._verify(extents, "verifying")
        self.context.check_before_head(self.target, head, end_of_image.size)
        self._write_head(head)
        self.target.set_length(end_of_image.size)
        self.target.finish()
        if self.eject:
            self.target.eject()

    def _clear_boot_areas(self) -> None:
        """Clear the boot areas. A drive whose start is not clear after two attempts does not keep data."""
        target = self.target
        for _ in range(2):
            target.clear_boot_areas()
            if target.is_clear:
                return
        # Differences at the end of the drive are found later, with the blocks of the image.
        offset, length = target.boot_areas[0]
        zeros = extent_of(offset, bytes(length))
        bad = find_bad_blocks(memoryview(target.read(offset, length)), offset, length, zeros.hashes)
        if bad:
            partitions, wanted = self.context.partitions(), bytes(bad[0].length)
            raise verify_failure(
                target.path, bad, [zeros], partitions, wanted, repeated=True, was_cleared=True
            )

    def _prepare(self) -> None:
        target = self.target
        if target.capacity is None:
            return
        from image_tools.flash.capacity import keeps_old_content, probe_capacity

        if self.probe:
            probe_capacity(target, _Steps(self))
        if self.discard:
            # The kernel may hide that a device cannot discard, so check what it reads as.
            self.cleared = target.discard() and not keeps_old_content(target)
            if not self.cleared:
                message = f"{target.path} does not support discard: unused areas keep their old contents."
                target.notices.append(Notice("no-discard", message))

    # writing

    def _write_chunks(self) -> EndOfImage | None:
        self._step(self.step_name, None)
        while True:
            item = self.queue.get()
            if isinstance(item, EndOfImage):
                self.end_of_image = item
                return item
            try:
                if self.excluded:
                    return None
                for extent in item.extents:
                    self._write(item.content(extent), extent)
            finally:
                self.pending -= 1
                self.context.release(item)
            self.context.events.put(WriterEvent(self, amount=item.length, consumed=item.consumed))

    def _write(self, data: memoryview, extent: Extent) -> None:
        """Write one extent. Zeros are skipped in a file, and written by the drive itself if possible."""
        target = self.target
        if target.capacity is not None and extent.end > target.capacity:
            raise too_small(target, target.capacity)
        write_zeros = self.full and target.capacity is not None
        for start, end, is_zero in [(0, len(data), False)] if write_zeros else _zero_runs(extent):
            if is_zero and target.capacity is None:
                continue
            self._since = time.monotonic()
            if not (is_zero and target.zero(extent.offset + start, end - start)):
                target.write(data[start:end], extent.offset + start)
            self._busy += time.monotonic() - self._since
            self._since = None
            self.written += end - start

    def _write_own(self, end_of_image: EndOfImage) -> list[Extent]:
        """Write the parts that are specific to this target, except the head; returns their extents."""
        own = [part for held in end_of_image.held for part in self._outside_head(held)]
        self._own = [(offset, with_changes(data, offset, self.changes)) for offset, data in own]
        self._own += self._end_of_drive(end_of_image.size)
        return [self._write_part(offset, data) for offset, data in self._own]

    def _write_part(self, offset: int, data: bytes) -> Extent:
        buffer = aligned(data, round_up(len(data), self._block))
        stored = buffer[: len(data)] if self.target.capacity is None else buffer
        extent = extent_of(offset, stored)
        if self.target.capacity is not None and extent.end > self.target.capacity:
            raise too_small(self.target, self.target.capacity)
        self.target.write(buffer, offset)
        self.written += len(data)
        return extent

    def _end_of_drive(self, size: int) -> list[tuple[int, bytes]]:
        """The end of a drive after the image, so that no stale backup GPT remains."""
        start, end = self.target.tail
        places = [offset for offset, _ in self.changes if offset >= size]
        start = max(min([start, *places]), round_up(size, self.target.block))
        if start >= end:
            return []
        return [
            (offset, with_changes(bytes(length), offset, self.changes))
            for offset, length in spans(start, end, CHUNK)
        ]

    def _head(self, end_of_image: EndOfImage, *, changed: bool = True) -> bytes:
        head = b"".join(data for held in end_of_image.held for offset, data in _split(held) if offset < HEAD)
        return with_changes(head, 0, self.changes) if changed else head

    @staticmethod
    def _outside_head(held: tuple[int, bytes]) -> list[tuple[int, bytes]]:
        return [part for part in _split(held) if part[0] >= HEAD]

    def _write_head(self, head: bytes) -> None:
        extent = self._write_part(0, head)
        self.target.flush()
        if self.verify:
            self._own.append((0, head))
            self._verify([extent], "verifying the start")

    @property
    def _block(self) -> int:
        return self.target.block if self.target.capacity is not None else BLOCK

    # verifying

    def _verify(self, extents: Sequence[Extent], step: str) -> None:
        """Compare the medium; bad blocks are written once more. Raises VerifyFailed."""
        started = time.monotonic()
        try:
            bad = self._differences(extents, step)
            if not bad:
                return
            repeated = self._write_again(bad)
            if repeated:
                bad = self._differences(_extents_of(bad), "verifying again")
            if bad:
                original = next((data for _, data in self._expected_content(bad[:1]) or ()), None)
                partitions = self.context.partitions()
                raise verify_failure(self.target.path, bad, extents, partitions, original, repeated=repeated)
        finally:
            self.verify_seconds += time.monotonic() - started

    def _differences(self, extents: Sequence[Extent], step: str) -> list[BadBlock]:
        target = self.target
        self.reading = target.drop_cache()
        if not self.reading.past_cache and not any(n.code == "read-back-cached" for n in target.notices):
            target.notices.append(_cached_notice(target, self.reading))
        advance = self._step(step, sum(extent.length for extent in extents))
        return differences(target.descriptor, target.path, extents, self.context.pipeline, advance)

    def _write_again(self, bad: Sequence[BadBlock]) -> bool:
        """Write the differing blocks once more; returns whether their content was available."""
        content = self._expected_content(bad)
        if content is None:
            return False
        for offset, data in content:
            self.target.write(aligned(data, round_up(len(data), self._block)), offset)
            self.rewritten += 1
        self.target.flush()
        return True

    def _expected_content(self, bad: Sequence[BadBlock]) -> Iterable[tuple[int, bytes]] | None:
        """The expected content of the blocks, in order, from memory or from reading the image again."""
        own = {block.offset: self._own_content(block) for block in bad}
        reread = self.context.reread([(g.offset, g.length) for g in bad if own[g.offset] is None])
        if reread is None:
            return None
        return self._in_order(bad, own, iter(reread))

    @staticmethod
    def _in_order(
        bad: Sequence[BadBlock], own: dict[int, bytes | None], reread: Iterable[tuple[int, bytes]]
    ) -> Iterable[tuple[int, bytes]]:
        others = iter(reread)
        for block in bad:
            content = own[block.offset]
            yield (block.offset, content) if content is not None else next(others)

    def _own_content(self, block: BadBlock) -> bytes | None:
        for offset, data in self._own:
            if offset <= block.offset < offset + round_up(len(data), self._block):
                start = block.offset - offset
                return data[start : start + block.length].ljust(block.length, b"\0")
        return None

    def _step(self, name: str, total: int | None) -> Callable[[int], None]:
        return _Steps(self).step(name, total).advance


class _Steps:
    """Progress that is sent to the thread that waits for the writers."""

    def __init__(self, writer: TargetWriter) -> None:
        self._writer = writer

    def step(self, name: str, total: int | None, *, subject: str = "") -> _WriterStep:  # noqa: ARG002
        self._writer.context.events.put(WriterEvent(self._writer, name=name, total=total))
        return _WriterStep(self._writer)


class _WriterStep(SilentStep):
    def __init__(self, writer: TargetWriter) -> None:
        self._writer = writer

    def advance(self, amount: int) -> None:
        self._writer.context.events.put(WriterEvent(self._writer, amount=amount))


def _split(part: tuple[int, bytes]) -> list[tuple[int, bytes]]:
    """Split a part at the end of the head."""
    offset, data = part
    if offset < HEAD < offset + len(data):
        return [(offset, data[: HEAD - offset]), (HEAD, data[HEAD - offset :])]
    return [part]


def _zero_runs(extent: Extent) -> list[tuple[int, int, bool]]:
    """Split an extent into (start, end, is_zero), relative to its start."""
    found: list[tuple[int, int, bool]] = []
    for number in range(len(extent.hashes) // HASH):
        start, end = number * HASH_BLOCK, min((number + 1) * HASH_BLOCK, extent.length)
        is_zero = extent.hashes[number * HASH : (number + 1) * HASH] == hash_of_same(0, end - start)
        if found and found[-1][2] is is_zero:
            start = found.pop()[0]
        found.append((start, end, is_zero))
    return found


def _extents_of(bad: Iterable[BadBlock]) -> list[Extent]:
    return [Extent(block.offset, block.length, block.expected) for block in bad]


def _cached_notice(target: Target, reading: ReadAccess) -> Notice:
    return Notice(
        "read-back-cached",
        f"{target.path} was read back, but possibly from the page cache: {reading.reason}.",
    )
