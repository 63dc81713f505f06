"""Which paths a pattern of a `.dockerignore` matches, in every detail as Docker does.

Docker checks a pattern by the rules of Go's `filepath.Match`, and then translates it to a regular expression
of Go: hence `[^a]` also matches a slash, and `\\d` is any digit. Both are implemented here. Go's regular
expressions take time linear in the path, whatever the pattern. Python's do so only with few wildcards;
patterns with more have a matcher of their own. Sources: github.com/moby/patternmatcher,
https://pkg.go.dev/regexp/syntax.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from resin_toolkit.project.linear_matcher import Assertion, Characters, LinearMatcher, OptionalTokens, Token

Match = Callable[[str], object]
"""Whether a pattern matches a path, relative and with slashes; the result is truthy or falsy."""

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
_ANY_FOLDERS = "(.*/)?"
_MOST_WILDCARDS = 2
"""Up to this number `re` takes at most quadratic time, and in practice less than the linear matcher."""
# Go reads each byte that is not UTF-8 as U+FFFD; Python keeps it as a lone surrogate.
_NOT_UTF8 = dict.fromkeys(range(0xDC80, 0xDD00), "\ufffd")


class BadPattern(ValueError):
    """A pattern that Docker refuses; the message is the reason."""


def compile_pattern(pattern: str) -> Match:
    """Return the test for a cleaned pattern, without its `!`. Raises BadPattern."""
    _check(pattern)
    expression, shape = _translate(pattern.removeprefix("\ufeff"))
    if shape == "exact":
        return pattern.__eq__
    if shape == "prefix":
        start = pattern[:-2]
        return lambda path: path.startswith(start)
    if shape == "suffix":
        end = pattern[2:]
        alone = end[1:] if end.startswith("/") else None
        return lambda path: path.endswith(end) or path == alone
    match = _compile_expression(expression)
    return lambda path: match(path if path.isascii() else path.translate(_NOT_UTF8))


def _compile_expression(expression: str) -> Match:
    parts = list(_GoExpression(expression.translate(_NOT_UTF8)).parts())
    try:
        if sum(part.is_wildcard for part in parts) > _MOST_WILDCARDS:
            return LinearMatcher([token for part in parts for token in part.tokens()])
        return re.compile("".join(part.text for part in parts), re.ASCII).match
    except re.error as error:
        raise BadPattern(f"{error.msg}") from error


def _check(pattern: str) -> None:
    """Raise BadPattern for what is a syntax error of `filepath.Match`."""
    at = 0
    while at < len(pattern):
        at = _after_class(pattern, at + 1) if pattern[at] == "[" else _after_escape(pattern, at) + 1


def _after_escape(pattern: str, at: int) -> int:
    """Return the position of the character itself: `at`, or behind the backslash there."""
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


def _translate(pattern: str) -> tuple[str, str]:
    """Return Docker's regular expression, and `exact`, `prefix` or `suffix` where none is needed."""
    made, shape, at = ["^"], "exact", 0
    while at < len(pattern):
        start, char = at, pattern[at]
        at += 1
        if pattern.startswith("**", start):
            at += 1
            at += pattern.startswith("/", at)
            if at < len(pattern):
                made.append(_ANY_FOLDERS)
                shape = ""
            elif shape == "exact":
                shape = "prefix"
            else:
                made.append(".*")
                shape = ""
            if start == 0:
                shape = "suffix"
        elif char in "*?":
            made.append("[^/]*" if char == "*" else "[^/]")
            shape = ""
        elif char == "\\":
            made.append(pattern[start : at + 1])
            at += 1
            shape = ""
        elif char in "[]":
            made.append(char)
            shape = ""
        else:
            made.append(f"\\{char}" if char in _META else char)
    return "".join([*made, "$"]), shape


@dataclass(frozen=True)
class _Part:
    """A part of an expression: a character, class or assertion, maybe repeated, or `(.*/)?`."""

    text: str
    """The part in Python's syntax."""
    is_wildcard: bool = False

    def tokens(self) -> list[Token]:
        if self.text == _ANY_FOLDERS:
            return [OptionalTokens(2), Characters(_is_any, repeats=True), Characters("/".__eq__)]
        if self.text in _ASSERTIONS:
            return [Assertion(_ASSERTIONS[self.text])]
        single = self.text.removesuffix("*") if self.is_wildcard else self.text
        return [Characters(re.compile(single, re.ASCII).match, repeats=self.is_wildcard)]


_is_any = re.compile(".").match
_is_word = re.compile(r"\w", re.ASCII).match
_ASSERTIONS: dict[str, Callable[[str, str], bool]] = {
    "^": lambda before, after: not before,  # noqa: ARG005
    r"\A": lambda before, after: not before,  # noqa: ARG005
    r"\Z": lambda before, after: not after,  # noqa: ARG005
    r"\b": lambda before, after: bool(_is_word(before)) != bool(_is_word(after)),
    r"\B": lambda before, after: bool(_is_word(before)) == bool(_is_word(after)),
}


class _GoExpression:
    """A parser of the regular expressions of Go that `_translate` returns."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def parts(self) -> Iterator[_Part]:
        """The parts of the expression, in Python's syntax. Raises BadPattern."""
        while self._at < len(self._text):
            if self._text.startswith(_ANY_FOLDERS, self._at):
                self._at += len(_ANY_FOLDERS)
                yield _Part(_ANY_FOLDERS, is_wildcard=True)
                continue
            single = self._single()
            if self._text.startswith("*", self._at):
                self._at += 1
                yield _Part(f"{single}*", is_wildcard=True)
            else:
                yield _Part(single)

    def _single(self) -> str:
        char = self._next()
        if char == "[":
            return self._class()
        if char == "\\":
            return self._escape()
        if char == "$":
            return r"\Z"
        return char if char in "^." else re.escape(char)

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
        """The character that a backslash and `char` denote."""
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
        members = ["["]
        if self._text.startswith("^", self._at):
            self._at += 1
            members.append("^")
        is_first = True
        while is_first or not self._text.startswith("]", self._at):
            members.append(self._member())
            is_first = False
        self._at += 1
        return "".join([*members, "]"])

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
    """A character inside a class, escaped: Python warns of characters that may get a meaning there."""
    return f"\\{char}" if char.isascii() and not char.isalnum() else char


def _complement(inner: str) -> str:
    """All characters but these, as members of a class."""
    inside = re.compile(f"[{inner}]")
    rest = "".join(_literal(chr(code)) for code in range(128) if not inside.match(chr(code)))
    return f"{rest}\x80-\U0010ffff"
