"""`resin ssh`: open a shell or run a command on a device, or in one of its containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import click
import typer

from commands.common.completions import REMOTE_COMMAND, services
from commands.common.device import DeviceArgument, DeviceOptions, find_device, open_engine
from commands.common.secrets import password_prompt
from resin_toolkit.cli.command import HELP_OPTIONS, ResinCommand, report_of, with_options
from resin_toolkit.errors import (
    DeviceNotFound,
    HostKeyChanged,
    HostKeyInvalid,
    HostKeyUnverified,
    LoginRefused,
    StateDamaged,
    Unreachable,
    Usage,
)
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import Screen

if TYPE_CHECKING:
    from resin_toolkit.device.record import Device
    from resin_toolkit.ssh.forwarding import Forward
CONNECTION_FAILED = 255
"""The exit code if the connection fails, as with OpenSSH."""
_BASH_OR_SH = "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi"

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


class _SshCommand(ResinCommand):
    """Takes what follows `--` as COMMAND, so that it is never parsed as the device."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[REMOTE_COMMAND] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


@dataclass(frozen=True)
class CommandResult:
    """The exit code and output of a command that was run with `--json`."""

    exit: int
    out: bytes
    err: bytes

    def data(self) -> Mapping[str, object]:
        return {
            "exit_code": self.exit,
            "stdout": self.out.decode(errors="replace"),
            "stderr": self.err.decode(errors="replace"),
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
) -> int | CommandResult:
    """Open a shell or run a command on a device, or in one of its containers.

    Exits with the exit code of the command, or 255 if the connection fails. Type `~.` at the start of a line
    to leave a shell that hangs.
    """
    from resin_toolkit.ssh.forwarding import parse_forward

    report = report_of(context)
    command: list[str] | None = context.meta.get(REMOTE_COMMAND) or None
    if report.settings.json and command is None:
        raise Usage("--json needs a command.", hint="Pass it after --.")
    if service and forward:
        raise Usage("--forward cannot be used with --service.", hint="Leave out --service.")
    forwards = [parse_forward(word) for word in forward or ()]
    try:
        found = (
            _find_and_forget(report, device, options) if forget_key else find_device(report, device, options)
        )
        if service:
            return _in_service(report, found, service, command, tty=tty)
        return _on_host(report, found, command, forwards, tty=tty)
    except (
        DeviceNotFound,
        HostKeyChanged,
        HostKeyInvalid,
        HostKeyUnverified,
        LoginRefused,
        StateDamaged,
        Unreachable,
    ) as error:
        report.failure(report.command, error)
        return CONNECTION_FAILED


def _find_and_forget(report: Report, name: str | None, options: DeviceOptions) -> Device:
    """Find the device, and forget everything that is remembered by its name before that is compared."""
    from resin_toolkit.ssh.key_proofs import forget_device

    forgotten = []

    def forget(device: Device) -> None:
        known = forget_device(device)
        if known:
            forgotten.append(known)
            report.say(f"Forgot the host key of {device.name}: {known.fingerprint}.")

    found = find_device(report, name, options, forget=forget)
    if not forgotten:
        report.say(f"No host key of {found.name} is stored.")
    return found


def _on_host(
    report: Report, device: Device, command: list[str] | None, forwards: Sequence[Forward], *, tty: bool
) -> int | CommandResult:
    from resin_toolkit.ssh import connect
    from resin_toolkit.ssh.forwarding import forward_ports
    from resin_toolkit.terminal.attachment import (
        MAX_CAPTURED,
        attach,
        stdin_is_terminal,
        terminal_size,
        terminal_type,
    )

    text = " ".join(command) if command else None
    ask = password_prompt(report)
    with connect(device, ask=ask, tell=report.say) as shell, forward_ports(shell, forwards, report.say) as at:
        for (address, port), forward in zip(at, forwards, strict=True):
            report.say(f"Port {port} of {address} forwards to {forward.host}:{forward.host_port}.")
        if forwards and text is None and not stdin_is_terminal():
            shell.wait()
        if report.settings.json:
            done = shell.run(text or "", within=None, at_most=MAX_CAPTURED)
            return CommandResult(done.code, done.out, done.err)
        raw = stdin_is_terminal() and (text is None or tty)
        remote = shell.start(text, (terminal_type(), *terminal_size()) if raw else None)
        return attach(remote, raw=raw, acknowledge=remote.acknowledge, interrupt=remote.interrupt)


def _in_service(
    report: Report, device: Device, service: str, command: list[str] | None, *, tty: bool
) -> int | CommandResult:
    from resin_toolkit.reach.container_status import find_running_container
    from resin_toolkit.terminal.attachment import (
        attach,
        capture,
        stdin_is_terminal,
        terminal_size,
        terminal_type,
    )

    with open_engine(report, device) as engine:
        container = find_running_container(engine, service)
        raw = stdin_is_terminal() and not report.settings.json and (command is None or tty)
        words = ["sh", "-c", " ".join(command) if command else _BASH_OR_SH]
        environment = {"TERM": terminal_type()} if raw else None
        remote = engine.exec(container.id, words, tty=raw, environment=environment)
        if report.settings.json:
            return CommandResult(*capture(remote))
        if raw:
            remote.resize(*terminal_size())
        return attach(remote, raw=raw)


app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
app.command(cls=_SshCommand, context_settings=HELP_OPTIONS, epilog=EXAMPLES)(with_options(DeviceOptions)(ssh))
