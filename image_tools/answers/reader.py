"""Read an answers file: TOML 1.0 (toml.io), checked against the schema."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from image_tools.answers.model import (
    Answers,
    CellularAnswers,
    EthernetAnswers,
    HotspotAnswers,
    ProxyAnswers,
    SecretReference,
    WifiAnswers,
)
from image_tools.answers.problems import TableLocation, literal_secret, unknown_key
from image_tools.answers.schema import TABLES, TOP, AnswerKey, AnswerType
from resin_toolkit.bounded_toml import parse_toml
from resin_toolkit.errors import BadValue, ConfigInvalid

_SECTION_TYPES: dict[str, type[Any]] = {
    "wifi": WifiAnswers,
    "ethernet": EthernetAnswers,
    "cellular": CellularAnswers,
    "hotspot": HotspotAnswers,
    "proxy": ProxyAnswers,
}
_PIPE_FOLDERS = ("/dev", "/dev/fd", "/proc/self/fd")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def read_answers_file(path: Path) -> Answers:
    """Read and parse an answers file, which may be a pipe. Raises OSError, and what `read_answers` raises.

    File names in it are relative to its directory, or to the working directory if it is a pipe.
    """
    folder = path.absolute().parent
    return read_answers(path.read_bytes(), str(path), Path.cwd() if str(folder) in _PIPE_FOLDERS else folder)


def read_answers(data: bytes, name: str, folder: Path) -> Answers:
    """Parse an answers file. File names in it are relative to `folder`; `~/` is the home folder.

    Raises ConfigInvalid, with the line, for invalid TOML, and BadValue for an unknown key, an invalid value
    or a literal secret. No error shows a value that may be secret. Files named in the answers are not opened.
    """
    text = _decode(data, name)
    top = TableLocation(name, text, folder)
    document = _parse(text, name)
    sections = {key: document.pop(key) for key in TABLES if key in document}
    values = _read_table(top, TOP, document, TABLES)
    for key, value in sections.items():
        values[key] = _read_section(TableLocation(name, text, folder, key), value)
    return Answers(**values)


def _read_section(table: TableLocation, value: object) -> object:
    """Convert one table of the file, or all tables for Wi-Fi."""
    if table.name != "wifi":
        return _build_section(table, value)
    tables = value if isinstance(value, list) else [value]
    locations = (TableLocation(table.file, table.text, table.folder, "wifi", n) for n in range(len(tables)))
    return tuple(_build_section(place, one) for place, one in zip(locations, tables, strict=True))


def _build_section(table: TableLocation, value: object) -> object:
    if not isinstance(value, dict):
        raise table.error("", "must be a table.", f"Write [{table.name}] on a line above its keys.")
    entries = TABLES[table.name]
    values = _read_table(table, entries, value)
    for entry in entries:
        if entry.required and entry.attribute not in values:
            raise table.error("", f"{entry.name} is missing.", f"{entry.meaning}")
    if table.name in ("wifi", "ethernet", "hotspot"):
        _check_addressing(table, values)
    return _SECTION_TYPES[table.name](**values)


def _read_table(
    table: TableLocation, entries: Iterable[AnswerKey], found: dict[str, Any], others: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the converted values of a table by attribute name."""
    known = {key: entry for entry in entries for key in entry.keys}
    values: dict[str, Any] = {}
    for key, value in found.items():
        entry = known.get(key)
        if entry is None:
            raise unknown_key(table, key, [*known, *others])
        if entry.attribute in values:
            raise table.error(
                key, f"{entry.name} is given more than once.", f"Keep one of {', '.join(entry.keys)}."
            )
        values[entry.attribute] = _read_value(table, entry, key, value)
    return values


def _read_value(table: TableLocation, entry: AnswerKey, key: str, value: object) -> object:
    if key != entry.name:
        return _reference(table, key, value)
    converted = _convert(table, entry, value)
    if entry.choices and converted not in entry.choices:
        raise table.error(
            key, f"{key} must be one of: {', '.join(entry.choices)}.", f"Use {entry.choices[0]}."
        )
    if entry.check is not None:
        try:
            entry.check(converted)
        except BadValue as error:
            raise table.error(key, f"{key}: {error.message}", error.hint) from None
    return converted


def _convert(table: TableLocation, entry: AnswerKey, value: Any) -> Any:
    shape, key = entry.shape, entry.name
    is_string = isinstance(value, str)
    texts = [value] if is_string else value
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
        match shape:
            case AnswerType.TEXTS:
                return tuple(texts)
            case AnswerType.WORDS:
                return " ".join(texts)
            case AnswerType.FILES:
                return tuple(_path(table, key, text) for text in texts)
    if is_string and shape is AnswerType.TEXT:
        return value
    if is_string and shape is AnswerType.FILE:
        return _path(table, key, value)
    if is_string and shape is AnswerType.ADDRESS:
        return _proxy_url(table, key, value)
    if shape is AnswerType.FLAG and isinstance(value, bool):
        return value
    if shape is AnswerType.NUMBER and isinstance(value, int) and not isinstance(value, bool):
        return value
    if shape is AnswerType.OBJECT and isinstance(value, dict):
        return _config(table, value)
    if shape is AnswerType.SSID:
        return _ssid(table, key, value)
    raise table.error(key, f"{key} must be a {shape.value}.", _example(entry))


def _reference(table: TableLocation, key: str, value: object) -> SecretReference:
    if not isinstance(value, str) or not value:
        raise table.error(
            key, f"{key} must be a string.", "Give the name of the file or variable, not the secret."
        )
    if key.endswith("-file"):
        return SecretReference(file=_path(table, key, value))
    if not _VARIABLE.fullmatch(value):
        raise table.error(
            key,
            f"{key} is not a valid name of an environment variable.",
            "Give the name of the variable, not the secret.",
        )
    return SecretReference(variable=value)


def _proxy_url(table: TableLocation, key: str, value: str) -> str:
    from image_tools.proxy import ProxyUrl

    try:
        has_password = bool(ProxyUrl.parse(value).password)
    except BadValue as error:
        raise table.error(key, f"{key}: {error.message}", error.hint) from None
    if has_password:
        raise literal_secret(table, key, key)
    return value


def _ssid(table: TableLocation, key: str, value: object) -> bytes:
    from image_tools.profiles.wifi_credentials import check_ssid

    if isinstance(value, str):
        ssid = value.encode()
    elif isinstance(value, list) and all(type(byte) is int and 0 <= byte < 256 for byte in value):
        ssid = bytes(value)
    else:
        raise table.error(key, f"{key} must be a {AnswerType.SSID.value}.", 'For example ssid = "home".')
    try:
        check_ssid(ssid)
    except BadValue as error:
        raise table.error(key, error.message, error.hint) from None
    return ssid


def _config(table: TableLocation, config: dict[str, Any]) -> dict[str, Any]:
    """Check that the [config] table can be written as JSON and contains no secrets."""
    from image_tools.config.check import key_at

    below = TableLocation(table.file, table.text, table.folder, "config")

    def check(path: tuple[str, ...], value: object) -> None:
        name = ".".join(path)
        known = key_at(path)
        if known is not None and known.secret:
            hint = "Put it in a JSON file and name that with config-file."
            raise below.error(name, f"{name} is a secret.", hint)
        if isinstance(value, dict):
            for key, inner in value.items():
                check((*path, key), inner)
        elif isinstance(value, list):
            for inner in value:
                check(path, inner)
        elif not isinstance(value, str | bool | int | float) or value in (float("inf"), -float("inf")):
            raise below.error(name, f"{name} cannot be written as JSON.", "Put dates and times in quotes.")
        elif value != value:
            raise below.error(name, f"{name} cannot be written as JSON.", "JSON has no NaN.")

    for key, value in config.items():
        check((key,), value)
    return config


def _check_addressing(table: TableLocation, values: dict[str, Any]) -> None:
    from image_tools.profiles.addressing import Addressing

    names = ("static", "gateway", "dns", "never_default", "route_metric", "shared")
    given = {name: values[name] for name in names if name in values}
    if table.name == "hotspot":
        given["shared"] = True
    try:
        Addressing(**given)
    except BadValue as error:
        raise table.error("static" if "static" in given else "", error.message, error.hint) from None


def _path(table: TableLocation, key: str, text: str) -> Path:
    if not text or "\0" in text:
        raise table.error(key, f"{key} is not a valid path.", "Give a path relative to this file.")
    return Path.home() / text[2:] if text.startswith("~/") else table.folder / text


def _example(entry: AnswerKey) -> str:
    examples = {
        AnswerType.FLAG: "true",
        AnswerType.NUMBER: "1",
        AnswerType.TEXTS: '["one", "two"]',
        AnswerType.WORDS: '["one", "two"]',
        AnswerType.FILES: '["one.txt"]',
        AnswerType.FILE: '"one.txt"',
        AnswerType.OBJECT: "{}",
    }
    return f"For example {entry.name} = {examples.get(entry.shape, chr(34) + 'text' + chr(34))}"


def _decode(data: bytes, name: str) -> str:
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigInvalid(
            f"{name}, line {line}: invalid UTF-8.", hint="Save the file as UTF-8.", file=name, line=line
        ) from None


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        return parse_toml(text)
    except ValueError as error:
        place = re.search(r"\(at (line (\d+), column \d+|end of document)\)", str(error))
        where = f"{name}, {place[1]}" if place else name
        line = int(place[2]) if place and place[2] else None
        # The parser's message may quote the file, which may contain a secret.
        raise ConfigInvalid(
            f"{where}: invalid TOML.",
            hint='Lines have the form key = "text", key = true or [table]; text must be quoted.',
            file=name,
            line=line,
        ) from None
