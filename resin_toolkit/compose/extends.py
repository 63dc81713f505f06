"""Resolve `extends`: a service based on another one, in the same file or in another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from resin_toolkit.compose.merge import merge_service
from resin_toolkit.compose.nodes import Location, Map, Node
from resin_toolkit.compose.problems import Diagnostics
from resin_toolkit.compose.values import text

Chain = tuple[tuple[Path, str], ...]
_MOST_STEPS = 50


@dataclass(frozen=True)
class ServiceExtender:
    """Merges services into those that extend them."""

    read: Callable[[Path, Location], Map | None]
    """Reads another file, which is named at the location; returns None if it cannot be read."""
    diagnostics: Diagnostics

    def apply(self, tree: Map, file: Path) -> Map:
        """Return the content of `file` without `extends`."""
        services = tree.get("services")
        if not isinstance(services, Map):
            return tree
        resolved = {
            name: self._service(node, name, tree, file, ()) for name, node in services.entries.items()
        }
        return replace(tree, entries={**tree.entries, "services": replace(services, entries=resolved)})

    def _service(self, service: Node, name: str, tree: Map, file: Path, chain: Chain) -> Node:
        extends = service.get("extends") if isinstance(service, Map) else None
        if not isinstance(service, Map) or extends is None:
            return service
        location = service.key_location("extends")
        own = replace(service, entries={k: v for k, v in service.entries.items() if k != "extends"})
        if (file, name) in chain:
            self.diagnostics.add(location, f"services.{name}.extends refers to itself")
            return own
        if len(chain) >= _MOST_STEPS:
            self.diagnostics.add(
                location, f"services.{name} extends through more than {_MOST_STEPS} services"
            )
            return own
        base = self._base(extends, location, tree, file, (*chain, (file, name)))
        return merge_service(base, own) if isinstance(base, Map) else own

    def _base(self, extends: Node, location: Location, tree: Map, file: Path, chain: Chain) -> Node | None:
        file_name = text(extends.get("file")) if isinstance(extends, Map) else ""
        name = text(extends.get("service")) if isinstance(extends, Map) else text(extends)
        base_file, other = file, tree
        if file_name:
            base_file = (extends.location.base / file_name).resolve()
            found = tree if base_file == file else self.read(base_file, location)
            if found is None:
                return None
            other = found
        services = other.get("services")
        base = services.get(name) if isinstance(services, Map) else None
        if base is None:
            reason = f"{file_name or 'this file'} has no service {name}"
            self.diagnostics.add(location, f"extends fails: {reason}", "Check the spelling.")
            return None
        return self._service(base, name, other, base_file, chain)
