"""`.dockerignore` files: which files are excluded from a build context, exactly as by Docker.

Source: https://docs.docker.com/build/concepts/context/#dockerignore-files, and what `docker build` sends.
Where Docker's builders differ, this follows BuildKit: a `!` with a wildcard, such as `!**/*.md`, also
includes files below an excluded folder.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from resin_toolkit.errors import BadValue, from_os_error
from resin_toolkit.project.bounded_file import ReadFile, read_bounded
from resin_toolkit.project.glob_patterns import matches
from resin_toolkit.project.ignore_syntax import BadPattern, Match, compile_pattern

IGNORE_FILE = ".dockerignore"
# White space as defined by Go; Python's strip() removes more.
_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

_MOST_PATTERNS = 10_000
_LONGEST, _SHOWN = 4096, 100
"""Characters of a line, as many as a path has at most, and of one in a message."""


@dataclass(frozen=True)
class Pattern:
    """One line: what it matches, and whether that is excluded or, with a `!`, included."""

    text: str
    is_exception: bool
    match: Match

    def can_match_below(self, folder: str) -> bool:
        """Whether it can match anything below `folder`. True also where only a long look would tell."""
        parts, names = self.text.split("/"), folder.split("/")
        for part, name in zip(parts, names, strict=False):
            if "**" in part or not _PLAIN(part):
                return True
            if part != name and not matches(part, name):
                return False
        return len(parts) > len(names)


# Brackets can match a slash, a backslash means many things, and bytes that are not UTF-8 match each other.
_PLAIN = re.compile(r"[^\[\]\\^\ufeff\ufffd\udc80-\udcff]*\Z").match


@dataclass(frozen=True)
class IgnoreRules:
    """The patterns of a file, in order."""

    patterns: tuple[Pattern, ...] = ()
    name: str = IGNORE_FILE
    """The file that they come from, relative to the root of the context."""
    text: str = ""

    @classmethod
    def parse(cls, text: str, name: str = IGNORE_FILE) -> IgnoreRules:
        """Parse the content of a file called `name`. Raises BadValue for a pattern that Docker refuses."""
        patterns: list[Pattern] = []
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
            try:
                if len(patterns) == _MOST_PATTERNS:
                    raise BadPattern(f"it is one of more than {_MOST_PATTERNS}")
                if len(line) > _LONGEST:
                    raise BadPattern(f"it has more than {_LONGEST} characters")
                patterns += _pattern(line.removesuffix("\r"))
            except BadPattern as error:
                shown = line.strip(_SPACE)[:_SHOWN]
                raise BadValue(
                    f"{name}, line {number}: {shown!r} is not a valid pattern: {error}.",
                    hint="Correct the line; a backslash before a character matches it literally.",
                    file=name,
                    line=number,
                ) from error
        return cls(tuple(patterns), name, text)

    def is_ignored(self, path: str, is_dir: bool = False) -> bool:  # noqa: ARG002 - Docker makes no difference
        """Whether `path`, relative and with slashes, is excluded."""
        ignored, state = False, 0
        for end in (*(at for at, char in enumerate(path) if char == "/"), len(path)):
            ignored, state = self.verdict(path[:end], state)
        return ignored

    def verdict(self, path: str, parent: int = 0) -> tuple[bool, int]:
        """Return whether `path` is excluded, and the state to pass as `parent` for the entries of a folder.

        The state has a bit for each pattern that matched the folder or one above it. Like Docker, this skips
        patterns that would not change the result, and the entries of a folder depend on that too.
        """
        ignored, state, bit = False, 0, 1
        for pattern in self.patterns:
            if parent & bit or (pattern.is_exception == ignored and pattern.match(path)):
                state |= bit
                ignored = not pattern.is_exception
            bit <<= 1
        return ignored, state

    def can_include_below(self, folder: str, state: int) -> bool:
        """Whether anything below an excluded folder can be included again; `state` comes from its verdict.

        Only a pattern after the one that excludes the folder can do that.
        """
        return any(
            pattern.is_exception and pattern.can_match_below(folder)
            for pattern in self.patterns[state.bit_length() :]
        )

    def with_exceptions_for(self, paths: Iterable[str]) -> IgnoreRules:
        """The same rules, but including these paths."""
        kept = tuple(Pattern(path, True, path.__eq__) for path in paths if self.is_ignored(path))
        return IgnoreRules((*self.patterns, *kept), self.name, self.text)


def read_ignore_rules(
    root: Path, dockerfile: str = "Dockerfile", read: ReadFile = read_bounded
) -> IgnoreRules:
    """Read `NAME.dockerignore` beside the Dockerfile NAME, else `.dockerignore`; no rules without either."""
    for name in (f"{dockerfile}{IGNORE_FILE}", IGNORE_FILE):
        try:
            content = read(root / name, IGNORE_FILE)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise from_os_error(error) from error
        return IgnoreRules.parse(content.decode("utf-8", "surrogateescape"), name)
    return IgnoreRules()


def _pattern(line: str) -> list[Pattern]:
    """The pattern of a line, if any. Docker cleans it when it reads the file and when it compiles it."""
    if line.startswith("#"):
        return []
    text = line.strip(_SPACE)
    is_exception = text.startswith("!")
    if is_exception:
        text = text[1:].strip(_SPACE)
    if text:
        text = _clean(text)
        text = text[1:] if len(text) > 1 and text.startswith("/") else text
    text = f"{'!' * is_exception}{text}".strip(_SPACE)
    if not text:
        return []
    text = _clean(text)
    if text == "!":
        raise BadPattern("nothing follows the !")
    is_exception = text.startswith("!")
    text = text.removeprefix("!")
    return [Pattern(text, is_exception, compile_pattern(text))]


def _clean(path: str) -> str:
    """The shortest equivalent path. Python, unlike Go, keeps two leading slashes."""
    clean = posixpath.normpath(path)
    return clean[1:] if clean.startswith("//") else clean
