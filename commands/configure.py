"""`resin configure`: put config.json and network profiles into the boot partition of an image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from commands._configuring import ConfigureOptions, ask_for_everything, request_of
from resin_toolkit.errors import Interrupted, Usage
from resin_toolkit.report import Report, Result, Screen, clean
from resin_toolkit.verb import as_examples, report_of, single, takes

if TYPE_CHECKING:
    from image_tools.boot import BootPartition
    from image_tools.configuration import Plan, Request
    from image_tools.os_info import OsInfo

EXAMPLES = """
resin configure image.img --wifi --ssid Home --passphrase-file wifi.txt
resin configure image.img --hostname kitchen --persistent-logging
resin configure image.img.xz --hostname kitchen --output kitchen.img
resin configure image.img --set country=DE --dry-run
resin configure image.img --show
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
        return clean("\n".join(lines))


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
    from image_tools.boot import open_boot

    report = report_of(context)
    report.if_interrupted = Interrupted("Interrupted; nothing was changed.")
    if show:
        if options.given or dry_run or output is not None:
            raise Usage(
                "--show changes nothing, so it goes with --partition only.", hint="Leave out the others."
            )
        return _shown(image, partition, report)
    if not options.given and not report.interactive:
        raise Usage(
            "Nothing to configure was given.", hint="For example --hostname NAME, --wifi or --set KEY=VALUE."
        )
    request = _early_request(image, options, report) if output is not None and options.given else None
    with _opened(image, output, report, dry_run=dry_run) as file:
        boot = open_boot(file, partition)
        planned = _planned(boot, options, request, report)
        report.warn(*boot.notices, *planned.notices)
        target = str(image if output is None else output)
        if dry_run:
            boot.filesystem.rehearse(planned.changes)
        elif planned.changes:
            _write(boot, planned, target, report, in_place=output is None, ask=not options.given)
        written = not dry_run and (bool(planned.changes) or output is not None)
        agreed = written and not options.given
        return Configured(target, boot.partition.number, planned.diff, written, agreed)


app = single(configure, epilog=as_examples(EXAMPLES))


def _facts(connection: Mapping[str, object]) -> Iterator[str]:
    """The settings of a connection, or why they cannot be read."""
    if "problem" in connection:
        yield str(connection["problem"])
    settings = connection.get("settings")
    for section, keys in settings.items() if isinstance(settings, Mapping) else ():
        for key, value in keys.items():
            yield f"{section}.{key} = {value}"


def _shown(image: Path, partition: int | None, report: Report) -> Configuration:
    from image_tools import config as config_file
    from image_tools.boot import open_boot
    from image_tools.configuration import read_config, shown_connections
    from image_tools.media import opened_for_reading
    from image_tools.os_info import read_os_info

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


def _early_request(image: Path, options: ConfigureOptions, report: Report) -> Request:
    """The request, checked as far as it can be before the image is copied, which takes long."""
    from image_tools.configuration import check_request

    image.stat()
    request = request_of(options, report)
    check_request(request)
    return request


def _planned(boot: BootPartition, options: ConfigureOptions, request: Request | None, report: Report) -> Plan:
    from image_tools.configuration import plan, read_config

    if request is None:
        if not options.given:
            options = ask_for_everything(report, read_config(boot.filesystem))
        request = request_of(options, report)
    return plan(boot.filesystem, request)


def _write(
    boot: BootPartition, planned: Plan, target: str, report: Report, *, in_place: bool, ask: bool
) -> None:
    from image_tools.clock import write_time

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
    from image_tools.media import copied, opened_for_reading, opened_for_writing

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
