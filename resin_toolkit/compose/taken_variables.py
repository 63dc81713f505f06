"""Which variables of this process the merged files take, and what for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from resin_toolkit.compose.nodes import List, Map, Node, Scalar
from resin_toolkit.project.access import ProjectAccess

_NAMING = {"image", "ports", "expose", "container_name", "profiles", "depends_on", "env_file"}
"""Keys of a service whose values name an image, a port, or a file of this machine."""
_WATCH_TARGET = "target"
"""The key of `develop.watch` that names a path in the container; the others stay on this machine."""
_BUILD_NAMING = {"context", "dockerfile", "cache_from"}
_TOP = ("networks", "volumes")


def note_taken(tree: Map, services: Mapping[str, Node], access: ProjectAccess) -> None:
    """Note the variables that the values of these services, and of networks and volumes, contain."""
    for name, service in services.items():
        for key, node in service.items() if isinstance(service, Map) else ():
            if key == "build" and isinstance(node, Map):
                for part, value in node.items():
                    _note(value, part in _BUILD_NAMING, f"services.{name}.build.{part}", access)
            elif key == "develop":
                for part, value in _parts(node):
                    _note(value, part != _WATCH_TARGET, f"services.{name}.develop.watch", access)
            else:
                _note(node, key in _NAMING or key == "build", f"services.{name}.{key}", access)
    for key in _TOP:
        if (given := tree.get(key)) is not None:
            _note(given, False, key, access)


def _note(node: Node, is_name: bool, use: str, access: ProjectAccess) -> None:
    for scalar in _scalars(node):
        if is_name:
            access.mention(sorted(scalar.taken), use)
        else:
            access.take(sorted(scalar.taken), use)


def _parts(node: Node, key: str = "") -> Iterator[tuple[str, Scalar]]:
    """All scalars, each with the key that it belongs to."""
    if isinstance(node, Map):
        for name, below in node.items():
            yield from _parts(below, name)
    elif isinstance(node, List):
        for below in node.items:
            yield from _parts(below, key)
    else:
        yield key, node


def _scalars(node: Node) -> Iterator[Scalar]:
    return (scalar for _, scalar in _parts(node))
