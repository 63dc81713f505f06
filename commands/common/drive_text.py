"""A drive in one line, as prompts and lists show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resin_toolkit.terminal.screen import format_size

if TYPE_CHECKING:
    from image_tools.drives import Drive


def format_drive(drive: Drive) -> str:
    """Path, name, size, transport, and partitions with their labels."""
    about = ", ".join(word for word in (format_size(drive.size), drive.transport) if word)
    parts = drive.partition_summary
    return f"{drive.path}  {drive.title} ({about})" + (f": {parts}" if parts else "")
