"""Files of variables: `.env` beside a compose file, and those that `env_file` names.

Lines are `NAME=value`, with `export` in front or without. A value in single quotes stands as it is; one in
double quotes has escapes and variables; one without quotes has variables, and ends before ` #`. Quoted values
may go over several lines. No message tells a value.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Mapping

from resin_toolkit.compose.interpolation import Variables, substitute
from resin_toolkit.compose.nodes import Location
from resin_toolkit.compose.problems import Diagnostics, InvalidValue

_BLANK = re.compile(r"(?:\s+|#[^\n]*)*")
_NAME = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.\-]*)[ \t]*")
_LINE = re.compile(r"[^\n]*")
_SINGLE = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_AFTER = re.compile(r"[ \t]*(?:#[^\n]*)?(?=\n|\Z)")
_COMMENT = re.compile(r"(?:^|[ \t])#.*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "b": "\b", "a": "\a", "v": "\v", "$": "$$"}


def parse(
    text: str, at: Location, outer: Mapping[str, str], diagnostics: Diagnostics
) -> dict[str, str | None]:
    """The variables of a file; None is the value of a name that stands alone.

    `outer` are the variables that its values may use besides those of the lines before; they count first, as
    with Docker Compose 2.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    found: dict[str, str | None] = {}
    position = _after_blank(text, 0)
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        location = Location(at.shown, line, at.base)
        name = _NAME.match(text, position)
        try:
            if name is None:
                raise InvalidValue("a variable name is expected here", "Write `NAME=value`.")
            known = {key: value for key, value in found.items() if value is not None}
            value, position = _value(text, name, Variables(ChainMap(dict(outer), known)))
            found[name[1]] = value
        except InvalidValue as error:
            about = f"{name[1]} {error.reason}" if name else error.reason
            diagnostics.add(location, about, error.hint)
            position = _end_of_line(text, position)
        position = _after_blank(text, position)
    return found


def parse_raw(text: str, at: Location, diagnostics: Diagnostics) -> dict[str, str | None]:
    """The same of a file of the format `raw`: all that follows the first `=` is the value."""
    found: dict[str, str | None] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not name.strip() or " " in name.strip():
            location = Location(at.shown, number, at.base)
            diagnostics.add(location, "a variable name is expected here", "Write `NAME=value`.")
            continue
        found[name.strip()] = value if equals else None
    return found


def _after_blank(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position


def _end_of_line(text: str, position: int) -> int:
    match = _LINE.match(text, position)
    return match.end() if match else position


def _value(text: str, name: re.Match[str], variables: Variables) -> tuple[str | None, int]:
    position = name.end()
    sign = text[position : position + 1]
    if sign in ("", "\n", "#"):
        return None, _end_of_line(text, position)
    if sign not in "=:":
        raise InvalidValue("is not followed by `=`", "Write `NAME=value`.")
    position += 1
    while text[position : position + 1] in (" ", "\t"):
        position += 1
    quote = text[position : position + 1]
    if quote not in ("'", '"'):
        end = _end_of_line(text, position)
        return substitute(_COMMENT.sub("", text[position:end]).strip(), variables), end
    match = (_SINGLE if quote == "'" else _DOUBLE).match(text, position)
    if match is None:
        raise InvalidValue("has an unclosed quote", "Close it, or put the value into the other quotes.")
    after = _AFTER.match(text, match.end())
    if after is None:
        raise InvalidValue("has text after its closing quote", "Put the whole value into quotes.")
    if quote == "'":
        return match[1].replace("\\'", "'"), after.end()
    return substitute(_ESCAPE.sub(_unescaped, match[1]), variables), after.end()


def _unescaped(match: re.Match[str]) -> str:
    """A dollar sign with a backslash in front is none of a variable."""
    letter = match[1]
    return _ESCAPES.get(letter, letter if letter in "\\\"'" else match[0])
