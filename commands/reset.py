"""`resin reset`: reset a device to its unconfigured state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from commands.common.device import DeviceOptions, RequiredDeviceArgument, find_device
from commands.common.secrets import password_prompt
from resin_toolkit.cli.command import report_of, single_command, with_options
from resin_toolkit.errors import BadValue, Declined
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import Screen

EXAMPLES = """\b
Examples:
  resin reset kitchen
  resin reset kitchen --data --yes
"""
_ERASED = {
    "state": "its configuration, its network profiles and its identity",
    "data": "all containers, images and volumes",
}


@dataclass(frozen=True)
class ResetResult:
    """A device that is being reset, and the files that were removed to trigger it."""

    device: str
    removed: tuple[str, ...]

    def data(self) -> Mapping[str, object]:
        return {"device": self.device, "removed": list(self.removed)}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return (
            f"{self.device} is rebooting into its unconfigured state.\n"
            "Its stored host key was forgotten: the next login stores the new one."
        )


def reset(
    context: typer.Context,
    device: RequiredDeviceArgument,
    data: Annotated[bool, typer.Option("--data", help="Also erase containers, images and volumes.")] = False,
    *,
    options: DeviceOptions,
) -> ResetResult:
    """Reset a device to its unconfigured state and reboot it. Prompts for its name, unless --yes is given."""
    from resin_toolkit.reach.factory_reset import find_reset_markers, remove_reset_markers
    from resin_toolkit.reach.reboot import reboot_device
    from resin_toolkit.ssh import connect
    from resin_toolkit.ssh.key_proofs import forget_device

    report = report_of(context)
    found = find_device(report, device, options)
    roles = ("state", "data") if data else ("state",)
    with connect(found, ask=password_prompt(report), tell=report.say) as shell:
        files = find_reset_markers(shell, roles)
        _confirm(report, found.name, "; ".join(_ERASED[role] for role in roles))
        remove_reset_markers(shell, files)
        reboot_device(shell)
    # Its host keys are on the state partition, which is erased.
    forget_device(found)
    return ResetResult(found.name, tuple(marker.path for marker in files))


def _confirm(report: Report, name: str, erased: str) -> None:
    if report.settings.yes:
        return
    if not report.interactive:
        raise Declined(f"Confirmation is required to reset {name}.", hint="Use --yes to confirm.")
    report.say(f"This erases from {name}: {erased}.")

    def is_name(typed: str) -> None:
        if typed and typed != name:
            raise BadValue(f"That is not {name}.", hint="Nothing was changed; press Enter to cancel.")

    if report.ask(f"Type {name} to reset it", check=is_name) != name:
        raise Declined("Declined; nothing was changed.", hint="Type its name to continue.")


app = single_command(with_options(DeviceOptions)(reset), epilog=EXAMPLES)
