"""Devices as rows of a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from resin_toolkit.terminal.screen import Screen
from resin_toolkit.terminal.tables import fit_table

if TYPE_CHECKING:
    from resin_toolkit.device.facts import DeviceFacts
    from resin_toolkit.discovery.discovered_device import DiscoveredDevice

Row = tuple[str, ...]
HEADINGS: Row = ("DEVICE", "ADDRESS", "OS", "TYPE", "VARIANT", "ENGINE", "CONTAINERS")
_WIDTHS = (16, 15, 24, 18, 11, 18, 0)
"""Column widths while further rows are not known yet."""


def row(found: DiscoveredDevice, *, complete: bool = True) -> Row:
    """A device in the columns of HEADINGS; unknown facts of an incomplete device are an ellipsis."""
    facts, device = found.facts, found.device
    name = device.name if found.name.lower() == device.name else f"{device.name} ({found.name})"
    if _recognition(found) == "changed":
        name += " (not the known device)"
    cells = (
        f"{facts.os_name} {facts.os_version}".strip(),
        facts.device_type,
        facts.variant.value if facts.variant else "",
        format_engine(facts),
        _format_containers(facts),
    )
    unknown = "-" if complete else "..."
    return (name, next(iter(device.addresses), ""), *(cell or unknown for cell in cells))


def row_line(cells: Row) -> str:
    """A row in columns of fixed width, for output that cannot be rewritten."""
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


def device_table(rows: Sequence[Row], screen: Screen) -> str:
    """The table, cut so that no line of a terminal wraps; addresses are never cut."""
    mark = "…" if screen.unicode else "~"
    return fit_table([HEADINGS, *rows], screen.width - 1, whole=frozenset({1}), mark=mark)


def format_engine(facts: DeviceFacts) -> str:
    """`20.10.5 on 2377` or `20.10.5 by SSH`; empty if unknown."""
    if not facts.engine_version:
        return ""
    by = f"on {facts.engine_port}" if facts.engine_port else "by SSH"
    return f"{facts.engine_version} {by}"


def device_data(found: DiscoveredDevice) -> Mapping[str, object]:
    """A device in JSON."""
    device = found.device
    return {
        "number": found.number,
        "name": found.name,
        "host": device.host,
        "addresses": list(device.addresses),
        "interfaces": list(found.interfaces),
        "ssh_port": device.ssh_port,
        "recognition": _recognition(found),
        **device_facts_data(found.facts),
    }


def _recognition(found: DiscoveredDevice) -> str:
    """How it compares with what is remembered: new, verified, unverified or changed."""
    from resin_toolkit.reach.inventory import recognize

    return recognize(found.device, found.facts).value


def device_facts_data(facts: DeviceFacts) -> Mapping[str, object]:
    """The facts of a device in JSON; what is unknown is null or empty."""
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


def _format_containers(facts: DeviceFacts) -> str:
    if facts.containers is None:
        return ""
    names = sorted({container.service for container in facts.containers})
    return f"{len(facts.containers)}: {', '.join(names)}" if names else "0"
