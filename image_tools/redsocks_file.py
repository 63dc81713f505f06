"""Reading redsocks.conf, in the grammar of redsocks' parser: sections of `key = value;`, C-like comments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from resin_toolkit.errors import ConfigInvalid

Section = tuple[str, dict[str, str]]

_TOKEN = re.compile(
    r"""
    (?P<space> \s+ | //[^\n]* | /\*.*?\*/ )
  | (?P<string> "(?:[^"\\]|\\[ntr\\'"])*" )
  | (?P<word> [0-9][0-9./]* | [A-Za-z][A-Za-z0-9_.-]* )
  | (?P<mark> [{}=;] )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_ANEW = "Correct the file, or write a new one with --proxy."


def read_sections(data: bytes, name: str) -> list[Section]:
    """The sections, in their order, each with its settings; the last of two settings of one key counts.

    Raises ConfigInvalid with the line where redsocks would stop; the text itself is never shown.
    """
    tokens = _tokens(data, name)
    sections: list[Section] = []
    for kind, token, line in tokens:
        if kind == "mark":
            raise _invalid(name, line, f"a section's name was expected before {token}")
        _expect(tokens, "{", name, line)
        sections.append((token, _settings(tokens, name, line)))
    return sections


Token = tuple[str, str, int]


_END: Token = ("mark", "", 0)


def _settings(tokens: Iterator[Token], name: str, line: int) -> dict[str, str]:
    settings: dict[str, str] = {}
    for kind, key, start in tokens:
        if key == "}" and kind == "mark":
            return settings
        if kind == "mark":
            raise _invalid(name, start, f"a setting was expected before {key}")
        kind, value, line = next(tokens, _END)
        if (kind, value) == ("mark", "="):  # which redsocks does without
            kind, value, line = next(tokens, _END)
        if kind == "mark":
            raise _invalid(name, start, f"{key} has no value")
        _expect(tokens, ";", name, line)
        settings[key] = value
    raise _invalid(name, line, "a section is not closed")


def _expect(tokens: Iterator[Token], mark: str, name: str, line: int) -> None:
    kind, token, line = next(tokens, ("mark", "", line))
    if (kind, token) != ("mark", mark):
        raise _invalid(name, line, f"{mark} is missing")


def _tokens(data: bytes, name: str) -> Iterator[Token]:
    """Kind, text and line of each token; comments and white space are passed over."""
    text = data.decode("utf-8", "replace")
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _invalid(name, line, "redsocks does not understand what is here")
        kind, token = str(match.lastgroup), match.group()
        if kind == "string":
            token_text = re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), token[1:-1])
            yield kind, token_text, line
        elif kind != "space":
            yield kind, token, line
        line += token.count("\n")
        position = match.end()


def _invalid(name: str, line: int, reason: str) -> ConfigInvalid:
    return ConfigInvalid(f"{name}, line {line}: {reason}.", hint=_ANEW, file=name, line=line)
