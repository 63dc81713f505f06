"""`resin configure`: put config.json and network profiles into the boot partition of an image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from commands._configuring import ConfigureOptions, ask_for_everything, request_of
from resin_toolkit.errors import Usage
from resin_toolkit.report import Report, Result, Screen
from resin_toolkit.verb import report_of, single, takes

if TYPE_CHECKING:
    from image_tools.boot import BootPartition
    from image_tools.configuration import Plan
    from image_tools.os_info import OsInfo

EXAMPLES = """\b
Examples:
  resin configure image.img --wifi --ssid Home --passphrase-file wifi.txt
  resin configure image.img --hostname kitchen --persistent-logging
  resin configure image.img.xz --hostname kitchen --output kitchen.img
  resin configure image.img --show
"""


@dataclass(frozen=True)
class Configured:
    """What a run changed, or with --dry-run would change. Secrets are hidden."""

    image: str
    partition: int
    diff: tuple[str, ...]
    written: bool

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
        return "\n".join([*self.diff, end if self.written else "Nothing was written (--dry-run)."])


@dataclass(frozen=True)
class Configuration:
    """What is configured in an image. Secrets are hidden."""

    image: str
    partition: int
    os: OsInfo
    config: Mapping[str, object]
    connections: tuple[Mapping[str, object], ...]

    def data(self) -> Mapping[str, object]:
        return {
            "image": self.image,
            "partition": self.partition,
            "os": asdict(self.os),
            "config": self.config,
            "connections": list(self.connections),
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        import json

        lines = [f"config.json (partition {self.partition}):"]
        lines.append(json.dumps(self.config, indent=2, ensure_ascii=False))
        lines.append("system-connections:" if self.connections else "system-connections: none")
        for connection in self.connections:
            unused = "" if connection["used"] else " (not used by the device)"
            lines.append(f"  {connection['file']}{unused}")
            lines.extend(f"    {fact}" for fact in _facts(connection))
        return "\n".join(lines)


@takes(ConfigureOptions)
def configure(
    context: typer.Context,
    image: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGE", help="An image file, or a drive that was flashed.", show_default=False
        ),
    ],
    show: Annotated[bool, typer.Option("--show", help="Print what is configured, and stop.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would change, and stop.")] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to a copy; needed for a compressed image.")
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
    report = report_of(context)
    if show:
        return _shown(image, partition, options, report)
    if not options.given and not report.interactive:
        raise Usage(
            "Nothing to configure was given.", hint="For example --hostname NAME, --wifi or --set KEY=VALUE."
        )
    with _opened(image, output, report, read_only=dry_run and output is None) as file:
        return _configured(
            file, image if output is None else output, partition, options, report, dry_run=dry_run
        )


app = single(configure, epilog=EXAMPLES)


def _facts(connection: Mapping[str, object]) -> Iterator[str]:
    """The settings of a connection, or why they cannot be read."""
    if "problem" in connection:
        yield str(connection["problem"])
    settings = connection.get("settings")
    for section, keys in settings.items() if isinstance(settings, Mapping) else ():
        for key, value in keys.items():
            yield f"{section}.{key} = {value}"


def _shown(image: Path, partition: int | None, options: ConfigureOptions, report: Report) -> Configuration:
    from image_tools import config as config_file
    from image_tools.boot import open_boot
    from image_tools.configuration import read_config, shown_connections
    from image_tools.media import opened_for_reading
    from image_tools.os_info import read_os_info

    if options.given:
        raise Usage("--show changes nothing.", hint="Leave out --show, or the options that change something.")
    with opened_for_reading(image, report.progress()) as file:
        boot = open_boot(file, partition)
        report.warn(*boot.notices)
        return Configuration(
            str(image),
            boot.partition.number,
            read_os_info(boot.filesystem, boot.partition.name),
            config_file.hidden(read_config(boot.filesystem)),
            shown_connections(boot.filesystem),
        )


def _configured(
    file: BinaryIO,
    image: Path,
    partition: int | None,
    options: ConfigureOptions,
    report: Report,
    *,
    dry_run: bool,
) -> Configured:
    from image_tools.boot import open_boot

    boot = open_boot(file, partition)
    planned, asked = _planned(boot, options, report)
    report.warn(*boot.notices, *planned.notices)
    if dry_run:
        boot.filesystem.rehearse(planned.changes)
    elif planned.changes:
        if asked:
            report.say("\n".join(planned.diff))
            report.confirm(f"Write this to {image}?")
        write_plan(boot, planned)
        report.warn(*boot.notices)
    return Configured(str(image), boot.partition.number, planned.diff, bool(planned.changes) and not dry_run)


def _planned(boot: BootPartition, options: ConfigureOptions, report: Report) -> tuple[Plan, bool]:
    """The plan, and whether the user was asked for parts of it."""
    from image_tools.configuration import plan, read_config

    asked = not options.given
    if asked:
        options = ask_for_everything(report, read_config(boot.filesystem))
    return plan(boot.filesystem, request_of(options, report)), asked


def write_plan(boot: BootPartition, planned: Plan) -> None:
    """Write a plan, dated SOURCE_DATE_EPOCH where that is set."""
    from image_tools.clock import write_time

    boot.filesystem.apply(planned.changes, now=write_time())


@contextmanager
def _opened(image: Path, output: Path | None, report: Report, *, read_only: bool) -> Iterator[BinaryIO]:
    from image_tools.media import copied, opened_for_reading, opened_for_writing

    if output is not None:
        if output.exists():
            report.confirm(f"Replace {output}?")
        with copied(image, output, report.progress()) as file:
            yield file
    elif read_only:
        with opened_for_reading(image, report.progress()) as file:
            yield file
    else:
        with opened_for_writing(image) as file:
            yield file
