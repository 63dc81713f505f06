"""What one pattern of a `.dockerignore` matches, to the letter of what Docker makes of it.

Docker checks a pattern by the rules of Go's `filepath.Match`, and then matches by a regular expression of Go
that it makes of it: hence `[^a]` also takes a slash, and `\\d` is any digit. Both are read here, and said in
Python's.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Match = Callable[[str], object]
"""Whether a path, relative and with slashes, is the one that is meant; true or false as Python has it."""

_CLASSES = {"d": "0-9", "s": "\\t\\n\\f\\r ", "w": "0-9A-Za-z_"}
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_CONTROLS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_META = frozenset(".+()|{}$")
# Go reads each byte that is no UTF-8 as U+FFFD; Python keeps it as a lone surrogate.
_NO_UTF8 = dict.fromkeys(range(0xDC80, 0xDD00), "\ufffd")


class BadPattern(ValueError):
    """A pattern that Docker, too, refuses; the message is the reason."""


def matcher(pattern: str) -> Match:
    """The test for a cleaned pattern, without its `!`."""
    _check(pattern)
    expression, simple = _expression(pattern.removeprefix("\ufeff"))
    if simple == "same":
        return pattern.__eq__
    if simple == "prefix":
        start = pattern[:-2]
        return lambda path: path.startswith(start)
    if simple == "suffix":
        end = pattern[2:]
        alone = end[1:] if end.startswith("/") else None
        return lambda path: path.endswith(end) or path == alone
    compiled = _compiled(expression)
    return lambda path: compiled(path if path.isascii() else path.translate(_NO_UTF8))


def _compiled(expression: str) -> Match:
    try:
        return re.compile(_GoExpression(expression.translate(_NO_UTF8)).python(), re.ASCII).match
    except re.error as error:
        raise BadPattern(f"{error.msg}") from error


def _check(pattern: str) -> None:
    """Raise BadPattern where `filepath.Match` finds the pattern to be none."""
    at = 0
    while at < len(pattern):
        at = _after_class(pattern, at + 1) if pattern[at] == "[" else _after_escape(pattern, at) + 1


def _after_escape(pattern: str, at: int) -> int:
    """Where the character stands that is meant: here, or behind a backslash."""
    if pattern[at] != "\\":
        return at
    if at + 1 == len(pattern):
        raise BadPattern("it ends with a backslash")
    return at + 1


def _after_class(pattern: str, at: int) -> int:
    at += pattern.startswith("^", at)
    is_first = True
    while is_first or not pattern.startswith("]", at):
        at = _after_member(pattern, at)
        if pattern.startswith("-", at):
            at = _after_member(pattern, at + 1)
        is_first = False
    return at + 1


def _after_member(pattern: str, at: int) -> int:
    if at >= len(pattern):
        raise BadPattern("a [ has no ]")
    if pattern[at] in "-]":
        raise BadPattern(f"a {pattern[at]} inside [ ] must be escaped with a backslash")
    at = _after_escape(pattern, at)
    if "\udc80" <= pattern[at] <= "\udcff":
        raise BadPattern("a byte inside [ ] is not UTF-8")
    if at + 1 >= len(pattern):
        raise BadPattern("a [ has no ]")
    return at + 1


def _expression(pattern: str) -> tuple[str, str]:
    """Docker's regular expression for a pattern, and what does without: same, prefix, suffix or nothing."""
    made, simple, at = ["^"], "same", 0
    while at < len(pattern):
        start, char = at, pattern[at]
        at += 1
        if pattern.startswith("**", start):
            at += 1
            at += pattern.startswith("/", at)
            if at < len(pattern):
                made.append("(.*/)?")
                simple = ""
            elif simple == "same":
                simple = "prefix"
            else:
                made.append(".*")
                simple = ""
            if start == 0:
                simple = "suffix"
        elif char in "*?":
            made.append("[^/]*" if char == "*" else "[^/]")
            simple = ""
        elif char == "\\":
            made.append(pattern[start : at + 1])
            at += 1
            simple = ""
        elif char in "[]":
            made.append(char)
            simple = ""
        else:
            made.append(f"\\{char}" if char in _META else char)
    return "".join([*made, "$"]), simple


class _GoExpression:
    """A reader of Go's regular expressions, as far as a pattern can come to be one."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def python(self) -> str:
        """The same in Python's."""
        made = []
        while self._at < len(self._text):
            char = self._next()
            if char == "[":
                made.append(self._class())
            elif char == "\\":
                made.append(self._escape())
            elif char == "$":
                made.append(r"\Z")
            else:
                made.append(char if char in "^.*?()" else re.escape(char))
        return "".join(made)

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise BadPattern("it ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def _escape(self) -> str:
        char = self._next()
        if char in "Az":
            return rf"\{char.upper()}"
        if char in "bB":
            return rf"\{char}"
        if char.lower() in _CLASSES:
            return f"[{'^' * char.isupper()}{_CLASSES[char.lower()]}]"
        return re.escape(self._escaped(char))

    def _escaped(self, char: str) -> str:
        """The one character that a backslash and `char` stand for."""
        if char in _CONTROLS:
            return chr(_CONTROLS[char])
        digits = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}|x[0-9A-Fa-f]{2}").match(self._text, self._at - 1)
        if digits:
            self._at = digits.end()
            found = digits[0]
            return chr(int(found[1:], 16) if found[0] == "x" else int(found, 8))
        if not char.isascii() or char.isalnum():
            raise BadPattern(f"\\{char} means nothing")
        return char

    def _class(self) -> str:
        made = ["["]
        if self._text.startswith("^", self._at):
            self._at += 1
            made.append("^")
        is_first = True
        while is_first or not self._text.startswith("]", self._at):
            made.append(self._member())
            is_first = False
        self._at += 1
        return "".join([*made, "]"])

    def _member(self) -> str:
        named = re.compile(r"\[:(\^?)(.*?):\]", re.DOTALL).match(self._text, self._at)
        if named:
            self._at = named.end()
            if named[2] not in _POSIX:
                raise BadPattern(f"[:{named[2]}:] is not a character class")
            return _complement(_POSIX[named[2]]) if named[1] else _POSIX[named[2]]
        low = self._next()
        if low == "\\":
            kind = self._next()
            if kind.lower() in _CLASSES:
                inner = _CLASSES[kind.lower()]
                return _complement(inner) if kind.isupper() else inner
            low = self._escaped(kind)
        if not self._text.startswith("-", self._at) or self._text.startswith("-]", self._at):
            return _literal(low)
        self._at += 1
        high = self._next()
        if high == "\\":
            high = self._escaped(self._next())
        if high < low:
            raise BadPattern(f"{low}-{high} runs backwards")
        return f"{_literal(low)}-{_literal(high)}"


def _literal(char: str) -> str:
    """A character inside of a class, where Python warns of some that it may take for more one day."""
    return f"\\{char}" if char.isascii() and not char.isalnum() else char


def _complement(inner: str) -> str:
    """All but these, as members of a class."""
    inside = re.compile(f"[{inner}]")
    rest = "".join(_literal(chr(code)) for code in range(128) if not inside.match(chr(code)))
    return f"{rest}\x80-\U0010ffff"
