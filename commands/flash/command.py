"""`resin flash`: write an image to drives or files, and verify it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.completions import drives, files
from commands.common.configure_options import ConfigureOptions
from commands.common.configure_request import build_requests, resolve_answers
from commands.common.image_options import (
    BmapOption,
    EntryOption,
    ImageArgument,
    MemoryLimitOption,
    Sha256Option,
    parse_memory_limit_option,
    read_image_checks,
)
from commands.common.option_answers import stdin_readers
from commands.common.secrets import check_stdin_readers
from commands.flash.result import FlashedTarget, FlashResult, check_receipt, failure_of, write_receipt
from commands.flash.targets import open_targets
from image_tools.answers.hosts import Card, check_unique, read_cards
from resin_toolkit.cli.command import report_of, single_command, with_options
from resin_toolkit.errors import Interrupted, Notice, ResinError
from resin_toolkit.terminal.report import Report

if TYPE_CHECKING:
    from image_tools.answers import Answers
    from image_tools.block_map import BlockMap
    from image_tools.boot_partition import BootPartition
    from image_tools.configuration import Request
    from image_tools.flash import FlashOptions, Target
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
    image: ImageArgument,
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
        bool, typer.Option("--allow-fixed", help="Allow non-removable drives and loop devices.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Write every byte, including unused areas.")] = False,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Skip the verification.")] = False,
    bmap: BmapOption = None,
    sha256: Sha256Option = None,
    entry: EntryOption = None,
    memory_limit: MemoryLimitOption = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Test the real capacity of the drive first.")
    ] = False,
    discard: Annotated[
        bool, typer.Option("--discard", help="Discard (TRIM) the whole drive first, if supported.")
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
        int | None, typer.Option(metavar="N", help="Number of the boot partition (default: detected).")
    ] = None,
    options: ConfigureOptions = ConfigureOptions(),
) -> FlashResult:
    """Write an image to one or more drives or files, and verify it.

    The image may be compressed (gz, xz, zst, bz2, zip). Blocks that its file systems do not use are skipped.
    The data is flushed, read back bypassing the page cache, and compared. Drives that are read-only, in use
    or part of the running system are refused. The options of `resin configure` change what is written, not
    the image file. {n} in --hostname is replaced by the number of the target.
    """
    from image_tools.source import open_source

    report = report_of(context)
    report.if_interrupted = Interrupted("Interrupted; nothing was written.")
    check_stdin_readers([("the image", image), ("--bmap", bmap), ("--hosts", hosts), *stdin_readers(options)])
    checks = read_image_checks(sha256, bmap)
    most_memory = parse_memory_limit_option(memory_limit)
    cards = read_cards(hosts, max(1, len(targets or ())))
    answers = resolve_answers(options) if options.given or hosts is not None else None
    requests = _requests(options, answers, report, cards)
    if partition is None and answers is not None:
        partition = answers.partition
    digest = checks.sha256 is not None or receipt is not None
    if receipt is not None:
        check_receipt(receipt, [image, *(targets or ())])
    with (
        open_source(image, digest=digest, entry=entry, memory_limit=most_memory) as source,
        ExitStack() as stack,
    ):
        # Verifying a block map takes longest, so it starts before the rest is even imported.
        bmap_verifier = _start_bmap_verifier(source, checks.block_map, stack)
        from image_tools.flash import FlashOptions

        flash_options = FlashOptions(
            verify=not no_verify,
            full=full,
            sha256=checks.sha256,
            digest=digest,
            block_map=checks.block_map,
            bmap_verifier=bmap_verifier,
            partition=partition,
            probe=probe,
            discard=discard,
            eject=eject,
        )
        opened = open_targets(image, source, targets or (), report, stack, allow_fixed=allow_fixed)
        result = _flash(source, opened, requests, report, flash_options)
    failure = failure_of(result.targets)
    if receipt is not None:
        _write_receipt(receipt, result, report, failure)
    if failure is not None:
        failure.partial = result if len(result.targets) > 1 else None
        raise failure
    return result


app = single_command(flash, epilog=EXAMPLES)


def _start_bmap_verifier(source: Source, block_map: BlockMap | None, stack: ExitStack) -> BmapVerifier | None:
    """Verify the block map in the background; None for a stream, which is verified while it is read."""
    if block_map is None or not source.is_random_access:
        return None
    from image_tools.flash.bmap_verifier import BmapVerifier

    return stack.enter_context(BmapVerifier(block_map, source))


def _requests(
    options: ConfigureOptions, answers: Answers | None, report: Report, cards: Sequence[Card]
) -> Sequence[Request | None]:
    """Return a request for each card, checked as far as possible without a boot partition."""
    if answers is None:
        return [None] * len(cards)
    from image_tools.configuration import check_request

    check_unique(answers.hostname, cards)
    requests = build_requests(options, answers, report, cards)
    for request in requests:
        check_request(request)
    return requests


def _write_receipt(path: Path, result: FlashResult, report: Report, failure: ResinError | None) -> None:
    """Write the receipt. A receipt that cannot be written must not hide the result of the targets."""
    try:
        write_receipt(path, result)
    except ResinError as error:
        if failure is not None:
            report.warn(Notice("no-receipt", f"The receipt was not written: {error.message}"))
            return
        error.message += " The image was written and only the receipt is missing."
        error.partial = result
        raise


def _flash(
    source: Source,
    targets: Sequence[Target],
    requests: Sequence[Request | None],
    report: Report,
    options: FlashOptions,
) -> FlashResult:
    from image_tools.drives import find_drive
    from image_tools.flash import FlashJob
    from image_tools.flash import flash as write_and_verify

    drives = [find_drive(target.path) if target.is_drive else None for target in targets]
    jobs = [
        FlashJob(target, None if request is None else _edit(request, report))
        for target, request in zip(targets, requests, strict=True)
    ]
    # The first Ctrl-C cleans up; this message is for a second one during the cleanup.
    names = ", ".join(target.path for target in targets)
    report.if_interrupted = Interrupted(f"Interrupted during cleanup: {names} may hold no usable image.")
    started = _now()
    try:
        results = write_and_verify(source, jobs, report.progress(), options)
    finally:
        report.warn(*source.notices, *(notice for target in targets for notice in target.notices))
    first = next((result for result in results if result.error is None), results[0])
    return FlashResult(
        image=source.name,
        format=source.format.value,
        size=first.size,
        sha256=first.sha256,
        stored_sha256=source.stored_sha256() if options.digest else None,
        started=started,
        finished=_now(),
        targets=tuple(
            FlashedTarget.of(result, drive, request, full=options.full)
            for result, drive, request in zip(results, drives, requests, strict=True)
        ),
    )


def _edit(request: Request, report: Report) -> Edit:
    """Return the edit of the boot partition that `request` describes; its result is the diff."""
    from image_tools.configuration import plan

    def configure(boot: BootPartition) -> tuple[str, ...]:
        planned = plan(boot.filesystem, request)
        boot.filesystem.apply(planned.changes)
        report.warn(*planned.notices)
        return planned.diff

    return configure


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
