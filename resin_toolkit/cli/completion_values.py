"""The values that completion offers, read from state and project files: no network, few imports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_PLAIN = re.compile(r"[\w.:%@+/-]+")
"""Characters that no shell interprets: a name from the network must never run a command."""
_SERVICES = re.compile(r"^services[ ]*:[ ]*(?:#.*)?\n((?:[ ].*\n|[ ]*(?:#.*)?\n)*)", re.MULTILINE)
_SERVICE = re.compile(r"^( +)([\w.-]+|\"[\w.-]+\"|'[\w.-]+')[ ]*:(?:\s|$)", re.MULTILINE)


def plain(values: Iterable[str]) -> list[str]:
    """Keep the values that need no quoting on a command line."""
    return [value for value in values if _PLAIN.fullmatch(value) and not value.startswith("-")]


def devices(incomplete: str) -> Iterator[tuple[str, str]]:
    """The devices reached or seen recently, latest first, each with one of its addresses.

    Without `.local`, unless it is already typed. Reads the state files itself, because `device.cache` imports
    too much for completion. A damaged one is empty here: only commands connect to what it holds.
    """
    from resin_toolkit.state import read_state

    entries = {**read_state("seen-devices.json"), **read_state("devices.json")}
    known = [(host, entry) for host, entry in entries.items() if isinstance(entry, dict)]
    for host, entry in sorted(known, key=lambda each: str(each[1].get("at")), reverse=True):
        short = host.removesuffix(".local")
        word = short if short.startswith(incomplete) else host
        addresses = entry.get("addresses")
        address = addresses[0] if isinstance(addresses, list) and addresses else ""
        for name in plain([word]):
            yield name, "".join(plain([str(address)])) if address != name else ""


def services(device: str, folder: Path) -> list[str]:
    """The cached services of `device`, or of the default device if it is empty."""
    from os import environ

    from resin_toolkit.device.service_cache import cached_services

    return plain(cached_services(device or default_device(folder, environ.get("RESIN_DEVICE", ""))))


def default_device(folder: Path, named: str = "") -> str:
    """The DEVICE used if none is typed: `named`, or the project's; empty if there is none."""
    from resin_toolkit.project.project_state import find_project_state

    memory = None if named else find_project_state(folder)
    return memory.device if memory else named


def project_services(folder: Path) -> list[str]:
    """The services in the compose files of a project, found by their indentation, without a YAML parser."""
    from resin_toolkit.compose.file_search import find_compose_files
    from resin_toolkit.errors import BadValue
    from resin_toolkit.project.bounded_file import read_bounded

    found: dict[str, None] = {}
    for path in find_compose_files(folder):
        try:
            text = read_bounded(path).decode("utf-8", "replace")
        except (OSError, BadValue):
            continue
        for section in _SERVICES.findall(text + "\n"):
            entries = _SERVICE.findall(section)
            found.update((name.strip("\"'"), None) for indent, name in entries if indent == entries[0][0])
    return plain(found)


def device_types() -> list[str]:
    """The device types, read from the data file without a TOML parser."""
    _, _, table = _table().partition("[device-types]\n")
    return plain(re.findall(r"^([\w.-]+) = \{", table, re.MULTILINE))


def distros() -> list[str]:
    """The distributions for which there are base images."""
    return plain(sorted(set(re.findall(r'^distro = "([^"]+)"', _table(), re.MULTILINE))))


def _table() -> str:
    return (Path(__file__).parents[1] / "data" / "device-types.toml").read_text(encoding="utf-8")
