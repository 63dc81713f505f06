"""Read `resin.toml`, the settings of a project."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from resin_toolkit.bounded_toml import parse_toml
from resin_toolkit.errors import BadValue, ConfigInvalid, from_os_error
from resin_toolkit.project import settings_values as values
from resin_toolkit.project.application import DeviceNode, Mount, Port
from resin_toolkit.project.bounded_file import ReadFile, read_bounded
from resin_toolkit.project.settings_values import InvalidSetting

FILE = "resin.toml"
_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")


@dataclass(frozen=True)
class BuildSettings:
    """`[build]`: options of the build."""

    args: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    """The stage to build; the last one if empty."""


@dataclass(frozen=True)
class RunSettings:
    """`[run]`: how the container runs. Times are in seconds; None is the image's or the caller's default."""

    privileged: bool = True
    network: str | None = None
    """host, bridge or none; None means bridge if ports are published, else host."""
    restart: str = "always"
    volumes: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    devices: tuple[DeviceNode, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] | None = None
    grace: float | None = None
    """How long a new container must run before it replaces the old one."""
    user: str = ""
    stop_signal: str = ""
    stop_grace: float | None = None
    """How long the container may take to stop."""
    data: bool = True
    """Whether `/data` is mounted: a persistent folder on the device's data partition."""
    dbus: bool = True
    """Whether the D-Bus of the device is mounted at `/host/run/dbus`."""
    kernel_modules: bool = True
    firmware: bool = True
    environment: bool = True
    """Whether the variables RESIN_… and BALENA_… are set, which describe the device."""


@dataclass(frozen=True)
class LiveSettings:
    """`[live]`: options of live mode. None means the caller's default."""

    enabled: bool | None = None
    debounce: float | None = None
    """Seconds without changes before they are synced."""
    ignore: tuple[str, ...] = ()
    """Patterns of files that are not watched, as in `.dockerignore`."""


@dataclass(frozen=True)
class Settings:
    """The settings of a project; without a file, the defaults."""

    folder: Path
    name: str = ""
    """The application's name; if empty, it is derived from the folder's name."""
    device: str = ""
    """The default DEVICE."""
    device_type: str = ""
    """The slug of the device type; if empty, the device is asked."""
    source: Path | None = None
    """The folder to build, absolute; if None, `folder`."""
    dockerfile: str | None = None
    """Relative to the source; if None, `choose_dockerfile` chooses."""
    build: BuildSettings = field(default_factory=BuildSettings)
    run: RunSettings = field(default_factory=RunSettings)
    live: LiveSettings = field(default_factory=LiveSettings)
    file: Path | None = None
    """The file that it was read from."""

    @property
    def context(self) -> Path:
        """The folder to build, absolute."""
        return self.source or self.folder

    @property
    def app_name(self) -> str:
        """The name of the application on a device."""
        from resin_toolkit.project.names import app_name

        return self.name or app_name(self.folder.name)


_Reader = Callable[[object], Any]
_BUILD: Mapping[str, _Reader] = {"args": values.pairs, "target": values.text}
_RUN: Mapping[str, _Reader] = {
    "privileged": values.flag,
    "network": values.network,
    "restart": values.restart,
    "volumes": values.each(values.volume),
    "ports": values.each(values.port),
    "devices": values.each(values.device),
    "env": values.pairs,
    "command": values.command,
    "grace": values.seconds,
    "user": values.text,
    "stop_signal": values.stop_signal,
    "stop_grace": values.seconds,
    "data": values.flag,
    "dbus": values.flag,
    "kernel_modules": values.flag,
    "firmware": values.flag,
    "environment": values.flag,
}
_LIVE: Mapping[str, _Reader] = {"enabled": values.flag, "debounce": values.seconds, "ignore": values.texts}
_TABLES: Mapping[str, tuple[type, Mapping[str, _Reader]]] = {
    "build": (BuildSettings, _BUILD),
    "run": (RunSettings, _RUN),
    "live": (LiveSettings, _LIVE),
}


def read_settings(folder: Path, read: ReadFile = read_bounded) -> Settings:
    """Read `resin.toml` in `folder` with `read`; return the defaults if it does not exist.

    Raises BadValue with file, line and key, ConfigInvalid if it is not TOML, and the errors of reading it.
    """
    folder = folder.absolute()
    path = folder / FILE
    try:
        text = read(path, FILE).decode("utf-8-sig")
    except FileNotFoundError:
        return Settings(folder)
    except UnicodeDecodeError:
        raise ConfigInvalid(f"{path}: invalid UTF-8.", hint="Save the file as UTF-8.") from None
    except OSError as error:
        raise from_os_error(error, path) from error
    return _File(path, text).settings(folder)


class _File:
    """The text of a `resin.toml`, in which keys are located for messages."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text

    def settings(self, folder: Path) -> Settings:
        top: Mapping[str, _Reader] = {
            "name": _name,
            "device": values.text,
            "device_type": _device_type,
            "source": lambda value: _source(folder, value),
            "dockerfile": values.text,
        }
        found = self._parse()
        top_level = {key: value for key, value in found.items() if key not in _TABLES}
        read = self._read("", top_level, top)
        for name, (record, readers) in _TABLES.items():
            if name in found:
                table = found[name]
                if not isinstance(table, dict):
                    raise self.error(
                        "", name, InvalidSetting("is not a table", f"Begin it with a line [{name}].")
                    )
                read[name] = record(**self._read(name, table, readers))
        settings = Settings(folder, **read, file=self.path)
        self._check_ports(settings.run)
        return settings

    def _parse(self) -> dict[str, Any]:
        try:
            return parse_toml(self.text)
        except ValueError as error:
            position = re.search(r"\(at (line \d+), column \d+\)", str(error))
            where = f"{self.path}, {position[1]}" if position else str(self.path)
            # The parser's own message may quote the file, which may contain secrets.
            raise ConfigInvalid(
                f"{where}: invalid TOML.",
                hint='Lines are key = "text", key = true, or [table]; text needs quotes.',
            ) from None

    def _read(self, table: str, found: Mapping[str, Any], readers: Mapping[str, _Reader]) -> dict[str, Any]:
        read = {}
        for key, value in found.items():
            if key not in readers:
                raise self.error(
                    table, key, InvalidSetting("is not a known key", _suggest(table, key, readers))
                )
            try:
                read[key] = readers[key](value)
            except InvalidSetting as problem:
                raise self.error(table, key, problem) from None
        return read

    def _check_ports(self, run: RunSettings) -> None:
        if run.ports and run.network in ("host", "none"):
            problem = InvalidSetting(
                f"cannot be published with network = {run.network!r}",
                "In the host network every port is a port of the device; remove one of the two.",
            )
            raise self.error("run", "ports", problem)

    def error(self, table: str, key: str, problem: InvalidSetting) -> BadValue:
        line = self._line_of(table, key)
        where = f"{self.path}, line {line}" if line else str(self.path)
        label = f"[{table}] " if table else ""
        shown = key if key.isprintable() and len(key) <= 40 else "a key"
        return BadValue(
            f"{where}: {label}{shown} {problem.reason}.",
            hint=problem.hint,
            file=str(self.path),
            line=line,
            key=key,
        )

    def _line_of(self, table: str, key: str) -> int | None:
        """The line of a key, found with regular expressions: tomllib does not report it."""
        inside = ""
        plain = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""")
        dotted = re.compile(rf"""\s*{table}\s*\.\s*["']?{re.escape(key)}["']?\s*[=.]""")
        inline = re.compile(rf"""\s*{table}\s*=.*\b{re.escape(key)}\b""")
        for number, line in enumerate(self.text.splitlines(), 1):
            header = _HEADER.fullmatch(line)
            if header:
                inside = header[1].replace('"', "").replace(" ", "")
                if inside in (f"{table}.{key}", key if not table else None):
                    return number
                continue
            is_there = inside == table and plain.match(line)
            if is_there or (table and not inside and (dotted.match(line) or inline.match(line))):
                return number
        return None


def _suggest(table: str, key: str, readers: Mapping[str, _Reader]) -> str:
    """The hint for an unknown key: a similar key, its table, or all keys."""
    from difflib import get_close_matches

    wanted = key.replace("-", "_").lower()
    here = [*readers, *(() if table else _TABLES)]
    if wanted in here:
        return f'Did you mean "{wanted}"?'
    for other, (record, _) in {"": (Settings, None), **_TABLES}.items():
        names = {entry.name for entry in fields(record)} - {"folder", "file"}
        if other != table and wanted in names:
            return f"It belongs in [{other}]." if other else "It belongs at the top, before the first table."
    near = get_close_matches(wanted, here, n=1)
    return f'Did you mean "{near[0]}"?' if near else f"Known keys: {', '.join(here)}."


def _name(value: object) -> str:
    from resin_toolkit.project.names import checked_app_name

    try:
        return checked_app_name(values.text(value))
    except BadValue as error:
        raise InvalidSetting(f"is {value!r}, which is not a valid application name", error.hint) from None


def _device_type(value: object) -> str:
    """The slug of a known device type. For a newer one, the key can be omitted: the device is asked."""
    from resin_toolkit.device.types import device_type

    try:
        return device_type(values.text(value)).slug
    except BadValue as error:
        raise InvalidSetting(f"is {value!r}, which is not a device type", error.hint) from None


def _source(folder: Path, value: object) -> Path:
    word = values.text(value)
    path = folder / word
    if not os.path.isdir(path):  # noqa: PTH112 - a path that is too long is no folder
        raise InvalidSetting(f"is {word!r}, which is not a folder", f"It is relative to {folder}.")
    return path.resolve()
