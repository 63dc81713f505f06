"""The values that TAB knows. A user waits at each: no network, and no more is loaded than a value needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_PLAIN = re.compile(r"[\w.:%@+/-]+")
"""What no shell reads as anything but itself: a name from the network never runs a command."""
_SERVICES = re.compile(r"^services[ ]*:[ ]*(?:#.*)?\n((?:[ ].*\n|[ ]*(?:#.*)?\n)*)", re.MULTILINE)
_SERVICE = re.compile(r"^( +)([\w.-]+|\"[\w.-]+\"|'[\w.-]+')[ ]*:(?:\s|$)", re.MULTILINE)


def plain(values: Iterable[str]) -> list[str]:
    """Those of the values that can be put on a command line as they are."""
    return [value for value in values if _PLAIN.fullmatch(value) and not value.startswith("-")]


def devices(incomplete: str) -> Iterator[tuple[str, str]]:
    """The devices seen lately, the last one in front, each with an address of it.

    As people call them, without `.local`, unless that is begun. Read from the file of `remembered` itself,
    which loads more than there is time for.
    """
    from resin_toolkit.state import read_state

    seen = [(host, entry) for host, entry in read_state("devices.json").items() if isinstance(entry, dict)]
    for host, entry in sorted(seen, key=lambda each: str(each[1].get("at")), reverse=True):
        name = host.removesuffix(".local")
        word = name if name.startswith(incomplete) else host
        addresses = entry.get("addresses")
        address = addresses[0] if isinstance(addresses, list) and addresses else ""
        for known in plain([word]):
            yield known, "".join(plain([str(address)])) if address != known else ""


def services(device: str, folder: Path) -> list[str]:
    """The services of the device that is typed, else of the usual one, as they were seen last."""
    from os import environ

    from resin_toolkit.device.service_cache import cached_services

    return plain(cached_services(device or usual_device(folder, environ.get("RESIN_DEVICE", ""))))


def usual_device(folder: Path, named: str = "") -> str:
    """The DEVICE word that is meant where none is typed: `named`, else the project's; empty where none is."""
    from resin_toolkit.project.project_state import project_around

    memory = None if named else project_around(folder)
    return memory.device if memory else named


def project_services(folder: Path) -> list[str]:
    """The services that the compose files of a project name, found by their indentation alone."""
    from resin_toolkit.compose.file_search import find

    found: dict[str, None] = {}
    for path in find(folder):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for section in _SERVICES.findall(text + "\n"):
            entries = _SERVICE.findall(section)
            found.update((name.strip("\"'"), None) for indent, name in entries if indent == entries[0][0])
    return plain(found)


def device_types() -> list[str]:
    """The boards, read from the table without a parser of it."""
    _, _, table = _table().partition("[device-types]\n")
    return plain(re.findall(r"^([\w.-]+) = \{", table, re.MULTILINE))


def distros() -> list[str]:
    """The distributions that there are base images of."""
    return plain(sorted(set(re.findall(r'^distro = "([^"]+)"', _table(), re.MULTILINE))))


def _table() -> str:
    return (Path(__file__).parents[1] / "data" / "device-types.toml").read_text(encoding="utf-8")
