"""Plan the changes that configure a boot partition, before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from image_tools import config as config_file
from image_tools import profiles
from image_tools.config import Config, needs_rewrite
from image_tools.connection_files import CONNECTIONS, LARGEST_PROFILE, connection_files
from image_tools.fat import Change, DirectoryEntry, FatFileSystem, Put, Remove
from image_tools.lint.keyfile import check_connection
from image_tools.profiles.keyfile import read_keyfile
from resin_toolkit.errors import BadValue, ConfigInvalid, FileSystemDamaged, Notice

CONFIG_PATH = "/config.json"
PROXY_PATH = "/system-proxy/redsocks.conf"
NO_PROXY_PATH = "/system-proxy/no_proxy"
UNUSED_SUFFIX = ".ignore"
_LARGEST_CONFIG = 4 << 20


@dataclass(frozen=True)
class ConnectionFile:
    """A NetworkManager keyfile for `system-connections`.

    Keyfiles `generated` by this program are not linted, because importing the linter takes as long as
    everything else; tests verify that it would find nothing.
    """

    name: str
    data: bytes = field(repr=False)
    generated: bool = False


@dataclass(frozen=True)
class PlacedFile:
    """Another file, at an absolute path of the boot partition; `about` describes it in a few words."""

    path: str
    data: bytes = field(repr=False)
    about: str


@dataclass(frozen=True)
class Request:
    """The configuration to apply.

    `sets` are pairs of a config.json key and its value as text. `replace` starts from an empty config.json. A
    connection replaces an existing one with the same id; `removed` are ids.
    """

    sets: tuple[tuple[str, str], ...] = ()
    unsets: tuple[str, ...] = ()
    merge: Config | None = None
    replace: bool = False
    ssh_keys: tuple[str, ...] = ()
    connections: tuple[ConnectionFile, ...] = ()
    removed: tuple[str, ...] = ()
    files: tuple[PlacedFile, ...] = ()

    def __bool__(self) -> bool:
        return self != Request()

    @classmethod
    def add_profile(cls, profile: profiles.Profile) -> Request:
        """Return the request to add a profile, with the certificates and keys that it names."""
        *attached, (name, keyfile) = profile.files()
        files = (PlacedFile(f"{CONNECTIONS}/{file}", data, "certificate or key") for file, data in attached)
        return cls(connections=(ConnectionFile(name, keyfile, generated=True),), files=tuple(files))


def combine_requests(first: Request, second: Request) -> Request:
    """Combine two requests; the second takes precedence."""
    named = {name for name, _ in second.sets}
    merges = [merge for merge in (first.merge, second.merge) if merge is not None]
    files = {file.path: file for file in (*first.files, *second.files)}
    return Request(
        sets=(*first.sets, *second.sets),
        unsets=(*(name for name in first.unsets if name not in named), *second.unsets),
        merge=config_file.merge(*merges)[0] if len(merges) == 2 else next(iter(merges), None),
        replace=first.replace or second.replace,
        ssh_keys=tuple(dict.fromkeys((*first.ssh_keys, *second.ssh_keys))),
        connections=(*first.connections, *second.connections),
        removed=(*first.removed, *second.removed),
        files=tuple(files.values()),
    )


@dataclass(frozen=True)
class ConfigurationPlan:
    """The changes in order, a diff for display with secrets hidden, and warnings."""

    changes: tuple[Change, ...]
    diff: tuple[str, ...]
    notices: tuple[Notice, ...]


def plan(filesystem: FatFileSystem, request: Request) -> ConfigurationPlan:
    """Return the changes that apply `request`; none if the boot partition is already configured that way.

    config.json is written last, as the commit. The active sample profile of old images is removed. Raises
    BadValue or ConfigInvalid. Writes nothing.
    """
    raw = None if request.replace else _raw_config(filesystem)
    old = {} if raw is None else config_file.parse(raw)
    new, notices = _configured(old, request)
    notices.extend(_check_connections(request.connections))
    builder = _PlanBuilder(filesystem)
    for file in request.files:
        builder.put(file.path, file.data, file.about)
    for connection in request.connections:
        builder.put(f"{CONNECTIONS}/{connection.name}", connection.data, _description(connection.data))
    for entry, why in _superseded(filesystem, request, notices):
        builder.remove(entry, why)
    if _needs_write(filesystem, request, raw, config_file.dump(old), config_file.dump(new)):
        known = _known_config(filesystem) if request.replace else old
        builder.commit(config_file.dump(new), config_file.diff(known, new))
    return ConfigurationPlan(tuple(builder.changes), tuple(builder.lines), tuple(dict.fromkeys(notices)))


class _PlanBuilder:
    """Collects the changes of a plan, with a diff line for each."""

    def __init__(self, filesystem: FatFileSystem) -> None:
        self._filesystem = filesystem
        self.changes: list[Change] = []
        self.lines: list[str] = []
        self._paths: set[str] = set()

    def put(self, path: str, data: bytes, about: str) -> None:
        """Write a file, unless it already has that content."""
        self._paths.add(path.lower())
        existing = self._filesystem.find(path)
        if existing is not None and existing.size == len(data) and self._filesystem.read(path) == data:
            return
        self.changes.append(Put(path, data, make_parents=True))
        self.lines.append(f"{'+' if existing is None else '~'} {path.lstrip('/')} ({about})")

    def remove(self, entry: DirectoryEntry, why: str) -> None:
        """Remove a file, unless the plan already writes or removes it."""
        if entry.path.lower() in self._paths:
            return
        self._paths.add(entry.path.lower())
        self.changes.append(Remove(entry.path))
        self.lines.append(f"- {entry.path.lstrip('/')} ({why})")

    def commit(self, data: bytes, lines: list[str]) -> None:
        """Write config.json; to be called last."""
        self.changes.append(Put(CONFIG_PATH, data))
        self.lines.extend(lines or ["~ config.json (encoding and line endings)"])


def check_request(request: Request) -> None:
    """Check a request as far as possible without the image. Raises BadValue or ConfigInvalid."""
    if request.merge is not None:
        config_file.merge({}, request.merge)
    for name, value in request.sets:
        config_file.set_value({}, name, value)
    config_file.add_ssh_keys({}, request.ssh_keys)
    _check_connections(request.connections)


def read_config(filesystem: FatFileSystem) -> Config:
    """Parse config.json of the boot partition; a missing file is empty. Raises ConfigInvalid."""
    raw = _raw_config(filesystem)
    return {} if raw is None else config_file.parse(raw)


def list_connections(filesystem: FatFileSystem) -> tuple[Mapping[str, object], ...]:
    """Return the connection files of the boot partition as JSON objects, with secrets hidden."""
    return tuple(_connection_data(filesystem, entry) for entry in connection_files(filesystem))


def _configured(old: Config, request: Request) -> tuple[Config, list[Notice]]:
    new, notices = old, []
    if request.merge is not None:
        new, warnings = config_file.merge(new, request.merge)
        notices.extend(warnings)
    for name, value in request.sets:
        new, warnings = config_file.set_value(new, name, value)
        notices.extend(warnings)
    for name in request.unsets:
        new, warnings = config_file.unset(new, name)
        notices.extend(warnings)
    if request.ssh_keys:
        new, warnings = config_file.add_ssh_keys(new, request.ssh_keys)
        notices.extend(warnings)
    return new, notices


def _check_connections(connections: tuple[ConnectionFile, ...]) -> list[Notice]:
    notices: list[Notice] = []
    names: set[str] = set()
    for connection in connections:
        if not connection.generated:
            notices.extend(check_connection(connection.name, connection.data))
        if connection.name.lower() in names:
            raise BadValue(
                f"Two network profiles would have the file name {connection.name}.",
                hint="Rename one of the files; FAT ignores case.",
            )
        names.add(connection.name.lower())
    return notices


def _superseded(
    filesystem: FatFileSystem, request: Request, notices: list[Notice]
) -> Iterator[tuple[DirectoryEntry, str]]:
    """Yield the profiles to remove, each with the reason: sample, removed, or replaced by the same id."""
    written_ids = {read_keyfile(connection.data, connection.name).id for connection in request.connections}
    missing_ids = set(request.removed)
    for entry in connection_files(filesystem):
        if entry.name.lower().endswith(UNUSED_SUFFIX):
            continue
        data = _content(filesystem, entry, LARGEST_PROFILE)
        found = _id_of(data)
        if profiles.is_sample(entry.name, data):
            yield entry, "sample"
        elif found is not None and found in request.removed:
            missing_ids.discard(found)
            yield entry, "removed"
        elif found is not None and found in written_ids:
            yield entry, "replaced"
    notices.extend(
        Notice("no-such-connection", f"There is no network profile with the id {name}; nothing was removed.")
        for name in sorted(missing_ids)
    )


def _id_of(data: bytes) -> str | None:
    try:
        return read_keyfile(data).id
    except ConfigInvalid:
        return None


def _raw_config(filesystem: FatFileSystem) -> bytes | None:
    entry = filesystem.find(CONFIG_PATH)
    return None if entry is None else _content(filesystem, entry, _LARGEST_CONFIG)


def _known_config(filesystem: FatFileSystem) -> Config:
    """Return the config.json that is replaced, or an empty one if it cannot be parsed."""
    try:
        return read_config(filesystem)
    except ConfigInvalid:
        return {}


def _needs_write(
    filesystem: FatFileSystem, request: Request, raw: bytes | None, old: bytes, new: bytes
) -> bool:
    """Whether to write config.json: it changes, or its encoding must be corrected."""
    if request.replace:
        return _raw_config(filesystem) != new
    return old != new or (bool(request) and raw is not None and needs_rewrite(raw))


def _connection_data(filesystem: FatFileSystem, entry: DirectoryEntry) -> Mapping[str, object]:
    used = not entry.name.lower().endswith(UNUSED_SUFFIX)
    facts: dict[str, object] = {"file": entry.name, "used": used}
    try:
        facts |= profiles.summary(read_keyfile(_content(filesystem, entry, LARGEST_PROFILE)))
    except (ConfigInvalid, FileSystemDamaged) as error:
        facts["problem"] = error.message
    return facts


def _description(data: bytes) -> str:
    """Describe a keyfile in a few words."""
    facts = profiles.summary(read_keyfile(data))
    ssid = facts.get("ssid")
    return f"{facts.get('type', 'connection')} {ssid!r}" if ssid else str(facts.get("type", "connection"))


def _content(filesystem: FatFileSystem, entry: DirectoryEntry, largest: int) -> bytes:
    if entry.is_directory or entry.size > largest:
        reason = "it is a directory" if entry.is_directory else "it is too large"
        raise ConfigInvalid(
            f"{entry.path} is not a configuration file: {reason}.",
            hint="Remove it with `resin image rm`, then try again.",
        )
    return filesystem.read(entry.path)
