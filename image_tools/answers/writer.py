"""Write answers as a TOML file that `read_answers` reads back unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from image_tools.answers.model import Answers, SecretReference
from image_tools.answers.schema import TABLES, TOP, AnswerKey
from resin_toolkit.errors import BadValue

_HEAD = (
    "# Answers for `resin configure IMAGE --from FILE`. Secrets are in the files and variables named here.\n"
)
_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def write_answers(answers: Answers) -> str:
    """Return the text of an answers file. Secrets are references, such as passphrase-env = "VARIABLE".

    Secrets in `config`, and null, which TOML does not have, are left out; a comment names the key. Raises
    BadValue for a text that is not valid Unicode.
    """
    blocks = ["".join(_lines(answers, (entry for entry in TOP if entry.name != "config")))]
    if answers.config:
        blocks.append("[config]\n" + "".join(_config_lines(answers.config)))
    for name, entries in TABLES.items():
        section = getattr(answers, name)
        header = f"[[{name}]]" if isinstance(section, tuple) else f"[{name}]"
        for one in section if isinstance(section, tuple) else (section,):
            if one is not None:
                blocks.append(f"{header}\n" + "".join(_lines(one, entries)))
    return "\n".join((_HEAD, *(block for block in blocks if block)))


def _lines(section: object, entries: Iterable[AnswerKey]) -> Iterator[str]:
    for entry in entries:
        value = getattr(section, entry.attribute)
        if value is None or value == ():
            continue
        if isinstance(value, SecretReference):
            by = "file" if value.file is not None else "env"
            yield f"{entry.name}-{by} = {_text(str(value.file if by == 'file' else value.variable))}\n"
        else:
            yield f"{entry.name} = {_value(value)}\n"


def _value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case bytes():
            return _ssid(value)
        case Path():
            return _text(str(value))
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case Mapping():
            inner = ", ".join(f"{_key(str(key))} = {_value(below)}" for key, below in value.items())
            return f"{{{inner}}}"
        case _:
            return _text(str(value))


def _ssid(ssid: bytes) -> str:
    try:
        return _text(ssid.decode())
    except UnicodeDecodeError:
        return _value(list(ssid))


def _text(text: str) -> str:
    """Return a basic string (toml.io, String)."""
    if not _is_unicode(text):
        raise BadValue(
            "A value is not valid Unicode and cannot be written as TOML.",
            hint="Rename the file that it names.",
        )
    escaped = (_ESCAPES.get(c) or (f"\\u{ord(c):04x}" if c < " " or c == "\x7f" else c) for c in text)
    return f'"{"".join(escaped)}"'


def _key(name: str) -> str:
    return name if name and _BARE.issuperset(name) else _text(name)


def _config_lines(config: Mapping[str, object]) -> Iterator[str]:
    from image_tools.config import hidden

    yield from _leaf_lines((), config, hidden(dict(config)))


def _leaf_lines(path: tuple[str, ...], value: object, shown: object) -> Iterator[str]:
    if not all(map(_is_unicode, path)):
        yield "# A key that is not valid Unicode is left out.\n"
        return
    if isinstance(value, Mapping) and isinstance(shown, Mapping) and (value or not path):
        for name, below in value.items():
            yield from _leaf_lines((*path, name), below, shown[name])
        return
    key = ".".join(map(_key, path))
    if value != shown:
        yield f"# {key} is secret: put it in a JSON file and name that with config-file.\n"
    elif not _fits(value):
        yield f"# {key} is left out: TOML has neither null nor invalid Unicode.\n"
    else:
        yield f"{key} = {_value(value)}\n"


def _fits(value: object) -> bool:
    match value:
        case None:
            return False
        case str():
            return _is_unicode(value)
        case list():
            return all(map(_fits, value))
        case Mapping():
            return all(_is_unicode(key) and _fits(below) for key, below in value.items())
        case _:
            return True


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
