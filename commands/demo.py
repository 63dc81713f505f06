"""`resin demo`: configure and flash a sample image, without a board, root or network."""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from resin_toolkit.cli import main
from resin_toolkit.cli.command import as_examples, report_of, single_command
from resin_toolkit.errors import Exit, error_class
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import Screen

EXAMPLES = """
resin demo
resin demo --keep
"""
SAMPLE = "sample.img.xz"
CARD = "card.img"
PASSPHRASE_FILE = "wifi.txt"
PASSPHRASE = "only an example"

STEPS = (
    ("Inspect the downloaded image", f"image info {SAMPLE}"),
    (
        "Flash it with a Wi-Fi network and a host name (card.img stands in for a drive such as /dev/sdb)",
        f"flash {SAMPLE} {CARD} --yes --wifi --ssid 'Kitchen Wi-Fi' "
        f"--passphrase-file {PASSPHRASE_FILE} --hostname kitchen",
    ),
    ("Change a setting on the card", f"configure {CARD} --persistent-logging"),
    ("Inspect the card", f"image info {CARD}"),
    ("Read the network profile and config.json back from the card", f"configure {CARD} --show"),
)


@dataclass(frozen=True)
class Demonstrated:
    """The commands that were run; with --json, also their results."""

    steps: tuple[Mapping[str, object], ...]
    kept: str | None

    def data(self) -> Mapping[str, object]:
        return {"steps": list(self.steps), "folder": self.kept}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        where = f"The files are in {self.kept}." if self.kept else "The temporary folder was removed."
        return f"\nThe card is ready to boot and join your network. {where}"


def demo(
    context: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the temporary folder.")] = False,
) -> Demonstrated:
    """Configure a sample image, flash it to a file, and inspect the result.

    Works in a temporary folder and needs no board, root or network. Prints each command before it runs.
    """
    report = report_of(context)
    with _folder(keep=keep) as folder, chdir(folder):
        steps = tuple(_run(title, command, report) for title, command in STEPS)
    return Demonstrated(steps, str(folder) if keep else None)


app = single_command(demo, epilog=as_examples(EXAMPLES))


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    """A temporary folder with the sample image and a passphrase in it."""
    folder = Path(tempfile.mkdtemp(prefix="resin-demo-"))
    try:
        (folder / SAMPLE).write_bytes(files("image_tools").joinpath("data", SAMPLE).read_bytes())
        descriptor = os.open(folder / PASSPHRASE_FILE, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{PASSPHRASE}\n")
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder)


def _run(title: str, command: str, report: Report) -> Mapping[str, object]:
    """Run one command as a user would; a failure ends the demo with the same error."""
    step: dict[str, object] = {"title": title, "command": f"resin {command}"}
    words = shlex.split(command)
    if not report.settings.json:
        report.heading(title, f"resin {command}")
        code = main.run([*words, "--quiet"] if report.settings.quiet else words)
        if code == Exit.INTERRUPTED:
            raise KeyboardInterrupt
        if code != Exit.DONE:
            raise typer.Exit(code)
        return step
    captured = io.StringIO()
    with redirect_stdout(captured):
        code = main.run([*words, "--json"])
    if code == Exit.INTERRUPTED:
        raise KeyboardInterrupt
    envelope = json.loads(captured.getvalue().splitlines()[-1])
    if code != Exit.DONE:
        error = envelope["error"]
        failed = error_class(error["code"])
        raise failed(f"`resin {command}` failed: {error['message']}", hint=error["hint"])
    step["result"] = envelope["data"]
    return step
