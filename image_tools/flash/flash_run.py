"""The threads of one flash: the feed that reads the image, and a lane for each target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from image_tools.flash.bmap_verifier import CheckAhead
from image_tools.flash.boot_preview import check_unambiguous
from image_tools.flash.direct_io import CHUNK
from image_tools.flash.image_feed import Feed, Piece
from image_tools.flash.image_reader import ImageReader
from image_tools.flash.outcome import Options, Outcome
from image_tools.flash.pipeline import Channel, Pipeline, Stopped
from image_tools.flash.target import HEAD, Target
from image_tools.flash.target_plan import Plan, held_ranges
from image_tools.flash.target_view import written_view
from image_tools.flash.target_writer import Event, Lane
from image_tools.flash.writer_progress import LaneProgress
from image_tools.partitions import Partition, read_table
from image_tools.source import Source
from image_tools.usage import Usage
from resin_toolkit.errors import ImageDamaged, IoFailed, NotAnImage
from resin_toolkit.progress import Progress


@dataclass
class Party:
    """One reading of the image for all targets that are written at the same time."""

    reader: ImageReader
    usage: Usage
    progress: Progress
    plans: Sequence[Plan]
    options: Options
    lane_type: type[Lane] = Lane
    lanes: list[Lane] = field(default_factory=list)
    pipeline: Pipeline = field(default_factory=Pipeline)
    events: Channel[Event] = field(init=False)
    _feed: Feed = field(init=False)
    _checking: CheckAhead | None = None
    _begins_checking: bool = False

    def __post_init__(self) -> None:
        options = self.options
        self._checking = self._check_ahead()
        self.events = self.pipeline.channel(Event)
        self.lanes = [
            self.lane_type(
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
        self._feed = Feed(
            self.reader,
            self.usage,
            held_ranges(self.plans),
            self.lanes,
            self.pipeline,
            digest=options.digest or options.sha256 is not None,
            block_map=options.block_map,
            checking=self._checking,
            approve=self._check_digest,
        )

    def _check_ahead(self) -> CheckAhead | None:
        """What compares the block map's checksums; where nothing does so yet, it begins with the reading."""
        options, source = self.options, self.reader.source
        if options.block_map is None or not source.is_random_access:
            return None
        if options.checking is not None and options.checking.source is source:
            return options.checking
        self._begins_checking = True
        return CheckAhead(options.block_map, source)

    def go(self) -> None:
        checking = self._checking if self._begins_checking else None
        try:
            with checking or nullcontext(), self.pipeline:
                self._feed.start()
                for lane in self.lanes:
                    self.pipeline.stage(f"flash-{lane.target.path}", lane.run)
                with LaneProgress(self.progress, self.reader.source, several=len(self.lanes) > 1) as shown:
                    while not all(lane.done for lane in self.lanes):
                        shown.show(self.events.get())
        except Stopped:
            # The feed stops when nobody is left to take anything; any other reason was raised instead.
            if not all(lane.error for lane in self.lanes):
                raise

    def outcomes(self) -> list[Outcome]:
        return [self._outcome(lane, plan) for lane, plan in zip(self.lanes, self.plans, strict=True)]

    # what the lanes need

    def release(self, piece: Piece) -> None:
        self._feed.release(piece)

    def again(self, places: Sequence[tuple[int, int]]) -> Iterable[tuple[int, bytes]] | None:
        source = self.reader.source
        if source.is_random_access:
            return ((offset, self.reader.at(offset, length)) for offset, length in places)
        return _unpacked_again(source, places) if source.can_reopen or not places else None

    def partitions(self) -> Sequence[Partition]:
        if self.usage.areas:
            return [area.partition for area in self.usage.areas]
        try:
            return read_table(self.reader.view(HEAD), tolerant=True).partitions
        except (NotAnImage, ImageDamaged):
            return ()

    def before_head(self, target: Target, head: bytes, size: int) -> None:
        plan = next(plan for plan in self.plans if plan.job.target is target)
        looked_at_all = self.reader.source.is_random_access or self.options.partition is not None
        if plan.boot is not None and not looked_at_all:
            check_unambiguous(written_view(target, head, size), plan.boot.partition)

    def _check_digest(self, sha256: str | None) -> None:
        expected = self.options.sha256
        source = self.reader.source
        found = [digest for digest in (source.stored_sha256(), sha256) if digest]
        if expected is None or expected in found:
            return
        raise ImageDamaged(
            f"{source.name} is not the file with this SHA-256: it has {' and, unpacked, '.join(found)}.",
            hint="Download it again, or check where the sum comes from.",
            found=found,
        )

    def _outcome(self, lane: Lane, plan: Plan) -> Outcome:
        ending = lane.ending
        error = lane.error
        if lane.apart and error is None and not self.reader.source.can_reopen:
            error = lane.target.explain(
                IoFailed(
                    f"{lane.target.path} is far slower than the others and was left behind.",
                    hint="Write it by itself.",
                )
            )
            lane.error = error
        return Outcome(
            target=lane.target,
            error=error,
            edited=plan.edited,
            size=ending.size if ending else 0,
            written=lane.written,
            rewritten=lane.rewritten,
            cleared=lane.cleared,
            reading=lane.reading,
            areas=self.usage.areas,
            sha256=ending.sha256 if ending else None,
            write_seconds=lane.write_seconds,
            verify_seconds=lane.verify_seconds,
        )


def _unpacked_again(source: Source, places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, bytes]]:
    """The bytes at ascending places, out of a second unpacking of the image."""
    if not places:
        return
    with source.reopen() as again:
        position, buffer = 0, memoryview(bytearray(CHUNK))
        for offset, length in places:
            while position < offset:
                count = again.readinto(buffer[: min(CHUNK, offset - position)])
                if not count:
                    return
                position += count
            count = again.readinto(buffer[:length])
            position += count
            yield offset, bytes(buffer[:count]).ljust(length, b"\0")
