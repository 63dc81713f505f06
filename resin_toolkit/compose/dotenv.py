"""Parse files of variables: `.env` beside a compose file, and those that `env_file` names.

A line is `[export ]NAME=value`. A single-quoted value is literal; in a double-quoted one, escapes and
variables are replaced; in an unquoted one, variables, and it ends before ` #`. Quoted values may span lines.
Messages never contain values, which may be secret.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Mapping

from resin_toolkit.compose.interpolation import Origins, Variables, substitute
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
    text: str,
    at: Location,
    outer: Mapping[str, str],
    diagnostics: Diagnostics,
    *,
    origins: Origins | None = None,
    taken: dict[str, set[str]] | None = None,
) -> dict[str, str | None]:
    """Return the variables of a file; the value of a name without `=` is None.

    Values may refer to earlier lines and to the variables `outer`, which take precedence, as in Docker
    Compose 2. Problems go to `diagnostics`. `taken` receives the variables of this process that each value
    comes from: `origins` are those of `outer`.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    variables: dict[str, str | None] = {}
    known: dict[str, str] = {}
    origins, taken = origins or {}, {} if taken is None else taken
    uses: set[str] = set()

    def used(other: str) -> None:
        uses.update(origins.get(other, ()) if other in outer else taken.get(other, ()))

    lookup = Variables(ChainMap(dict(outer), known), used=used)
    position = _skip_blank(text, 0)
    line, counted = 1, 0
    while position < len(text):
        line, counted = line + text.count("\n", counted, position), position
        location = Location(at.shown, line, at.base)
        name = _NAME.match(text, position)
        uses.clear()
        try:
            if name is None:
                raise InvalidValue("a variable name is expected here", "Write `NAME=value`.")
            value, position = _value(text, name, lookup)
            variables[name[1]] = value
            taken[name[1]] = set(uses)
            if value is None:
                known.pop(name[1], None)
            else:
                known[name[1]] = value
        except InvalidValue as error:
            about = f"{name[1]} {error.reason}" if name else error.reason
            diagnostics.add(location, about, error.hint)
            position = _end_of_line(text, position)
        position = _skip_blank(text, position)
    return variables


def parse_raw(text: str, at: Location, diagnostics: Diagnostics) -> dict[str, str | None]:
    """Parse a file of the format `raw`: everything after the first `=` is the value."""
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


def _skip_blank(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position


def _end_of_line(text: str, position: int) -> int:
    match = _LINE.match(text, position)
    return match.end() if match else position


def _value(text: str, name: re.Match[str], variables: Variables) -> tuple[str | None, int]:
    position = name.end()
    separator = text[position : position + 1]
    if separator in ("", "\n", "#"):
        return None, _end_of_line(text, position)
    if separator not in "=:":
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
        raise InvalidValue("has an unclosed quote", "Close it, or use the other kind of quote.")
    after = _AFTER.match(text, match.end())
    if after is None:
        raise InvalidValue("has text after its closing quote", "Quote the whole value.")
    if quote == "'":
        return match[1].replace("\\'", "'"), after.end()
    return substitute(_ESCAPE.sub(_unescape, match[1]), variables), after.end()


def _unescape(match: re.Match[str]) -> str:
    """Replace an escape; `\\$` becomes `$$`, which does not start a variable."""
    letter = match[1]
    return _ESCAPES.get(letter, letter if letter in "\\\"'" else match[0])
