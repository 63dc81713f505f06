"""Comments of a Dockerfile that are for live mode: `#dev-cmd-live`, `#dev-run`, `#dev-copy`, `#dev-env`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum

from resin_toolkit.errors import BadValue
from resin_toolkit.project.dockerfile import Instruction, parse_dockerfile, parse_instructions

_LINE = re.compile(r"\s*#dev-([A-Za-z-]+)\s*=\s*(.*?)\s*\Z")


class DirectiveKind(StrEnum):
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
    """One of them: `instruction` is what stands in its place in live mode, with the directive's own line."""

    kind: DirectiveKind
    text: str
    """What follows the `=`."""
    instruction: Instruction

    @property
    def line(self) -> int:
        return self.instruction.line


@dataclass(frozen=True)
class DevDirectives:
    """All of a Dockerfile, in their order."""

    all: tuple[DevDirective, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    """Of `#dev-env`, as they are written."""

    @property
    def command(self) -> str | None:
        """What the container runs in live mode; None for what it always runs. The last one counts."""
        found = [directive.text for directive in self.all if directive.kind is DirectiveKind.COMMAND]
        return found[-1] if found else None

    @property
    def runs(self) -> tuple[str, ...]:
        return tuple(directive.text for directive in self.all if directive.kind is DirectiveKind.RUN)


def parse_dev_directives(text: str, name: str = "Dockerfile", escape: str = "\\") -> DevDirectives:
    """The directives of a Dockerfile. Raises BadValue for one that does not exist or says nothing."""
    found: list[DevDirective] = []
    for number, line in enumerate(text.split("\n"), 1):
        match = _LINE.match(line.removesuffix("\r"))
        if match:
            found.append(_directive(match[1].lower(), match[2], name, number, escape))
    pairs = [
        word.partition("=")
        for directive in found
        if directive.kind is DirectiveKind.ENVIRONMENT
        for word in directive.instruction.arguments
    ]
    return DevDirectives(tuple(found), {key: value for key, _, value in pairs})


def live_text(text: str, directives: DevDirectives) -> str:
    """The Dockerfile for live mode: each directive as an instruction, in its own line.

    A CMD that follows a `#dev-cmd-live` in its stage would count more than this: it is left out.
    """
    lines = text.split("\n")
    for instruction in _overruled(text, directives):
        lines[instruction.line - 1 : instruction.end_line] = [""] * (
            instruction.end_line - instruction.line + 1
        )
    for directive in directives.all:
        lines[directive.line - 1] = directive.instruction.text
    return "\n".join(lines)


def _overruled(text: str, directives: DevDirectives) -> list[Instruction]:
    """The CMDs that stand in the place of one for live mode."""
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
            f"{name}, line {line}: there is no #dev-{word}.",
            hint=f"Did you mean #dev-{close[0]}?"
            if close
            else f"There are #dev-{', #dev-'.join(DirectiveKind)}.",
            file=name,
            line=line,
        ) from error
    if not text:
        raise BadValue(
            f"{name}, line {line}: #dev-{word} has nothing behind its =.",
            hint=f"Write #dev-{word}=…, or take the line out.",
            file=name,
            line=line,
        )
    # As many lines in front as make it know its own.
    before = "\n" * (line - 1)
    (instruction,) = parse_instructions(f"{before}{_KEYWORDS[kind]} {text}", name, escape)
    return DevDirective(kind, text, instruction)
