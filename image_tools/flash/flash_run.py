"""One flash: the threads that read the image, and a writer thread for each target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from image_tools.flash.bmap_verifier import BmapVerifier
from image_tools.flash.boot_preview import check_unambiguous
from image_tools.flash.direct_io import CHUNK
from image_tools.flash.image_feed import Chunk, ImageFeed
from image_tools.flash.image_reader import ImageReader
from image_tools.flash.outcome import FlashOptions, TargetResult
from image_tools.flash.pipeline import Channel, Pipeline, Stopped
from image_tools.flash.target import HEAD, Target
from image_tools.flash.target_plan import TargetPlan, held_ranges
from image_tools.flash.target_view import target_view
from image_tools.flash.target_writer import TargetWriter, WriterEvent
from image_tools.flash.writer_progress import WriterProgress
from image_tools.partitions import Partition, read_table
from image_tools.source import Source
from image_tools.usage import Usage
from resin_toolkit.errors import ImageDamaged, IoFailed, NotAnImage
from resin_toolkit.progress import Progress


@dataclass
class FlashRun:
    """Reads the image once, and writes it to all targets side by side."""

    reader: ImageReader
    usage: Usage
    progress: Progress
    plans: Sequence[TargetPlan]
    options: FlashOptions
    writer_type: type[TargetWriter] = TargetWriter
    writers: list[TargetWriter] = field(default_factory=list)
    pipeline: Pipeline = field(default_factory=Pipeline)
    events: Channel[WriterEvent] = field(init=False)
    _feed: ImageFeed = field(init=False)
    _bmap_verifier: BmapVerifier | None = None
    _starts_bmap_verifier: bool = False

    def __post_init__(self) -> None:
        options = self.options
        self._bmap_verifier = self._create_bmap_verifier()
        self.events = self.pipeline.channel(WriterEvent)
        self.writers = [
            self.writer_type(
                plan.job.target,
                plan.changes,
                self,
                full=options.full,
                verify=options.verify,
                probe=options.probe,
                discard=options.discard,
                eject=options.eject,
            )
            for plan in self.plans
        ]
        self._feed = ImageFeed(
            self.reader,
            self.usage,
            held_ranges(self.plans),
            self.writers,
            self.pipeline,
            digest=options.digest or options.sha256 is not None,
            block_map=options.block_map,
            bmap_verifier=self._bmap_verifier,
            check_digest=self._check_digest,
        )

    def _create_bmap_verifier(self) -> BmapVerifier | None:
        """The block map verifier: a running one, or a new one that starts with the run."""
        options, source = self.options, self.reader.source
        if options.block_map is None or not source.is_random_access:
            return None
        if options.bmap_verifier is not None and options.bmap_verifier.source is source:
            return options.bmap_verifier
        self._starts_bmap_verifier = True
        return BmapVerifier(options.block_map, source)

    def run(self) -> None:
        bmap_verifier = self._bmap_verifier if self._starts_bmap_verifier else None
        try:
            with bmap_verifier or nullcontext(), self.pipeline:
                self._feed.start()
                for writer in self.writers:
                    self.pipeline.stage(f"flash-{writer.target.path}", writer.run)
                with WriterProgress(
                    self.progress, self.reader.source, several=len(self.writers) > 1
                ) as shown:
                    while not all(writer.done for writer in self.writers):
                        shown.show(self.events.get())
        except Stopped:
            # The feed stops when no writer is left; any other reason was raised instead.
            if not all(writer.error for writer in self.writers):
                raise

    def results(self) -> list[TargetResult]:
        return [self._outcome(writer, plan) for writer, plan in zip(self.writers, self.plans, strict=True)]

    # for the writers

    def release(self, chunk: Chunk) -> None:
        self._feed.release(chunk)

    def reread(self, places: Sequence[tuple[int, int]]) -> Iterable[tuple[int, bytes]] | None:
        source = self.reader.source
        if source.is_random_access:
            return ((offset, self.reader.at(offset, length)) for offset, length in places)
        return _decompress_again(source, places) if source.can_reopen or not places else None

    def partitions(self) -> Sequence[Partition]:
        if self.usage.partitions:
            return [each.partition for each in self.usage.partitions]
        try:
            return read_table(self.reader.view(HEAD), tolerant=True).partitions
        except (NotAnImage, ImageDamaged):
            return ()

    def check_before_head(self, target: Target, head: bytes, size: int) -> None:
        plan = next(plan for plan in self.plans if plan.job.target is target)
        looked_at_all = self.reader.source.is_random_access or self.options.partition is not None
        if plan.boot is not None and not looked_at_all:
            check_unambiguous(target_view(target, head, size), plan.boot.partition)

    def _check_digest(self, sha256: str | None) -> None:
        expected = self.options.sha256
        source = self.reader.source
        found = [digest for digest in (source.stored_sha256(), sha256) if digest]
        if expected is None or expected in found:
            return
        raise ImageDamaged(
            f"{source.name} does not have this SHA-256: it is {' and, decompressed, '.join(found)}.",
            hint="Download it again, or check the source of the checksum.",
            found=found,
        )

    def _outcome(self, writer: TargetWriter, plan: TargetPlan) -> TargetResult:
        end_of_image = writer.end_of_image
        error = writer.error
        if writer.excluded and error is None and not self.reader.source.can_reopen:
            error = writer.target.add_state(
                IoFailed(
                    f"{writer.target.path} is much slower than the other drives and was not completed.",
                    hint="Flash it separately.",
                )
            )
            writer.error = error
        return TargetResult(
            target=writer.target,
            error=error,
            edited=plan.edited,
            size=end_of_image.size if end_of_image else 0,
            written=writer.written,
            rewritten=writer.rewritten,
            cleared=writer.cleared,
            reading=writer.reading,
            partitions=self.usage.partitions,
            sha256=end_of_image.sha256 if end_of_image else None,
            write_seconds=writer.write_seconds,
            verify_seconds=writer.verify_seconds,
        )


def _decompress_again(source: Source, places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, bytes]]:
    """The bytes at ascending (offset, length) pairs, from decompressing the image a second time."""
    if not places:
        return
    with source.reopen() as reread:
        position, buffer = 0, memoryview(bytearray(CHUNK))
        for offset, length in places:
            while position < offset:
                count = reread.readinto(buffer[: min(CHUNK, offset - position)])
                if not count:
                    return
                position += count
            count = reread.readinto(buffer[:length])
            position += count
            yield offset, bytes(buffer[:count]).ljust(length, b"\0")
