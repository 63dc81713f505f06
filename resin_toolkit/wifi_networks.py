"""The Wi-Fi networks that this machine knows or sees, listed by NetworkManager's `nmcli`."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

_TIMEOUT = 5.0
"""Seconds to wait for nmcli; its networks are only suggestions."""


@dataclass(frozen=True)
class WifiNetwork:
    """A Wi-Fi network that is in range or has a profile; `signal` in percent, None if it is out of range."""

    ssid: str
    signal: int | None
    is_known: bool


def list_wifi_networks() -> tuple[WifiNetwork, ...]:
    """List the networks in range, strongest first, then the other known ones. Reads no passphrases.

    Empty if nmcli is not installed or fails.
    """
    known = set(_known_ssids())
    seen: dict[str, int] = {}
    for ssid, signal in _rows("SSID,SIGNAL", "device", "wifi", "list", "--rescan", "no"):
        if ssid and signal.isdecimal():
            seen[ssid] = max(int(signal), seen.get(ssid, 0))
    in_range = sorted(seen, key=lambda ssid: (-seen[ssid], ssid))
    return (
        *(WifiNetwork(ssid, seen[ssid], ssid in known) for ssid in in_range),
        *(WifiNetwork(ssid, None, True) for ssid in sorted(known - seen.keys())),
    )


def _known_ssids() -> list[str]:
    """The SSIDs of this machine's connection profiles."""
    uuids = [uuid for uuid, kind in _rows("UUID,TYPE", "connection", "show") if kind == "802-11-wireless"]
    if not uuids:
        return []
    words = (word for uuid in uuids for word in ("uuid", uuid))
    return [
        ssid for (ssid,) in _rows("802-11-wireless.ssid", "connection", "show", *words, values=True) if ssid
    ]


def _rows(fields: str, *words: str, values: bool = False) -> list[list[str]]:
    """Run nmcli, and split the rows that it prints into fields."""
    style = ["--get-values"] if values else ["--terse", "--fields"]
    command = ["nmcli", "--escape", "yes", *style, fields, *words]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return []
    rows = [_split(line) for line in done.stdout.splitlines() if line]
    count = fields.count(",") + 1
    return [row for row in rows if len(row) == count] if done.returncode == 0 else []


def _split(line: str) -> list[str]:
    """Split a terse line into its fields: colons separate them, a backslash escapes the next character."""
    fields = [""]
    characters = iter(line)
    for character in characters:
        if character == ":":
            fields.append("")
        else:
            fields[-1] += next(characters, "") if character == "\\" else character
    return fields
