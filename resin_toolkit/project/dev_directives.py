"""Comments in a Dockerfile for live mode: `#dev-cmd-live`, `#dev-run`, `#dev-copy`, `#dev-env`.

They are those of balena's livepush: https://github.com/balena-io-modules/livepush
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum

from resin_toolkit.errors import BadValue
from resin_toolkit.project.dockerfile import Instruction, parse_dockerfile, parse_instructions

_LINE = re.compile(r"\s*#dev-([A-Za-z-]+)\s*=\s*(.*?)\s*\Z")
_MOST = 500
"""Directives in a Dockerfile."""


class DirectiveKind(StrEnum):
    """The name of a directive after `#dev-`."""

    COMMAND = "cmd-live"
    RUN = "run"
    COPY = "copy"
    ENVIRONMENT = "env"


_KEYWORDS = {
    DirectiveKind.COMMAND: "CMD",
    DirectiveKind.RUN: "RUN",
    DirectiveKind.COPY: "COPY",
    DirectiveKind.ENVIRONMENT: "ENV",
}


@dataclass(frozen=True)
class DevDirective:
    """A directive; `instruction` replaces it in live mode, in the same line."""

    kind: DirectiveKind
    text: str
    """The text after the `=`."""
    instruction: Instruction

    @property
    def line(self) -> int:
        return self.instruction.line


@dataclass(frozen=True)
class DevDirectives:
    """All directives of a Dockerfile, in their order."""

    all: tuple[DevDirective, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    """The variables of `#dev-env`, with quotes."""

    @property
    def command(self) -> str | None:
        """The command in live mode, of the last `#dev-cmd-live`; None without one."""
        found = [directive.text for directive in self.all if directive.kind is DirectiveKind.COMMAND]
        return found[-1] if found else None

    @property
    def runs(self) -> tuple[str, ...]:
        """The commands of `#dev-run`."""
        return tuple(directive.text for directive in self.all if directive.kind is DirectiveKind.RUN)


def parse_dev_directives(text: str, name: str = "Dockerfile", escape: str = "\\") -> DevDirectives:
    """Parse the directives of a Dockerfile. Raises BadValue for one that is unknown or empty."""
    found: list[DevDirective] = []
    for number, line in enumerate(text.split("\n"), 1):
        match = _LINE.match(line.removesuffix("\r"))
        if match:
            if len(found) == _MOST:
                raise BadValue(
                    f"{name}, line {number}: there are more than {_MOST} #dev- directives.",
                    hint="Put their commands into a script.",
                )
            found.append(_directive(match[1].lower(), match[2], name, number, escape))
    pairs = [
        word.partition("=")
        for directive in found
        if directive.kind is DirectiveKind.ENVIRONMENT
        for word in directive.instruction.arguments
    ]
    return DevDirectives(tuple(found), {key: value for key, _, value in pairs})


def live_dockerfile(text: str, directives: DevDirectives) -> str:
    """Return the Dockerfile for live mode, in which each directive is an instruction in the same line.

    A CMD after a `#dev-cmd-live` in the same stage would override it, and is removed.
    """
    lines = text.split("\n")
    for instruction in _overriding_commands(text, directives):
        lines[instruction.line - 1 : instruction.end_line] = [""] * (
            instruction.end_line - instruction.line + 1
        )
    for directive in directives.all:
        lines[directive.line - 1] = directive.instruction.text
    return "\n".join(lines)


def _overriding_commands(text: str, directives: DevDirectives) -> list[Instruction]:
    """The CMD instructions that would override a `#dev-cmd-live`."""
    lines = [directive.line for directive in directives.all if directive.kind is DirectiveKind.COMMAND]
    return [
        instruction
        for stage in (parse_dockerfile(text).stages if lines else ())
        for instruction in stage.instructions
        if instruction.keyword == "CMD" and any(stage.start.line < line < instruction.line for line in lines)
    ]


def _directive(word: str, text: str, name: str, line: int, escape: str) -> DevDirective:
    try:
        kind = DirectiveKind(word)
    except ValueError as error:
        close = get_close_matches(word, list(DirectiveKind), n=1, cutoff=0.5)
        raise BadValue(
            f"{name}, line {line}: #dev-{word} is not a known directive.",
            hint=f"Did you mean #dev-{close[0]}?" if close else f"Use #dev-{', #dev-'.join(DirectiveKind)}.",
            file=name,
            line=line,
        ) from error
    if not text:
        raise BadValue(
            f"{name}, line {line}: #dev-{word} has no value.",
            hint=f"Write #dev-{word}=…, or remove the line.",
            file=name,
            line=line,
        )
    # Empty lines before it give the instruction its line number.
    before = "\n" * (line - 1)
    (instruction,) = parse_instructions(f"{before}{_KEYWORDS[kind]} {text}", name, escape)
    return DevDirective(kind, text, instruction)
