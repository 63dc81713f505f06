"""Parse redsocks.conf with the grammar of redsocks: sections of `key = value;`, and comments as in C."""

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
_CORRECT_HINT = "Correct the file, or write a new file with --proxy."


def read_sections(data: bytes, name: str) -> list[Section]:
    """Return the sections in order, each with its settings; the last setting of a key takes precedence.

    Raises ConfigInvalid with the line at which redsocks would fail, without quoting the file.
    """
    tokens = _tokens(data, name)
    sections: list[Section] = []
    for token_type, token, line in tokens:
        if token_type == "mark":
            raise _invalid(name, line, f"expected the name of a section before {token}")
        _expect(tokens, "{", name, line)
        sections.append((token, _settings(tokens, name, line)))
    return sections


Token = tuple[str, str, int]


_END: Token = ("mark", "", 0)


def _settings(tokens: Iterator[Token], name: str, line: int) -> dict[str, str]:
    settings: dict[str, str] = {}
    for token_type, key, start in tokens:
        if key == "}" and token_type == "mark":
            return settings
        if token_type == "mark":
            raise _invalid(name, start, f"expected a setting before {key}")
        token_type, value, line = next(tokens, _END)
        if (token_type, value) == ("mark", "="):  # optional for redsocks
            token_type, value, line = next(tokens, _END)
        if token_type == "mark":
            raise _invalid(name, start, f"{key} has no value")
        _expect(tokens, ";", name, line)
        settings[key] = value
    raise _invalid(name, line, "a section is not closed")


def _expect(tokens: Iterator[Token], mark: str, name: str, line: int) -> None:
    token_type, token, line = next(tokens, ("mark", "", line))
    if (token_type, token) != ("mark", mark):
        raise _invalid(name, line, f"{mark} is missing")


def _tokens(data: bytes, name: str) -> Iterator[Token]:
    """Yield type, text and line of each token, without comments and white space."""
    text = data.decode("utf-8", "replace")
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _invalid(name, line, "invalid syntax")
        token_type, token = str(match.lastgroup), match.group()
        if token_type == "string":
            token_text = re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), token[1:-1])
            yield token_type, token_text, line
        elif token_type != "space":
            yield token_type, token, line
        line += token.count("\n")
        position = match.end()


def _invalid(name: str, line: int, reason: str) -> ConfigInvalid:
    return ConfigInvalid(f"{name}, line {line}: {reason}.", hint=_CORRECT_HINT, file=name, line=line)
