"""`resin configure`: put config.json and network profiles into the boot partition of an image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from commands.common.completions import files, images
from commands.common.configure_options import ConfigureOptions
from commands.common.configure_request import ask_for_everything, build_request, resolve_answers
from resin_toolkit.cli.verb import as_examples, report_of, single_command, with_options
from resin_toolkit.errors import Interrupted, Usage
from resin_toolkit.terminal.report import Report, Result
from resin_toolkit.terminal.screen import Screen, clean

if TYPE_CHECKING:
    from image_tools.answers import Answers
    from image_tools.boot_partition import BootPartition
    from image_tools.configuration import Plan, Request

EXAMPLES = """
resin configure image.img --wifi --ssid Home --passphrase-file wifi.txt
resin configure image.img --hostname kitchen --persistent-logging
resin configure image.img.xz --hostname kitchen --output kitchen.img
resin configure image.img --set country=DE --dry-run
resin configure image.img --from kitchen.toml
resin configure image.img --show
resin configure image.img --check
"""


@dataclass(frozen=True)
class Configured:
    """What a run changed, or with --dry-run would change. Secrets are hidden."""

    image: str
    partition: int
    diff: tuple[str, ...]
    written: bool
    agreed: bool = False
    """Whether the user saw the changes and agreed to them, so that they need not be told again."""

    def data(self) -> Mapping[str, object]:
        return {
            "image": self.image,
            "partition": self.partition,
            "changes": list(self.diff),
            "written": self.written,
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        if not self.diff:
            return f"{self.image} is configured like that already; nothing was written."
        end = f"Written to partition {self.partition} of {self.image}."
        return clean(
            "\n".join(
                [
                    *(() if self.agreed else self.diff),
                    end if self.written else "Nothing was written (--dry-run).",
                ]
            )
        )


@with_options(ConfigureOptions)
def configure(
    context: typer.Context,
    image: Annotated[
        Path | None,
        typer.Argument(
            metavar="IMAGE",
            help="An image file, or a drive that was flashed.",
            show_default=False,
            readable=False,
            autocompletion=images,
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print what is configured, and stop.")] = False,
    toml: Annotated[bool, typer.Option("--toml", help="With --show: as a file of answers.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Print what cannot work, and stop.")] = False,
    keys: Annotated[bool, typer.Option("--keys", help="List the keys of config.json, and stop.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would change, and stop.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write to a copy; needed for a compressed image.",
            readable=False,
            autocompletion=files,
        ),
    ] = None,
    partition: Annotated[
        int | None, typer.Option(metavar="N", help="Take this partition for the boot partition.")
    ] = None,
    options: ConfigureOptions = ConfigureOptions(),
) -> Result:
    """Write config.json and network profiles into the boot partition of an image.

    Works on the image file itself, without mounting and without root. Everything is checked before the first
    byte is written; after an interruption each file is either old or new.
    """
    from image_tools.boot_partition import open_boot

    report = report_of(context)
    report.if_interrupted = Interrupted("Interrupted; nothing was changed.")
    if keys or check or show or toml:
        others = (options.given, dry_run, output is not None, keys + check + show > 1, toml and not show)
        if any(others):
            raise Usage(
                "--show, --check and --keys change nothing, so nothing else goes with them.",
                hint="Leave out the others; --toml goes with --show.",
            )
        return _view(image, partition, report, keys=keys, check=check, toml=toml)
    if image is None:
        raise Usage("Missing argument 'IMAGE'.", hint="Name an image file, or a drive that was flashed.")
    if not options.given and not report.interactive:
        raise Usage(
            "Nothing to configure was given.", hint="For example --hostname NAME, --wifi or --set KEY=VALUE."
        )
    answers = resolve_answers(options) if options.given else None
    if partition is None and answers is not None:
        partition = answers.partition
    request = None
    if output is not None and answers is not None:
        request = _early_request(image, options, answers, report)
    with _opened(image, output, report, dry_run=dry_run) as file:
        boot = open_boot(file, partition)
        planned = _planned(boot, options, answers, request, report)
        report.warn(*boot.notices, *planned.notices)
        target = str(image if output is None else output)
        if dry_run:
            boot.filesystem.rehearse(planned.changes)
        elif planned.changes:
            _write(boot, planned, target, report, in_place=output is None, ask=report.asked)
        written = not dry_run and (bool(planned.changes) or output is not None)
        agreed = written and report.asked
        return Configured(target, boot.partition.number, planned.diff, written, agreed)


def _view(
    image: Path | None, partition: int | None, report: Report, *, keys: bool, check: bool, toml: bool
) -> Result:
    from commands.configure import views as views

    if keys:
        return views.known_keys()
    if image is None:
        raise Usage("Missing argument 'IMAGE'.", hint="Name an image file, or a drive that was flashed.")
    if check:
        return views.checked(image, partition, report)
    return (views.shown_as_answers if toml else views.shown)(image, partition, report)


app = single_command(configure, epilog=as_examples(EXAMPLES))


def _early_request(image: Path, options: ConfigureOptions, answers: Answers, report: Report) -> Request:
    """The request, checked as far as it can be before the image is copied, which takes long."""
    from image_tools.configuration import check_request

    image.stat()
    request = build_request(options, answers, report)
    check_request(request)
    return request


def _planned(
    boot: BootPartition,
    options: ConfigureOptions,
    answers: Answers | None,
    request: Request | None,
    report: Report,
) -> Plan:
    from image_tools.configuration import plan, read_config

    if request is None:
        if answers is None:
            options = ask_for_everything(report, read_config(boot.filesystem))
            answers = resolve_answers(options)
        request = build_request(options, answers, report)
    return plan(boot.filesystem, request)


def _write(
    boot: BootPartition, planned: Plan, target: str, report: Report, *, in_place: bool, ask: bool
) -> None:
    from image_tools.file_times import write_time

    if ask:
        report.say("\n".join(planned.diff))
        report.confirm(f"Write this to {target}?")
    if in_place:
        report.if_interrupted = Interrupted(
            f"Interrupted while writing; each file in {target} is either old or new.",
            hint="Run the same command again to complete it.",
        )
    boot.filesystem.apply(planned.changes, now=write_time())
    report.warn(*boot.notices)


@contextmanager
def _opened(image: Path, output: Path | None, report: Report, *, dry_run: bool) -> Iterator[BinaryIO]:
    from image_tools.image_file import copied, opened_for_reading, opened_for_writing

    if dry_run:
        with opened_for_reading(image, report.progress()) as file:
            yield file
    elif output is None:
        with opened_for_writing(image) as file:
            yield file
    else:
        if output.exists():
            report.confirm(f"{output} exists. Replace it?")
        report.if_interrupted = Interrupted(f"Interrupted; {output} was not written.")
        with copied(image, output, report.progress()) as file:
            yield file
