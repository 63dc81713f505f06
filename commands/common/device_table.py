"""What is shown of devices that were found: rows of a table, objects of JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from resin_toolkit.errors import Notice
from resin_toolkit.terminal.screen import Screen
from resin_toolkit.terminal.tables import fit_table

if TYPE_CHECKING:
    from resin_toolkit.device.facts import DeviceFacts
    from resin_toolkit.discovery.discovered_device import DiscoveredDevice

Row = tuple[str, ...]
HEADINGS: Row = ("DEVICE", "ADDRESS", "OS", "TYPE", "VARIANT", "ENGINE", "CONTAINERS")
_WIDTHS = (16, 15, 24, 18, 11, 18, 0)
"""Of columns whose other rows are not known yet."""


def row(found: DiscoveredDevice, *, complete: bool = True) -> Row:
    """A device in the columns of HEADINGS; what may still be learnt is an ellipsis."""
    facts, device = found.facts, found.device
    called = device.name if found.name.lower() == device.name else f"{device.name} ({found.name})"
    cells = (
        f"{facts.os_name} {facts.os_version}".strip(),
        facts.device_type,
        facts.variant.value if facts.variant else "",
        format_engine(facts),
        _containers_in_words(facts),
    )
    unknown = "-" if complete else "..."
    return (called, next(iter(device.addresses), ""), *(cell or unknown for cell in cells))


def row_line(cells: Row) -> str:
    """One row in columns of a fixed width, where it is printed before the others are known."""
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


def device_table(rows: Sequence[Row], screen: Screen) -> str:
    """All rows, so that no line of a terminal wraps; the addresses, by which devices are named, are whole."""
    mark = "…" if screen.unicode else "~"
    return fit_table([HEADINGS, *rows], screen.width - 1, whole=frozenset({1}), mark=mark)


def format_engine(facts: DeviceFacts) -> str:
    """`20.10.5 on 2377`, `20.10.5 by SSH`; empty where it is not known."""
    if not facts.engine_version:
        return ""
    by = f"on {facts.engine_port}" if facts.engine_port else "by SSH"
    return f"{facts.engine_version} {by}"


def device_data(found: DiscoveredDevice) -> Mapping[str, object]:
    """A device as `--json` shows it."""
    device = found.device
    return {
        "number": found.number,
        "name": found.name,
        "host": device.host,
        "addresses": list(device.addresses),
        "interfaces": list(found.interfaces),
        "ssh_port": device.ssh_port,
        **device_facts_data(found.facts),
    }


def device_facts_data(facts: DeviceFacts) -> Mapping[str, object]:
    """What a device says of itself; what it did not say is null or empty."""
    engine = {"version": facts.engine_version, "port": facts.engine_port, "id": facts.engine_id}
    containers = facts.containers
    return {
        "ssh": facts.ssh,
        "host_key": facts.host_key,
        "os": {"name": facts.os_name, "version": facts.os_version},
        "device_type": facts.device_type,
        "variant": facts.variant.value if facts.variant else None,
        "engine": engine if facts.engine_version else None,
        "containers": None
        if containers is None
        else [
            {"name": c.name, "service": c.service, "image": c.image, "state": c.state, "status": c.status}
            for c in containers
        ],
        "problems": list(facts.problems),
    }


def problem_notices(facts: DeviceFacts) -> list[Notice]:
    """What keeps something of a device from being known, such as another host key."""
    return [Notice("device-problem", problem) for problem in facts.problems]


def _containers_in_words(facts: DeviceFacts) -> str:
    if facts.containers is None:
        return ""
    names = sorted({container.service for container in facts.containers})
    return f"{len(facts.containers)}: {', '.join(names)}" if names else "0"
