"""Quotes, escapes and variables in the words of a Dockerfile, as the classic builder handles them.

Source: https://docs.docker.com/reference/dockerfile/#environment-replacement, and where it is silent, the
classic builder of Docker 20.10.
"""

from __future__ import annotations

from collections.abc import Mapping

_SPECIAL = "@*#?-$!"
_MOST_EXPANDED = 1 << 20
"""Characters; Linux passes at most 128 KiB to a program in one variable."""


class BadWord(ValueError):
    """A word with an unclosed quote or brace, or with an unknown substitution."""


def expand(word: str, values: Mapping[str, str], escape: str = "\\") -> str:
    """Remove the quotes and escapes of a word and replace its variables. Raises BadWord."""
    return _Reader(word, values, escape).until("")


def split_words(text: str, escape: str = "\\") -> list[str]:
    """Split a text at white space that is neither quoted nor escaped; quotes and escapes are kept."""
    words: list[str] = []
    word, quote, at = "", "", 0
    while at < len(text):
        char = text[at]
        at += 1
        if not quote and char.isspace():
            if word:
                words.append(word)
            word = ""
            continue
        word += char
        if char == escape and quote != "'" and at < len(text):
            word += text[at]
            at += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
    return [*words, word] if word else words


class _Reader:
    def __init__(self, text: str, values: Mapping[str, str], escape: str) -> None:
        self._text = text
        self._values = values
        self._escape = escape
        self._at = 0
        self._expanded = 0
        """Characters of the variables so far. Each line may double what the line before has."""

    def until(self, end: str) -> str:
        """Expand up to and including the character `end`, or to the end of the word if `end` is empty."""
        made: list[str] = []
        while char := self._next():
            if char == end:
                return "".join(made)
            if char == "'":
                made.append(self._single())
            elif char == '"':
                made.append(self._double())
            elif char == "$":
                made.append(self._dollar())
            else:
                made.append(self._next() if char == self._escape else char)
        if end:
            raise BadWord(f"{end} is missing")
        return "".join(made)

    def _next(self) -> str:
        """The next character, empty at the end."""
        self._at += 1
        return self._text[self._at - 1 : self._at]

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _single(self) -> str:
        made, quote, self._text = self._text[self._at :].partition("'")
        self._at = 0
        if not quote:
            raise BadWord("a single quote is not closed")
        return made

    def _double(self) -> str:
        made: list[str] = []
        while (char := self._next()) != '"':
            if not char:
                raise BadWord("a double quote is not closed")
            if char == "$":
                made.append(self._dollar())
            elif char == self._escape and not self._peek():
                continue
            elif char == self._escape and self._peek() in ('"', "$", self._escape):
                made.append(self._next())
            else:
                made.append(char)
        return "".join(made)

    def _dollar(self) -> str:
        if self._peek() != "{":
            name = self._name()
            return self._value(name) if name else "$"
        self._at += 1
        if self._peek() in ("", "{", "}", ":"):
            raise BadWord("${ is not followed by a name")
        name = self._name()
        after = self._next()
        if after == "}":
            return self._value(name)
        if not after:
            raise BadWord(f"${{{name} has no }}")
        if after != ":":
            raise BadWord(f"${{{name} is followed by neither }} nor :")
        return self._modified(name, self._next())

    def _modified(self, name: str, modifier: str) -> str:
        word = self.until("}")
        value = self._value(name)
        if modifier == "-":
            return value or word
        if modifier == "+":
            return word if value else ""
        if modifier == "?":
            if not value:
                raise BadWord(f"{name} has no value{f': {word}' if word else ''}")
            return value
        raise BadWord(f"${{{name}:{modifier} is not a valid substitution")

    def _name(self) -> str:
        if self._peek() and self._peek() in _SPECIAL:
            return self._next()
        start = self._at
        if self._peek().isdigit():
            while self._peek().isdigit():
                self._at += 1
        else:
            while self._peek().isalnum() or self._peek() == "_":
                self._at += 1
        return self._text[start : self._at]

    def _value(self, name: str) -> str:
        value = self._values.get(name, "")
        self._expanded += len(value)
        if self._expanded > _MOST_EXPANDED:
            raise BadWord("its variables expand to more than 1 MiB")
        return value
