"""What the user has allowed projects: by project and device, the outside paths and variables that it takes.

The file protects the user: if it is damaged, nothing counts as allowed, and the run ends with an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resin_toolkit.device.address import AccessMethod, parse_address
from resin_toolkit.errors import BadValue, Notice, os_reason
from resin_toolkit.project.bounded_file import is_within
from resin_toolkit.state import add_entry, read_state, update_state
from resin_toolkit.untrusted_json import object_of, texts_of

STATE = "project-approvals.json"
_MOST_PROJECTS = 200
_MOST_DEVICES = 50
_HINT = "Restore it from a backup, or delete it: resin then asks again what projects may do."


@dataclass(frozen=True)
class Approvals:
    """What the project at a real path may do."""

    project: str
    owner: int
    """The owner of its folder: what was allowed does not hold for the project of somebody else."""

    @classmethod
    def of(cls, folder: Path) -> Approvals:
        real = os.path.realpath(folder)
        return cls(real, os.stat(real).st_uid)  # noqa: PTH116 - as text

    def includes(self, device: str) -> bool:
        """Whether the project may be sent to this device, see `device_key`. Raises StateDamaged."""
        return device in self._devices()

    def missing_paths(self, device: str, paths: Iterable[str]) -> list[str]:
        """The paths that are not allowed yet for this device; an allowed folder includes what is in it."""
        known = texts_of(object_of(self._devices(), device), "paths")
        return [path for path in paths if not any(is_within(path, each) for each in known)]

    def missing_variables(self, device: str, names: Iterable[str]) -> list[str]:
        """The variables that are not allowed yet for this device."""
        known = texts_of(object_of(self._devices(), device), "variables")
        return [name for name in names if name not in known]

    def includes_engine(self, device: str, engine: str) -> bool:
        """Whether the user has agreed to push to the engine with this ID, whatever its OS."""
        return bool(engine) and engine in texts_of(object_of(self._devices(), device), "engines")

    def add(
        self,
        device: str,
        *,
        paths: Iterable[str] = (),
        variables: Iterable[str] = (),
        engines: Iterable[str] = (),
    ) -> list[Notice]:
        """Allow these for a device, from now on. If they cannot be stored, return a notice.

        Raises StateDamaged.
        """
        wanted = {"paths": set(paths), "variables": set(variables), "engines": set(engines)}
        known = object_of(self._devices(), device)
        if known and all(names <= set(texts_of(known, key)) for key, names in wanted.items()):
            return []
        try:
            with update_state(STATE, protects=True, hint=_HINT) as projects:
                devices = dict(self._devices_in(projects))
                entry = object_of(devices, device)
                merged = {key: sorted({*texts_of(entry, key), *names}) for key, names in wanted.items()}
                add_entry(devices, device, merged, limit=_MOST_DEVICES)
                entry = {"devices": devices, "owner": self.owner}
                add_entry(projects, self.project, entry, limit=_MOST_PROJECTS)
        except OSError as error:
            reason = os_reason(error)
            return [
                Notice("not-remembered", f"What you allowed cannot be saved for the next push: {reason}.")
            ]
        return []

    def _devices(self) -> Mapping[str, Any]:
        return self._devices_in(read_state(STATE, protects=True, hint=_HINT))

    def _devices_in(self, projects: Mapping[str, Any]) -> Mapping[str, Any]:
        entry = object_of(projects, self.project)
        return object_of(entry, "devices") if entry.get("owner") == self.owner else {}


def device_key(word: str) -> str:
    """The name under which what is allowed for a DEVICE is stored: its host, and its port if it has one.

    `tcp://` is part of it: an engine that is used without proof of the host key is agreed to by itself.
    """
    try:
        address = parse_address(word)
    except BadValue:
        return word
    host = address.host.removesuffix(".local")
    port = address.engine_port or address.ssh_port
    name = f"{host} port {port}" if port else host
    return f"tcp://{name}" if address.access_method is AccessMethod.TCP else name
