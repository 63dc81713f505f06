"""Parse one instruction of a Dockerfile into its flags and arguments.

Source: https://docs.docker.com/reference/dockerfile/, and where it is silent, what the classic builder of
Docker 20.10 accepts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from resin_toolkit.project.substitution import split_words

Arguments = tuple[str, ...]

CLASSIC: Mapping[str, frozenset[str]] = {
    "FROM": frozenset({"platform"}),
    "COPY": frozenset({"from", "chown"}),
    "ADD": frozenset({"chown"}),
    "HEALTHCHECK": frozenset({"interval", "timeout", "start-period", "retries"}),
}
"""The flags of the classic builder."""
BUILDKIT: Mapping[str, frozenset[str]] = {
    "COPY": frozenset({"chmod", "link", "parents", "exclude"}),
    "ADD": frozenset({"chmod", "link", "checksum", "keep-git-dir", "exclude", "unpack"}),
    "RUN": frozenset({"mount", "network", "security", "device"}),
    "HEALTHCHECK": frozenset({"start-interval"}),
}
"""The flags that only BuildKit has."""
_BARE = frozenset({"link", "parents", "keep-git-dir", "unpack"})
_REPEATED = frozenset({"mount", "exclude", "device"})
KEYWORDS = (
    *(
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
    ),
    *("ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
)
_WORD_LISTS = frozenset({"ADD", "COPY", "EXPOSE", "FROM", "VOLUME"})
_JSON = frozenset({"ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"})
_PAIRS = frozenset({"ENV", "LABEL"})
_STAGE = re.compile(r"[a-z][a-z0-9._-]*")
_NO_TRIGGERS = frozenset({"FROM", "MAINTAINER", "ONBUILD"})
_MIN_ARGUMENTS = {"COPY": 2, "ADD": 2, "RUN": 0, "CMD": 0, "ENTRYPOINT": 0}


class BadInstruction(ValueError):
    """An instruction that the builder would refuse; the second argument is a hint, which may be empty."""


@dataclass(frozen=True)
class ParsedInstruction:
    """A parsed instruction. Words keep their quotes and variables, except in the JSON form."""

    keyword: str
    flags: tuple[tuple[str, str], ...]
    arguments: Arguments
    is_json: bool


def parse_instruction(text: str, escape: str = "\\") -> ParsedInstruction:
    """Parse an instruction. Raises BadInstruction."""
    keyword, rest = _keyword(text)
    flags, rest = _flags(keyword, rest, escape)
    words = _json_words(rest) if keyword in _JSON else None
    if keyword == "HEALTHCHECK":
        arguments: Arguments = _health(rest)
    elif words is not None:
        arguments = words
    else:
        arguments = _words(keyword, rest, escape)
    _check(keyword, arguments, words is not None)
    return ParsedInstruction(keyword, flags, arguments, words is not None)


def _keyword(text: str) -> tuple[str, str]:
    first, *rest = re.split(r"[\t\v\f\r ]+", text, maxsplit=1)
    keyword = first.upper()
    if not keyword:
        raise BadInstruction(
            "the line is continued, but nothing follows", "Remove the continuation character at its end."
        )
    if keyword not in KEYWORDS:
        close = get_close_matches(keyword, KEYWORDS, n=1, cutoff=0.6)
        raise BadInstruction(
            f"unknown instruction {first}",
            f"Did you mean {close[0]}?" if close else "To continue a line, end it with \\.",
        )
    return keyword, rest[0].strip() if rest else ""


def _flags(keyword: str, rest: str, escape: str) -> tuple[tuple[tuple[str, str], ...], str]:
    known = CLASSIC.get(keyword, frozenset()) | BUILDKIT.get(keyword, frozenset())
    found: list[tuple[str, str]] = []
    while rest.startswith("--"):
        word = split_words(rest, escape)[0]
        rest = rest[len(word) :].lstrip()
        if word == "--":
            break
        name, equals, value = word[2:].partition("=")
        if name not in known:
            close = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
            raise BadInstruction(
                f"{keyword} has no flag --{name}", f"Did you mean --{close[0]}?" if close else ""
            )
        if not equals and name not in _BARE:
            raise BadInstruction(f"--{name} has no value", f"Write --{name}=VALUE.")
        if name not in _REPEATED and name in dict(found):
            raise BadInstruction(f"--{name} is given twice")
        found.append((name, value if equals else "true"))
    return tuple(found), rest


def _json_words(rest: str) -> Arguments | None:
    """The words of a JSON list; None if it is not one, so that it is the shell form."""
    if not rest.startswith("["):
        return None
    try:
        # The builder ignores text after the list.
        words, _ = json.JSONDecoder().raw_decode(rest)
    except ValueError:
        return None
    except RecursionError as error:
        raise BadInstruction("the JSON list is nested too deeply") from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise BadInstruction("the JSON list must contain only strings")
    return tuple(words)


def _words(keyword: str, rest: str, escape: str) -> Arguments:
    if keyword in _WORD_LISTS:
        # The builder splits these at white space, even within quotes.
        return tuple(rest.split())
    if keyword in _PAIRS:
        return _pairs(keyword, rest, escape)
    if keyword == "ARG":
        return tuple(split_words(rest, escape))
    return (rest,) if rest else ()


def _pairs(keyword: str, rest: str, escape: str) -> Arguments:
    """Each NAME=VALUE; the legacy form `NAME VALUE…` is a single one."""
    words = split_words(rest, escape)
    if not words:
        return ()
    if "=" not in words[0]:
        name, *value = re.split(r"[\t\v\f\r ]+", rest, maxsplit=1)
        if not value:
            raise BadInstruction(f"{keyword} {name} has no value", f"Write {keyword} {name}=VALUE.")
        return (f"{name}={value[0]}",)
    for word in words:
        if "=" not in word:
            raise BadInstruction(f"{word} has no =", "Use NAME=VALUE, and quote a value with spaces.")
    return tuple(words)


def _health(rest: str) -> Arguments:
    kind, _, command = rest.partition(" ")
    if not kind:
        return ()
    words = _json_words(command.strip())
    given = words if words is not None else ((command.strip(),) if command.strip() else ())
    if kind.upper() == "NONE":
        if given:
            raise BadInstruction("HEALTHCHECK NONE takes no arguments")
    elif kind.upper() != "CMD":
        raise BadInstruction(f"HEALTHCHECK has the unknown type {kind}", "Use CMD or NONE.")
    elif not given:
        raise BadInstruction("HEALTHCHECK CMD has no command")
    return (kind.upper(), *given)


def _check(keyword: str, arguments: Arguments, is_json: bool) -> None:
    if keyword == "SHELL" and not is_json:
        raise BadInstruction("SHELL requires a JSON list", 'Write SHELL ["/bin/sh", "-c"], for example.')
    if len(arguments) < _MIN_ARGUMENTS.get(keyword, 1):
        raise BadInstruction(
            f"{keyword} has too few arguments",
            f"Write {keyword} SOURCE… DESTINATION." if keyword in ("COPY", "ADD") else "",
        )
    if keyword == "FROM":
        _check_from(arguments)
    elif keyword == "VOLUME" and "" in arguments:
        raise BadInstruction("VOLUME has an empty path")
    elif keyword in (*_PAIRS, "ARG") and any(word.startswith("=") for word in arguments):
        raise BadInstruction(f"{keyword} has an empty name")
    elif keyword == "ONBUILD":
        trigger = arguments[0].split()[0].upper()
        if trigger in _NO_TRIGGERS:
            raise BadInstruction(f"ONBUILD {trigger} is not allowed")


def _check_from(arguments: Arguments) -> None:
    if len(arguments) not in (1, 3) or (len(arguments) == 3 and arguments[1].upper() != "AS"):
        raise BadInstruction(
            "FROM requires one or three arguments", "Write FROM IMAGE, or FROM IMAGE AS NAME."
        )
    if len(arguments) == 3 and not _STAGE.fullmatch(arguments[2].lower()):
        raise BadInstruction(
            f"{arguments[2]} is not a valid stage name",
            "Begin it with a letter; then digits, . _ and - are allowed.",
        )
