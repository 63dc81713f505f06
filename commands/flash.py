"""`resin flash`: write an image to a drive or file, and verify it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from commands._configure_options import ConfigureOptions
from commands._configuring import all_answers, request_of, uses_stdin
from commands.drives import may_be_flashed, partitions_of
from resin_toolkit.errors import DriveNotFound, Usage
from resin_toolkit.report import Report, Screen, human_size
from resin_toolkit.verb import report_of, single, takes

if TYPE_CHECKING:
    from image_tools.configuration import Request
    from image_tools.drives import Drive
    from image_tools.flash.target import Target
    from image_tools.source import Source

EXAMPLES = """\b
Examples:
  resin flash resin.img.xz /dev/sdb
  resin flash resin.img.zip
  resin flash resin.img card.img
  curl -L https://example.org/resin.img.gz | resin flash - /dev/sdb --yes
"""


@dataclass(frozen=True)
class Flashed:
    """What was written; `size` in bytes. `verified` only if all was read back past the page cache."""

    image: str
    kind: str
    target: str
    size: int
    write_seconds: float
    verify_seconds: float
    read_back: bool
    verified: bool
    sha256: str | None
    configured: tuple[str, ...]
    """The changes that were made to what was written, for a person to read; secrets are hidden."""

    @property
    def rate(self) -> int:
        """Bytes a second, written and flushed."""
        return int(self.size / max(self.write_seconds, 0.001))

    def data(self) -> Mapping[str, object]:
        return {
            "image": self.image,
            "kind": self.kind,
            "target": self.target,
            "bytes": self.size,
            "seconds": round(self.write_seconds + self.verify_seconds, 3),
            "write_seconds": round(self.write_seconds, 3),
            "verify_seconds": round(self.verify_seconds, 3),
            "rate": self.rate,
            "read_back": self.read_back,
            "verified": self.verified,
            "sha256": self.sha256,
            "configured": list(self.configured),
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        wrote = (
            f"Wrote {human_size(self.size)} to {self.target} in {self.write_seconds:.1f} s "
            f"({human_size(self.rate)}/s)"
        )
        if self.verified:
            wrote += " and verified it: read back past the page cache, every byte is right."
        elif self.read_back:
            wrote += "; what was read back is equal, but may have come from the page cache."
        else:
            wrote += ". It was not verified."
        return "\n".join([wrote, *self.configured])


@takes(ConfigureOptions)
def flash(
    context: typer.Context,
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="An image, packed or not; - is stdin.", show_default=False)
    ],
    target: Annotated[
        str | None,
        typer.Argument(metavar="[TARGET]", help="A drive such as /dev/sdb, or a file.", show_default=False),
    ] = None,
    allow_fixed: Annotated[
        bool, typer.Option("--allow-fixed", help="Also drives that are not removable, loop devices too.")
    ] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not read back what was written.")
    ] = False,
    sha256: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Check the image, or the file it comes in, while it is written."),
    ] = None,
    partition: Annotated[
        int | None, typer.Option(metavar="N", help="Take this partition for the boot partition.")
    ] = None,
    options: ConfigureOptions = ConfigureOptions(),
) -> Flashed:
    """Write an image to a drive or file, and verify it.

    The image may be packed as gz, xz, zst, bz2 or zip. What was written is flushed, read back past the page
    cache and compared. Drives that hold the running system, are mounted or read-only are refused. The options
    of `resin configure` change what was written; the image stays as it is.
    """
    from image_tools.flash import parse_sha256
    from image_tools.source import open_source

    report = report_of(context)
    expected = parse_sha256(sha256) if sha256 is not None else None
    request = _request(image, options, report)
    if partition is None and options.given:
        partition = all_answers(options).partition
    with (
        open_source(image, digest=expected is not None) as source,
        _opened_target(image, source, target, report, allow_fixed=allow_fixed) as opened,
    ):
        return _flashed(
            source,
            opened,
            report,
            verify=not no_verify,
            sha256=expected,
            request=request,
            partition=partition,
        )


app = single(flash, epilog=EXAMPLES)


def _request(image: str, options: ConfigureOptions, report: Report) -> Request | None:
    """What to configure, checked as far as that is possible before there is a boot partition."""
    if not options.given:
        return None
    if image == "-" and uses_stdin(options):
        raise Usage("stdin cannot be the image and a secret.", hint="Give the secret in a file.")
    from image_tools.configuration import check_request

    request = request_of(options, report)
    check_request(request)
    return request


def _flashed(
    source: Source,
    target: Target,
    report: Report,
    *,
    verify: bool,
    sha256: str | None,
    request: Request | None,
    partition: int | None,
) -> Flashed:
    from image_tools.flash import flash as write_and_verify

    try:
        done = write_and_verify(source, target, report.progress(), verify=verify, sha256=sha256)
        configured = () if request is None else _configured(target, request, partition, report)
        target.finish()
    finally:
        report.warn(*source.notices, *target.notices)
    return Flashed(
        image=source.name,
        kind=source.kind.value,
        target=target.path,
        size=done.record.size,
        write_seconds=done.write_seconds,
        verify_seconds=done.verify_seconds,
        read_back=done.reading is not None,
        verified=done.verified,
        sha256=done.record.sha256,
        configured=configured,
    )


def _configured(target: Target, request: Request, partition: int | None, report: Report) -> tuple[str, ...]:
    """Configure what is on the target, and read it back; the changes, for a person to read."""
    from image_tools.boot import open_boot
    from image_tools.clock import write_time
    from image_tools.configuration import plan
    from image_tools.flash import edit_written

    def configure(file: BinaryIO) -> tuple[str, ...]:
        boot = open_boot(file, partition)
        planned = plan(boot.filesystem, request)
        boot.filesystem.apply(planned.changes, now=write_time())
        report.warn(*boot.notices, *planned.notices)
        return planned.diff

    return edit_written(target, configure)


def _opened_target(
    image: str, source: Source, path: str | None, report: Report, *, allow_fixed: bool
) -> Target:
    """The target, checked, agreed to and opened; nothing is written yet."""
    from image_tools.drives import check_fits, check_flashable, check_not_source, find_drive
    from image_tools.flash.target import is_drive, open_drive, open_file

    if path is None:
        path = _picked(report, allow_fixed=allow_fixed)
    if image != "-":
        check_not_source(image, path)
    if not is_drive(path):
        return open_file(_agreed_file(path, report), like=image)
    drive = find_drive(path)
    check_flashable(drive, allow_fixed=allow_fixed)
    check_fits(drive, source.size)
    report.confirm(f"{_described(drive)}\nAll of {drive.path} will be overwritten. Go on?")
    return open_drive(drive.path)


def _agreed_file(path: str, report: Report) -> str:
    if path.startswith("/dev/") and not Path(path).exists():
        raise DriveNotFound(f"There is no drive {path}.", hint="`resin drives --all` lists what is there.")
    if Path(path).is_file():
        report.confirm(f"The file {path} will be overwritten. Go on?")
    return path


def _picked(report: Report, *, allow_fixed: bool) -> str:
    """The drive that the user picks. Raises Usage, with the drives that there are, where nobody can."""
    from image_tools.drives import list_drives

    choices = [drive for drive in list_drives() if may_be_flashed(drive, allow_fixed=allow_fixed)]
    if not choices:
        raise DriveNotFound(
            "No drive was found that may be flashed.",
            hint="Plug one in; `resin drives --all` shows those that are there, and why not.",
        )
    if not report.interactive:
        paths = ", ".join(drive.path for drive in choices)
        raise Usage("No TARGET was given, and nobody could be asked.", hint=f"Name one of: {paths}.")
    return choices[report.choose("Flash which drive?", [_described(drive) for drive in choices])].path


def _described(drive: Drive) -> str:
    parts = partitions_of(drive)
    about = ", ".join(word for word in (human_size(drive.size), drive.transport) if word)
    return f"{drive.path}  {drive.title} ({about})" + (f": {parts}" if parts else "")
