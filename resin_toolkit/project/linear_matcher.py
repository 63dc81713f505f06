"""A matcher of wildcard patterns whose time grows linearly with the path, as that of Go's regexp does.

Python's `re` backtracks: a pattern with many wildcards takes time exponential in their number. Here each
token of the pattern is one bit of an integer, and each character of the path is one step of a
nondeterministic automaton (Baeza-Yates and Gonnet, "A new approach to text searching", 1992).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Contains = Callable[[str], object]
"""Whether a class of characters contains one; the result is truthy or falsy."""


@dataclass(frozen=True)
class Characters:
    """One character of a class, or, if it repeats, any number of them."""

    contains: Contains
    repeats: bool = False


@dataclass(frozen=True)
class OptionalTokens:
    """The next `length` tokens may be left out together."""

    length: int


@dataclass(frozen=True)
class Assertion:
    """A condition on the characters before and after a place; each is empty at the ends of the path."""

    holds: Callable[[str, str], object]


Token = Characters | OptionalTokens | Assertion


class LinearMatcher:
    """Whether a whole path matches a sequence of tokens."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._characters = [
            (1 << n, token) for n, token in enumerate(tokens) if isinstance(token, Characters)
        ]
        self._assertions = [(1 << n, token) for n, token in enumerate(tokens) if isinstance(token, Assertion)]
        # The places that lead to a later one without a character, and how much later it is.
        self._skips: dict[int, int] = {}
        for n, token in enumerate(tokens):
            if isinstance(token, OptionalTokens):
                self._add_skip(1, n)
                self._add_skip(token.length + 1, n)
            elif isinstance(token, Characters) and token.repeats:
                self._add_skip(1, n)
        self._end = 1 << len(tokens)
        self._steps: dict[str, tuple[int, int]] = {}

    def __call__(self, path: str) -> bool:
        before = ""
        places = self._reachable(1, before, path[:1])
        for at, char in enumerate(path):
            advancing, staying = self._steps.get(char) or self._step(char)
            places = (places & advancing) << 1 | places & staying
            if not places:
                return False
            places = self._reachable(places, char, path[at + 1 : at + 2])
        return bool(places & self._end)

    def _add_skip(self, distance: int, place: int) -> None:
        self._skips[distance] = self._skips.get(distance, 0) | 1 << place

    def _step(self, char: str) -> tuple[int, int]:
        """The places that a character advances from, and those that it stays at."""
        advancing = staying = 0
        for bit, token in self._characters:
            if token.contains(char):
                if token.repeats:
                    staying |= bit
                else:
                    advancing |= bit
        self._steps[char] = advancing, staying
        return advancing, staying

    def _reachable(self, places: int, before: str, after: str) -> int:
        """All places that `places` lead to without a character."""
        while True:
            found = places
            for distance, mask in self._skips.items():
                found |= (found & mask) << distance
            for bit, assertion in self._assertions:
                if found & bit and assertion.holds(before, after):
                    found |= bit << 1
            if found == places:
                return found
            places = found
