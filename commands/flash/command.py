"""`resin flash`: write an image to drives or files, and verify it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.block_map import block_map_of
from commands.common.completions import drives, files
from commands.common.configure_options import ConfigureOptions
from commands.common.configure_request import build_requests, resolve_answers, uses_stdin
from commands.flash.result import Fate, Flashed, failure_of, write_receipt
from commands.flash.targets import open_targets
from image_tools.answers.hosts import Card, cards_of, check_numbered
from resin_toolkit.cli.command import report_of, single_command, with_options
from resin_toolkit.errors import BadValue, Interrupted, Notice, NotPermitted, PathNotFound, ResinError, Usage
from resin_toolkit.terminal.report import Report

if TYPE_CHECKING:
    from image_tools.answers import Answers
    from image_tools.block_map import BlockMap
    from image_tools.boot_partition import BootPartition
    from image_tools.configuration import Request
    from image_tools.drives import Drive
    from image_tools.flash import FlashOptions, Target, TargetResult
    from image_tools.flash.bmap_verifier import BmapVerifier
    from image_tools.flash.target_plan import Edit
    from image_tools.source import Source

EXAMPLES = """\b
Examples:
  resin flash resin.img.xz /dev/sdb
  resin flash resin.img.zip
  resin flash resin.img.xz /dev/sdb /dev/sdc /dev/sdd --hostname 'lab-{n}'
  resin flash resin.img.gz /dev/sdb --probe --discard --eject
  resin flash resin.img card.img
  curl -L https://example.org/resin.img.gz | resin flash - /dev/sdb --yes
"""


@with_options(ConfigureOptions)
def flash(
    context: typer.Context,
    image: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE",
            help="Image file, compressed or not; - reads stdin.",
            show_default=False,
            autocompletion=files,
        ),
    ],
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET]...",
            help="Drives, such as /dev/sdb, or files.",
            show_default=False,
            autocompletion=drives,
        ),
    ] = None,
    allow_fixed: Annotated[
        bool, typer.Option("--allow-fixed", help="Allow fixed drives and loop devices.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Write every byte, including unused areas.")] = False,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Skip the verification.")] = False,
    bmap: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Use and check this block map (.bmap) of the image.",
            readable=False,
            autocompletion=files,
        ),
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Check the SHA-256 of the image or of its compressed file."),
    ] = None,
    entry: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use this file of a zip archive that contains several.")
    ] = None,
    probe: Annotated[bool, typer.Option("--probe", help="Test the capacity of the drive first.")] = False,
    discard: Annotated[
        bool, typer.Option("--discard", help="Discard the whole drive first, if it supports that.")
    ] = False,
    eject: Annotated[bool, typer.Option("--eject", help="Eject the drive when done.")] = False,
    hosts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Read each card's hostname,address,gateway from this file.",
            readable=False,
            autocompletion=files,
        ),
    ] = None,
    receipt: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a report of the run as JSON.", readable=False, autocompletion=files
        ),
    ] = None,
    partition: Annotated[
        int | None, typer.Option(metavar="N", help="Use this partition as the boot partition.")
    ] = None,
    options: ConfigureOptions = ConfigureOptions(),
) -> Flashed:
    """Write an image to one or several drives or files, and verify it.

    The image may be packed as gz, xz, zst, bz2 or zip. What its file systems do not use is left out. What
    was written is flushed, read back past the page cache and compared. Drives that hold the running system,
    are in use or read-only are refused. The options of `resin configure` change what is written; the image
    stays as it is. {n} in --hostname counts the targets.
    """
    from image_tools.source import open_source, parse_sha256

    report = report_of(context)
    report.if_interrupted = Interrupted("Interrupted; nothing was written.")
    expected = parse_sha256(sha256) if sha256 is not None else None
    cards = cards_of(hosts, max(1, len(targets or ())))
    answers = resolve_answers(options) if options.given or hosts is not None else None
    requests = _requests(image, options, answers, report, cards)
    if partition is None and answers is not None:
        partition = answers.partition
    block_map = block_map_of(bmap)
    digest = expected is not None or receipt is not None
    _check_receipt(receipt, [image, *(targets or ())])
    with open_source(image, digest=digest, entry=entry) as source, ExitStack() as stack:
        # A block map's checksums take longest: they begin before all else is even loaded.
        bmap_verifier = _bmap_verifier(source, block_map, stack)
        from image_tools.flash import FlashOptions

        how = FlashOptions(
            verify=not no_verify,
            full=full,
            sha256=expected,
            digest=digest,
            block_map=block_map,
            bmap_verifier=bmap_verifier,
            partition=partition,
            probe=probe,
            discard=discard,
            eject=eject,
        )
        opened = open_targets(image, source, targets or (), report, stack, allow_fixed=allow_fixed)
        started = _now()
        flashed = _flashed(source, opened, requests, report, how, started)
    failure = failure_of(flashed.fates)
    if receipt is not None:
        _write_receipt(receipt, flashed, report, failure)
    if failure is not None:
        failure.partial = flashed if len(flashed.fates) > 1 else None
        raise failure
    return flashed


app = single_command(flash, epilog=EXAMPLES)


def _bmap_verifier(source: Source, block_map: BlockMap | None, stack: ExitStack) -> BmapVerifier | None:
    """What compares a block map's checksums from now on; None where that is done as the image streams by."""
    if block_map is None or not source.is_random_access:
        return None
    from image_tools.flash.bmap_verifier import BmapVerifier

    return stack.enter_context(BmapVerifier(block_map, source))


def _requests(
    image: str, options: ConfigureOptions, answers: Answers | None, report: Report, cards: Sequence[Card]
) -> Sequence[Request | None]:
    """Return a request for each card, checked as far as possible without a boot partition."""
    if answers is None:
        return [None] * len(cards)
    if image == "-" and uses_stdin(options):
        raise Usage("stdin cannot be the image and a secret.", hint="Give the secret in a file.")
    from image_tools.configuration import check_request

    check_numbered(answers.hostname, cards)
    requests = build_requests(options, answers, report, cards)
    for request in requests:
        check_request(request)
    return requests


def _check_receipt(path: Path | None, others: Sequence[str]) -> None:
    """Raise now what would keep the receipt from being written at the end, or let it replace `others`."""
    if path is None:
        return
    if path.is_dir() or not path.parent.is_dir():
        raise PathNotFound(f"{path} cannot be written: there is no such folder.", hint="Make it first.")
    if path.exists() and not path.is_file():
        raise BadValue(f"{path} is not a regular file.", hint="Name a file to write the receipt to.")
    if path.resolve() in [Path(other).resolve() for other in others if other != "-"]:
        raise Usage(
            f"The receipt would replace {path}, which is the image or a target.", hint="Name another."
        )
    if not os.access(path.parent, os.W_OK):
        raise NotPermitted(f"{path.parent} may not be written to.", hint="Choose another place.")


def _write_receipt(path: Path, flashed: Flashed, report: Report, failure: ResinError | None) -> None:
    """Write the receipt; where it cannot be, what has become of the targets is told all the same."""
    try:
        write_receipt(path, flashed)
    except ResinError as error:
        if failure is not None:
            report.warn(Notice("no-receipt", f"There is no receipt: {error.message}"))
            return
        error.message += " The image was written all the same; only the receipt is missing."
        error.partial = flashed
        raise


def _flashed(
    source: Source,
    targets: Sequence[Target],
    requests: Sequence[Request | None],
    report: Report,
    how: FlashOptions,
    started: str,
) -> Flashed:
    from image_tools.drives import find_drive
    from image_tools.flash import FlashJob
    from image_tools.flash import flash as write_and_verify

    drives = [find_drive(target.path) if target.is_drive else None for target in targets]
    jobs = [
        FlashJob(target, None if request is None else _edit(request, report))
        for target, request in zip(targets, requests, strict=True)
    ]
    # The first Ctrl-C tidies up; this is for one that comes while that goes on.
    names = ", ".join(target.path for target in targets)
    report.if_interrupted = Interrupted(f"Interrupted at once: {names} may hold no usable image.")
    try:
        results = write_and_verify(source, jobs, report.progress(), how)
    finally:
        report.warn(*source.notices, *(notice for target in targets for notice in target.notices))
    done = next((outcome for outcome in results if outcome.error is None), results[0])
    return Flashed(
        image=source.name,
        kind=source.kind.value,
        size=done.size,
        sha256=done.sha256,
        stored_sha256=source.stored_sha256() if how.digest else None,
        started=started,
        finished=_now(),
        fates=tuple(
            _fate(outcome, drive, request, how)
            for outcome, drive, request in zip(results, drives, requests, strict=True)
        ),
    )


def _fate(outcome: TargetResult, drive: Drive | None, request: Request | None, how: FlashOptions) -> Fate:
    return Fate(
        target=outcome.target.path,
        drive=drive,
        error=outcome.error,
        hostname=dict(request.sets).get("hostname") if request is not None else None,
        configured=outcome.edited or (),
        written=outcome.written,
        rewritten=outcome.rewritten,
        stale=drive is not None and not (how.full or outcome.cleared) and outcome.written < outcome.size,
        read_back=outcome.reading is not None,
        verified=outcome.verified,
        write_seconds=outcome.write_seconds,
        verify_seconds=outcome.verify_seconds,
    )


def _edit(request: Request, report: Report) -> Edit:
    """The change of a boot partition; it returns what it did, for a person to read."""
    from image_tools.configuration import plan

    def configure(boot: BootPartition) -> tuple[str, ...]:
        planned = plan(boot.filesystem, request)
        boot.filesystem.apply(planned.changes)
        report.warn(*planned.notices)
        return planned.diff

    return configure


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
