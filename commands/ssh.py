"""`resin ssh`: open a shell or run a command on a device, or in one of its containers."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import click
import typer

from commands.common.completions import services
from commands.common.device import DeviceArgument, DeviceOptions, find_device
from resin_toolkit.cli.verb import HELP_OPTIONS, Verb, report_of, with_options
from resin_toolkit.errors import (
    DeviceNotFound,
    HostKeyChanged,
    LoginRefused,
    ServiceNotFound,
    Unreachable,
    Usage,
)
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import Screen, clean

if TYPE_CHECKING:
    from resin_toolkit.device.record import Device
    from resin_toolkit.engine import Container, Engine

FAILED = 255
"""The exit code if the connection fails, as with OpenSSH."""
_COMMAND = "resin.ssh.command"
_SHELL = "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi"

EXAMPLES = """\b
Examples:
  resin ssh
  resin ssh kitchen
  resin ssh kitchen -- uptime
  tar c . | resin ssh kitchen -- tar x -C /mnt/data
  resin ssh kitchen --service web
  resin ssh kitchen -L 8080:localhost:80
  resin ssh kitchen --forget-key
"""


class _Ssh(Verb):
    """Takes what follows `--` as COMMAND, so that it is never parsed as the device."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[_COMMAND] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


@dataclass(frozen=True)
class Ran:
    """The exit code and output of a command that was run with `--json`."""

    exit: int
    out: bytes
    err: bytes

    def data(self) -> Mapping[str, object]:
        texts = {"stdout": self.out, "stderr": self.err}
        return {
            "exit_code": self.exit,
            **{name: data.decode(errors="replace") for name, data in texts.items()},
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return ""


def ssh(
    context: typer.Context,
    device: DeviceArgument = None,
    service: Annotated[
        str | None,
        typer.Option(
            "--service", metavar="NAME", help="Use the container of this service.", autocompletion=services
        ),
    ] = None,
    forward: Annotated[
        list[str] | None,
        typer.Option("--forward", "-L", metavar="[BIND:]PORT:HOST:HOSTPORT", help="Forward a local port."),
    ] = None,
    tty: Annotated[bool, typer.Option("--tty", "-t", help="Allocate a terminal for COMMAND.")] = False,
    forget_key: Annotated[
        bool,
        typer.Option("--forget-key", help="Forget the stored host key and accept the one presented now."),
    ] = False,
    *,
    options: DeviceOptions,
) -> int | Ran:
    """Open a shell or run a command on a device, or in one of its containers.

    Exits with the exit code of the command, or 255 if the connection fails. Type `~.` at the start of a line
    to leave a shell that hangs.
    """
    report = report_of(context)
    command: list[str] | None = context.meta.get(_COMMAND) or None
    if report.settings.json and command is None:
        raise Usage("--json needs a command.", hint="Pass it after --.")
    if service and forward:
        raise Usage("--forward cannot be used with --service.", hint="Leave out --service.")
    try:
        found = find_device(report, device, options)
        if forget_key:
            _forget(report, found)
        if service:
            return _in_service(report, found, service, command, tty=tty)
        return _on_host(report, found, command, forward or (), tty=tty)
    except (DeviceNotFound, HostKeyChanged, LoginRefused, Unreachable) as error:
        report.failure(report.verb, error)
        return FAILED


def _forget(report: Report, device: Device) -> None:
    from resin_toolkit.ssh.host_keys import forget_key

    known = forget_key(device)
    report.say(
        f"Forgot the host key of {device.name}: {known.fingerprint}."
        if known
        else f"No host key of {device.name} is stored."
    )


def _on_host(
    report: Report, device: Device, command: list[str] | None, words: Sequence[str], *, tty: bool
) -> int | Ran:
    from resin_toolkit.ssh import connect
    from resin_toolkit.ssh.forwarding import forward_ports, parse_forward
    from resin_toolkit.terminal.attachment import attach, terminal_size

    forwards = [parse_forward(word) for word in words]
    ask = report.ask_secret if report.interactive else None
    with connect(device, ask=ask, tell=report.say) as shell, forward_ports(shell, forwards, report.say) as at:
        for (address, port), to in zip(at, forwards, strict=True):
            report.say(f"Port {port} of {address} forwards to {to.host}:{to.far_port}.")
        if forwards and command is None and not _is_terminal():
            shell.wait()
        if report.settings.json:
            done = shell.run(" ".join(command or ()), within=None)
            return Ran(done.code, done.out, done.err)
        raw = _is_terminal() and (command is None or tty)
        far = shell.start(
            " ".join(command) if command else None, (_terminal_type(), *terminal_size()) if raw else None
        )
        return attach(far, raw=raw, done=far.acknowledge, interrupt=far.interrupt)


def _in_service(
    report: Report, device: Device, service: str, command: list[str] | None, *, tty: bool
) -> int | Ran:
    from commands.common.engine import open_engine
    from resin_toolkit.terminal.attachment import attach, terminal_size

    with open_engine(report, device) as engine:
        container = _container(engine, service)
        raw = _is_terminal() and not report.settings.json and (command is None or tty)
        words = ["sh", "-c", " ".join(command) if command else _SHELL]
        far = engine.exec(
            container.id, words, tty=raw, environment={"TERM": _terminal_type()} if raw else None
        )
        if report.settings.json:
            far.end_input()
            written = {1: b"", 2: b""}
            while chunks := far.read():
                for stream, data in chunks:
                    written[stream] += data
            return Ran(far.exit_code(), written[1], written[2])
        if raw:
            far.resize(*terminal_size())
        return attach(far, raw=raw)


def _container(engine: Engine, service: str) -> Container:
    running = engine.containers()
    for found in running:
        if service in (found.service, found.name) or (len(service) >= 12 and found.id.startswith(service)):
            return found
    names = ", ".join(sorted({clean(one.service) for one in running})) or "nothing"
    raise ServiceNotFound(
        f"No container of {clean(service)} is running; running: {names}.",
        hint="List all containers with `resin ps --all`.",
    )


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _terminal_type() -> str:
    import os

    return os.environ.get("TERM") or "dumb"


app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
app.command(cls=_Ssh, context_settings=HELP_OPTIONS, epilog=EXAMPLES)(with_options(DeviceOptions)(ssh))
