"""The Wi-Fi networks that the workstation knows or sees, told by NetworkManager's `nmcli` where that is."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

_PATIENCE = 5.0
"""Seconds after which nmcli is not waited for: it is only asked for suggestions."""


@dataclass(frozen=True)
class WifiNetwork:
    """A Wi-Fi network that is in reach or was joined before; `signal` in percent, None if out of reach."""

    ssid: str
    signal: int | None
    is_known: bool


def list_wifi_networks() -> tuple[WifiNetwork, ...]:
    """The networks in reach, the strongest first, then those that are known only; no secret is asked for.

    Empty where there is no nmcli, or where it does not answer.
    """
    known = set(_known())
    seen: dict[str, int] = {}
    for ssid, signal in _rows("SSID,SIGNAL", "device", "wifi", "list", "--rescan", "no"):
        if ssid and signal.isdecimal():
            seen[ssid] = max(int(signal), seen.get(ssid, 0))
    in_reach = sorted(seen, key=lambda ssid: (-seen[ssid], ssid))
    return (
        *(WifiNetwork(ssid, seen[ssid], ssid in known) for ssid in in_reach),
        *(WifiNetwork(ssid, None, True) for ssid in sorted(known - seen.keys())),
    )


def _known() -> list[str]:
    """The SSIDs of the workstation's own profiles."""
    uuids = [uuid for uuid, kind in _rows("UUID,TYPE", "connection", "show") if kind == "802-11-wireless"]
    if not uuids:
        return []
    words = (word for uuid in uuids for word in ("uuid", uuid))
    return [
        ssid for (ssid,) in _rows("802-11-wireless.ssid", "connection", "show", *words, values=True) if ssid
    ]


def _rows(fields: str, *words: str, values: bool = False) -> list[list[str]]:
    """The rows that nmcli prints, split into their fields."""
    form = ["--get-values"] if values else ["--terse", "--fields"]
    command = ["nmcli", "--escape", "yes", *form, fields, *words]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return []
    rows = [_split(line) for line in done.stdout.splitlines() if line]
    count = fields.count(",") + 1
    return [row for row in rows if len(row) == count] if done.returncode == 0 else []


def _split(line: str) -> list[str]:
    """The fields of a terse line: a colon parts them, a backslash keeps the next character."""
    fields = [""]
    characters = iter(line)
    for character in characters:
        if character == ":":
            fields.append("")
        else:
            fields[-1] += next(characters, "") if character == "\\" else character
    return fields
