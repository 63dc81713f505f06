"""Read `volumes` and `tmpfs` of a service."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from resin_toolkit.compose.nodes import List, Map, Node, Scalar
from resin_toolkit.compose.problems import InvalidValue, ValuePath, collecting_problems
from resin_toolkit.compose.values import parse_bool, parse_scalar, parse_size, strings, text
from resin_toolkit.project.application import Mount

_INSTEAD = (
    "COPY the files into the image, sync them with `develop.watch`, or use an absolute path on the device."
)
_PROPAGATION = {"shared", "slave", "private", "rshared", "rslave", "rprivate"}
_WITHOUT_EFFECT = {"rw", "z", "Z", "cached", "delegated", "consistent"}
"""The default, options of SELinux, which devices do not have, and of file sharing on desktops."""
_VOLUME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_MODE = re.compile(r"0?o?[0-7]{3,4}")


def read_mounts(service: Map, path: ValuePath) -> tuple[Mount, ...]:
    """Return the mounts of a service, without those of its labels."""
    found = _each(service.get("volumes"), path / "volumes", _volume)
    node = service.get("tmpfs")
    listed = List((node,), node.location) if isinstance(node, Scalar) else node
    return (*found, *_each(listed, path / "tmpfs", lambda item, _: _tmpfs(text(item))))


def _each(node: Node | None, path: ValuePath, reader: Callable[[Node, ValuePath], Mount]) -> list[Mount]:
    found: list[Mount] = []
    for number, item in enumerate(node.items if isinstance(node, List) else ()):
        with collecting_problems(path / number, item):
            found.append(reader(item, path / number))
    return found


def _volume(node: Node, path: ValuePath) -> Mount:
    return _long_form(node, path) if isinstance(node, Map) else _short_form(text(node), node.location.base)


def _short_form(written: str, project: Path) -> Mount:
    parts = written.split(":")
    if len(parts) == 1:
        return Mount("volume", _container_path(parts[0]))
    if len(parts) > 3:
        raise InvalidValue("has too many colons", "Use SOURCE:TARGET or SOURCE:TARGET:ro.")
    source, target, *rest = parts
    kind = _mount_type(source, project)
    read_only, options = _options(rest[0].split(",") if rest else [], kind)
    return Mount(kind, _container_path(target), source, read_only, options)


def _mount_type(source: str, project: Path) -> str:
    """bind or volume. A path in the project folder, such as `${PWD}/src`, is not a path on the device."""
    inside = Path(source).is_relative_to(project) and project.parent != project
    if source.startswith("/") and not inside:
        return "bind"
    if source.startswith((".", "~")) or "/" in source or "\\" in source:
        raise InvalidValue(
            f"mounts {source}, which is on this machine and not on the device",
            _INSTEAD,
        )
    if not _VOLUME.fullmatch(source):
        raise InvalidValue(f"has an invalid source: {source!r} is neither a volume name nor an absolute path")
    return "volume"


def _container_path(target: str) -> str:
    if not target.startswith("/"):
        raise InvalidValue(
            f"must have an absolute path in the container, not {target!r}", "Begin it with a slash."
        )
    return target


def _options(given: list[str], kind: str) -> tuple[bool, dict[str, str]]:
    read_only, options = False, {}
    for word in given:
        if word == "ro":
            read_only = True
        elif word == "nocopy" and kind == "volume":
            options["nocopy"] = "true"
        elif word in _PROPAGATION and kind == "bind":
            options["propagation"] = word
        elif word not in _WITHOUT_EFFECT:
            raise InvalidValue(f"has an unknown option: {word!r}", "Use ro, rw or nocopy.")
    return read_only, options


def _tmpfs(written: str) -> Mount:
    target, _, rest = written.partition(":")
    read_only, options = False, {}
    for word in filter(None, rest.split(",")):
        name, _, value = word.partition("=")
        if name == "size":
            options["size"] = str(parse_size(value))
        elif name == "mode" and _MODE.fullmatch(value):
            options["mode"] = value
        elif name == "ro":
            read_only = True
        elif name != "rw":
            raise InvalidValue(f"has an option that is not supported: {name!r}", "Use size or mode.")
    return Mount("tmpfs", _container_path(target), "", read_only, options)


def _long_form(node: Map, path: ValuePath) -> Mount:
    kind, source = text(node.get("type")), text(node.get("source"))
    target = _container_path(text(node.get("target")))
    read_only = parse_scalar(node.get("read_only"), path / "read_only", parse_bool, False)
    match kind:
        case "bind":
            if not source:
                raise InvalidValue("is missing source", "Add `source:`, an absolute path on the device.")
            _mount_type(source if "/" in source else f"./{source}", node.location.base)
            return Mount("bind", target, source, read_only, _propagation(node, path))
        case "volume":
            if source and _mount_type(source, node.location.base) != "volume":
                raise InvalidValue("has a path as its source, though its type is volume", "Use `type: bind`.")
            return Mount("volume", target, source, read_only, _nocopy(node, path))
        case "tmpfs":
            return Mount("tmpfs", target, "", read_only, _tmpfs_options(node, path))
    raise InvalidValue(f"has an unsupported type: {kind}", "Use bind, volume or tmpfs.")


def _propagation(node: Map, path: ValuePath) -> dict[str, str]:
    bind = node.get("bind")
    if not isinstance(bind, Map):
        return {}
    if not parse_scalar(bind.get("create_host_path"), path / "bind" / "create_host_path", parse_bool, True):
        raise InvalidValue(
            "sets create_host_path: false, but the engine always creates the folder", "Remove the key."
        )
    word = strings(bind.get("propagation"))
    if word and word[0] not in _PROPAGATION:
        raise InvalidValue(f"has an unknown propagation: {word[0]!r}")
    return {"propagation": word[0]} if word else {}


def _nocopy(node: Map, path: ValuePath) -> dict[str, str]:
    volume = node.get("volume")
    value = volume.get("nocopy") if isinstance(volume, Map) else None
    return {"nocopy": "true"} if parse_scalar(value, path / "volume" / "nocopy", parse_bool, False) else {}


def _tmpfs_options(node: Map, path: ValuePath) -> dict[str, str]:
    tmpfs = node.get("tmpfs")
    if not isinstance(tmpfs, Map):
        return {}
    options: dict[str, str] = {}
    length = parse_scalar(tmpfs.get("size"), path / "tmpfs" / "size", parse_size, None)
    if length is not None:
        options["size"] = str(length)
    mode = tmpfs.get("mode")
    if isinstance(mode, Scalar) and mode.value is not None:
        # A number was written in octal (0o1777); a string is octal already.
        options["mode"] = f"{mode.value:o}" if isinstance(mode.value, int) else mode.text
    return options
