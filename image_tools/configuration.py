"""What a configuration changes in a boot partition: worked out whole, before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from image_tools import config as config_file
from image_tools import profiles
from image_tools.config import Config
from image_tools.fat import Change, Entry, FatFileSystem, MakeDirectory, Put, Remove
from image_tools.profiles.check import check_connection
from image_tools.profiles.keyfile import read_keyfile
from resin_toolkit.errors import BadValue, ConfigInvalid, FileSystemDamaged, Notice

CONFIG_PATH = "/config.json"
CONNECTIONS = "/system-connections"
UNUSED_SUFFIX = ".ignore"
_LARGEST_CONFIG = 4 << 20
_LARGEST_PROFILE = 1 << 20


@dataclass(frozen=True)
class ConnectionFile:
    """A NetworkManager keyfile for `system-connections`."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Request:
    """What should be configured. `sets` are pairs of a key of config.json and its value as typed."""

    sets: tuple[tuple[str, str], ...] = ()
    unsets: tuple[str, ...] = ()
    merge: Config | None = None
    connections: tuple[ConnectionFile, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sets or self.unsets or self.merge is not None or self.connections)


@dataclass(frozen=True)
class Plan:
    """The changes to make, in their order; a person's view of them, secrets hidden; and what is dubious."""

    changes: tuple[Change, ...]
    diff: tuple[str, ...]
    notices: tuple[Notice, ...]


def plan(filesystem: FatFileSystem, request: Request) -> Plan:
    """The plan that brings the boot partition to what `request` asks for; empty where it is so already.

    config.json comes last: while it is old, the rest has not been committed. The active sample profile of old
    images goes. Raises BadValue or ConfigInvalid; nothing is written here.
    """
    old = read_config(filesystem)
    new, notices = _configured(old, request)
    notices.extend(_check_connections(request.connections))
    changes: list[Change] = []
    lines: list[str] = []
    for connection in request.connections:
        _plan_connection(filesystem, connection, changes, lines)
    written = {connection.name.lower() for connection in request.connections}
    for entry in _active_samples(filesystem):
        if entry.name.lower() not in written:
            changes.append(Remove(entry.path))
            lines.append(f"- {entry.path.lstrip('/')} (sample)")
    if config_file.dump(new) != config_file.dump(old):
        changes.append(Put(CONFIG_PATH, config_file.dump(new)))
        lines.extend(config_file.diff(old, new))
    return Plan(tuple(changes), tuple(lines), tuple(dict.fromkeys(notices)))


def check_request(request: Request) -> None:
    """Raise what can be known to be wrong with a request without its image: BadValue or ConfigInvalid."""
    if request.merge is not None:
        config_file.merge({}, request.merge)
    for name, value in request.sets:
        config_file.set_value({}, name, value)
    _check_connections(request.connections)


def read_config(filesystem: FatFileSystem) -> Config:
    """config.json of the boot partition; empty where there is none. Raises ConfigInvalid."""
    entry = filesystem.find(CONFIG_PATH)
    if entry is None:
        return {}
    return config_file.parse(_content(filesystem, entry, _LARGEST_CONFIG))


def shown_connections(filesystem: FatFileSystem) -> tuple[Mapping[str, object], ...]:
    """The connection files of the boot partition, for a person or a script to see; secrets are hidden."""
    return tuple(_shown(filesystem, entry) for entry in _connections(filesystem))


def _configured(old: Config, request: Request) -> tuple[Config, list[Notice]]:
    new, notices = old, []
    if request.merge is not None:
        new, told = config_file.merge(new, request.merge)
        notices.extend(told)
    for name, value in request.sets:
        new, told = config_file.set_value(new, name, value)
        notices.extend(told)
    for name in request.unsets:
        new, told = config_file.unset(new, name)
        notices.extend(told)
    return new, notices


def _check_connections(connections: tuple[ConnectionFile, ...]) -> list[Notice]:
    notices: list[Notice] = []
    names: set[str] = set()
    for connection in connections:
        notices.extend(check_connection(connection.name, connection.data))
        if connection.name.lower() in names:
            raise BadValue(
                f"Two network profiles would have the file name {connection.name}.",
                hint="Rename one of the files; letters that differ in case only are the same on FAT.",
            )
        names.add(connection.name.lower())
    return notices


def _plan_connection(
    filesystem: FatFileSystem, connection: ConnectionFile, changes: list[Change], lines: list[str]
) -> None:
    path = f"{CONNECTIONS}/{connection.name}"
    existing = filesystem.find(path)
    same = (
        existing is not None
        and existing.size == len(connection.data)
        and filesystem.read(path) == connection.data
    )
    if same:
        return
    if filesystem.find(CONNECTIONS) is None and not changes:
        changes.append(MakeDirectory(CONNECTIONS))
    changes.append(Put(path, connection.data))
    lines.append(f"{'+' if existing is None else '~'} {path.lstrip('/')} ({_description(connection.data)})")


def _active_samples(filesystem: FatFileSystem) -> Iterator[Entry]:
    for entry in _connections(filesystem):
        if profiles.is_sample(entry.name, _content(filesystem, entry, _LARGEST_PROFILE)):
            yield entry


def _connections(filesystem: FatFileSystem) -> list[Entry]:
    directory = filesystem.find(CONNECTIONS)
    if directory is None or not directory.is_directory:
        return []
    return [entry for entry in filesystem.list(CONNECTIONS) if not entry.is_directory]


def _shown(filesystem: FatFileSystem, entry: Entry) -> Mapping[str, object]:
    used = not entry.name.lower().endswith(UNUSED_SUFFIX)
    facts: dict[str, object] = {"file": entry.name, "used": used}
    try:
        facts |= profiles.summary(read_keyfile(_content(filesystem, entry, _LARGEST_PROFILE)))
    except (ConfigInvalid, FileSystemDamaged) as error:
        facts["problem"] = error.message
    return facts


def _description(data: bytes) -> str:
    """A keyfile in a few words."""
    facts = profiles.summary(read_keyfile(data))
    ssid = facts.get("ssid")
    return f"{facts.get('type', 'connection')} {ssid!r}" if ssid else str(facts.get("type", "connection"))


def _content(filesystem: FatFileSystem, entry: Entry, largest: int) -> bytes:
    if entry.is_directory or entry.size > largest:
        reason = "it is a directory" if entry.is_directory else "it is too large"
        raise ConfigInvalid(
            f"{entry.path} is no configuration: {reason}.",
            hint="Remove it with `resin image rm`, then try again.",
        )
    return filesystem.read(entry.path)
