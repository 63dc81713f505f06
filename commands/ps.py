"""`resin ps`: list the containers on a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.completions import services
from commands.common.device import DeviceArgument, DeviceOptions, find_device, open_engine
from resin_toolkit.cli.command import report_of, single_command, with_options
from resin_toolkit.terminal.screen import Screen, table

if TYPE_CHECKING:
    from resin_toolkit.reach.container_status import ContainerStatus, ContainerStatuses

EXAMPLES = """\b
Examples:
  resin ps kitchen
  resin ps kitchen --all
  resin ps kitchen web database
  resin ps --json
"""
NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME]...",
        help="Services or containers (default: all that are running).",
        autocompletion=services,
    ),
]
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


@dataclass(frozen=True)
class ContainerList:
    """The containers that were listed."""

    statuses: ContainerStatuses

    def data(self) -> Mapping[str, object]:
        found = self.statuses
        return {"device": found.host, "containers": [_status_data(each) for each in found.containers]}

    def text(self, screen: Screen) -> str:
        found = self.statuses
        if not found.containers:
            stopped = f" `resin ps --all` lists {found.omitted} stopped." if found.omitted else ""
            return f"No containers are running on {found.host}.{stopped}"
        rows = [("SERVICE", "IMAGE", "STATE", "FOR", "RESTARTS"), *map(_row, found.containers)]
        if not screen.is_terminal:
            return table(rows, right=frozenset({4}))
        from resin_toolkit.terminal.tables import fit_table

        mark = "…" if screen.unicode else "~"
        return fit_table(rows, screen.width, whole=frozenset({2, 3, 4}), right=frozenset({4}), mark=mark)


def ps(
    context: typer.Context,
    device: DeviceArgument = None,
    names: NamesArgument = None,
    all_: Annotated[bool, typer.Option("--all", "-a", help="Include stopped containers.")] = False,
    *,
    options: DeviceOptions,
) -> ContainerList:
    """List the containers on a device, with their state, age and restart count."""
    from resin_toolkit.device.service_cache import cache_services
    from resin_toolkit.reach.container_status import read_container_statuses

    report = report_of(context)
    with open_engine(report, find_device(report, device, options)) as engine:
        statuses = read_container_statuses(engine, names or (), include_stopped=all_)
    cache_services(statuses.host, statuses.services, all_of_them=True)
    return ContainerList(statuses)


def format_duration(seconds: float | None) -> str:
    """Format a time span in its largest unit: `3 h`; empty for None."""
    if seconds is None:
        return ""
    unit, size = next((entry for entry in _UNITS if seconds >= entry[1]), _UNITS[-1])
    return f"{int(seconds // size)} {unit}"


def _row(status: ContainerStatus) -> tuple[str, ...]:
    state = f"exited ({status.exit_code})" if status.state == "exited" else status.state
    restarts = str(status.details.restart_count)
    return (status.container.service, status.image, state, format_duration(status.seconds), restarts)


def _status_data(status: ContainerStatus) -> Mapping[str, object]:
    container = status.container
    return {
        "id": container.id,
        "name": container.name,
        "service": container.service,
        "image": status.image,
        "state": status.state,
        "status": container.status,
        "since": status.since or None,
        "exit_code": status.exit_code,
        "restarts": status.details.restart_count,
    }


app = single_command(with_options(DeviceOptions)(ps), epilog=EXAMPLES)
