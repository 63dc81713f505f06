"""`resin configure`: write config.json and network profiles to the boot partition of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from commands.common.completions import files, images
from commands.common.configure_options import ConfigureOptions
from commands.common.configure_request import build_requests, prompt_for_settings, resolve_answers
from commands.common.image_options import MemoryLimitOption, parse_memory_limit_option
from resin_toolkit.cli.command import as_examples, report_of, single_command, with_options
from resin_toolkit.errors import Interrupted, Usage
from resin_toolkit.terminal.report import Report, Result
from resin_toolkit.terminal.screen import Screen, clean

if TYPE_CHECKING:
    from image_tools.answers import Answers
    from image_tools.boot_partition import BootPartition
    from image_tools.configuration import ConfigurationPlan, Request

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
    """The changes that a run made, or would make with --dry-run. Secrets are hidden."""

    image: str
    partition: int
    diff: tuple[str, ...]
    written: bool
    confirmed: bool = False
    """Whether the user has already seen and confirmed the changes."""

    def data(self) -> Mapping[str, object]:
        return {
            "image": self.image,
            "partition": self.partition,
            "changes": list(self.diff),
            "written": self.written,
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        if not self.diff:
            return f"{self.image} is already configured this way; nothing was written."
        end = f"Written to partition {self.partition} of {self.image}."
        return clean(
            "\n".join(
                [
                    *(() if self.confirmed else self.diff),
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
            help="Image file, or a flashed drive.",
            show_default=False,
            readable=False,
            autocompletion=images,
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the configuration and exit.")] = False,
    toml: Annotated[
        bool, typer.Option("--toml", help="With --show, print an answers file that --from can read.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Report configuration errors and exit.")] = False,
    keys: Annotated[bool, typer.Option("--keys", help="List the keys of config.json and exit.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the changes without writing them.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write to a copy of the image; required if the image is compressed.",
            readable=False,
            autocompletion=files,
        ),
    ] = None,
    partition: Annotated[
        int | None, typer.Option(metavar="N", help="Number of the boot partition (default: detected).")
    ] = None,
    memory_limit: MemoryLimitOption = None,
    options: ConfigureOptions = ConfigureOptions(),
) -> Result:
    """Write config.json and network profiles to the boot partition of an image.

    Changes the image file directly, without mounting it and without root. Everything is checked before the
    first byte is written. An interruption leaves each file either unchanged or completely written.
    """
    from image_tools.boot_partition import open_boot
    from image_tools.image_file import check_medium_of
    from image_tools.private_files import keep_private

    report = report_of(context)
    report.if_interrupted = Interrupted("Interrupted; nothing was changed.")
    most_memory = parse_memory_limit_option(memory_limit)
    if keys or check or show or toml:
        others = (options.given, dry_run, output is not None, keys + check + show > 1, toml and not show)
        if any(others):
            raise Usage(
                "--show, --check and --keys cannot be combined with other options.",
                hint="Use one of them alone; --toml requires --show.",
            )
        return _view(image, partition, report, most_memory, keys=keys, check=check, toml=toml)
    if image is None:
        raise Usage("Missing argument 'IMAGE'.", hint="Give an image file or a flashed drive.")
    if not options.given and not report.interactive:
        raise Usage(
            "No configuration options were given.",
            hint="Use --hostname NAME, --wifi or --set KEY=VALUE, for example.",
        )
    answers = resolve_answers(options) if options.given else None
    if partition is None and answers is not None:
        partition = answers.partition
    request = None
    if output is not None and answers is not None:
        request = _check_early(image, options, answers, report)
    with _opened(image, output, report, most_memory, dry_run=dry_run) as file:
        check_medium = check_medium_of(file.fileno(), str(image))
        boot = open_boot(file, partition)
        planned = _planned(boot, options, answers, request, report)
        report.warn(*boot.notices, *planned.notices)
        target = str(image if output is None else output)
        if dry_run:
            boot.filesystem.dry_run(planned.changes)
        elif planned.changes:
            _write(boot, planned, target, report, check_medium, in_place=output is None)
            if output is None and (notice := keep_private(file, target)):
                report.warn(notice)
        written = not dry_run and (bool(planned.changes) or output is not None)
        confirmed = written and report.asked
        return Configured(target, boot.partition.number, planned.diff, written, confirmed)


def _view(
    image: Path | None,
    partition: int | None,
    report: Report,
    memory_limit: int,
    *,
    keys: bool,
    check: bool,
    toml: bool,
) -> Result:
    from commands.configure import views as views

    if keys:
        return views.known_keys()
    if image is None:
        raise Usage("Missing argument 'IMAGE'.", hint="Give an image file or a flashed drive.")
    if check:
        return views.checked(image, partition, report, memory_limit)
    return (views.shown_as_answers if toml else views.shown)(image, partition, report, memory_limit)


app = single_command(configure, epilog=as_examples(EXAMPLES))


def _check_early(image: Path, options: ConfigureOptions, answers: Answers, report: Report) -> Request:
    """Return the request, checked as far as possible before the slow copy of the image."""
    from image_tools.configuration import check_request

    image.stat()
    [request] = build_requests(options, answers, report)
    check_request(request)
    return request


def _planned(
    boot: BootPartition,
    options: ConfigureOptions,
    answers: Answers | None,
    request: Request | None,
    report: Report,
) -> ConfigurationPlan:
    from image_tools.configuration import plan, read_config

    if request is None:
        if answers is None:
            options = prompt_for_settings(report, read_config(boot.filesystem))
            answers = resolve_answers(options)
        [request] = build_requests(options, answers, report)
    return plan(boot.filesystem, request)


def _write(
    boot: BootPartition,
    planned: ConfigurationPlan,
    target: str,
    report: Report,
    check_medium: Callable[[], None],
    *,
    in_place: bool,
) -> None:
    """Write the changes, after a last question if there were others before, and a check of the medium."""
    if report.asked:
        report.say("\n".join(planned.diff))
        report.confirm(f"Write this to {target}?")
    if in_place:
        report.if_interrupted = Interrupted(
            f"Interrupted while writing; each file in {target} is either old or new.",
            hint="Run the same command again to complete it.",
        )
    check_medium()
    boot.filesystem.apply(planned.changes)
    report.warn(*boot.notices)


@contextmanager
def _opened(
    image: Path, output: Path | None, report: Report, memory_limit: int, *, dry_run: bool
) -> Iterator[BinaryIO]:
    from image_tools.image_file import open_copy, open_for_reading, open_for_writing

    if dry_run:
        with open_for_reading(image, report.progress(), memory_limit) as file:
            yield file
    elif output is None:
        with open_for_writing(image) as file:
            yield file
    else:
        if output.exists():
            report.confirm(f"{output} exists. Replace it?")
        report.if_interrupted = Interrupted(f"Interrupted; {output} was not written.")
        with open_copy(image, output, report.progress(), memory_limit) as file:
            yield file
