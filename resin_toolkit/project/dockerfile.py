"""A Dockerfile, read into records that keep the number of each line.

Own code: the library dockerfile-parse knows neither the escape directive nor here-documents, and gives no
flags.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from resin_toolkit.errors import BadValue, NotSupported
from resin_toolkit.project.dockerfile_lines import BadLine, ParserDirectives, logical_lines, parse_directives
from resin_toolkit.project.dockerfile_words import BUILDKIT, BadInstruction, parse_instruction
from resin_toolkit.project.substitution import expand


@dataclass(frozen=True)
class Instruction:
    """One instruction, and where it stands."""

    keyword: str
    """In upper case."""
    flags: Mapping[str, str]
    """By their names without `--`; a flag without a value is `true`, of one given several times the last."""
    arguments: tuple[str, ...]
    """With quotes and variables as they are written. Of the shell's form, and of what takes one text, all of
    it; of ENV, LABEL and ARG each NAME=VALUE; of HEALTHCHECK first CMD or NONE."""
    line: int
    end_line: int
    text: str
    """All of it in one line, without comments."""
    is_json: bool = False
    heredocs: tuple[str, ...] = ()
    """The words that end its here-documents."""

    def __str__(self) -> str:
        """As it is named in a sentence."""
        shown = self.text if len(self.text) <= 60 else f"{self.text[:59]}…"
        return f"line {self.line} {shown}"


@dataclass(frozen=True)
class Stage:
    """A FROM and what follows it."""

    name: str
    """In lower case; empty where it has none."""
    base: str
    """An image, or the name of a stage before; variables are still in it."""
    start: Instruction
    """Its FROM."""
    instructions: tuple[Instruction, ...] = ()
    """What follows it."""


@dataclass(frozen=True)
class Dockerfile:
    """The stages in their order; `before` are the ARG in front of the first FROM."""

    stages: tuple[Stage, ...]
    before: tuple[Instruction, ...] = ()
    directives: ParserDirectives = field(default_factory=ParserDirectives)
    name: str = "Dockerfile"

    def instruction_of_step(self, number: int) -> Instruction | None:
        """The instruction of the engine's message `Step 3/7`; None for one that does not exist."""
        steps = list(self.steps())
        return steps[number - 1] if 0 < number <= len(steps) else None

    def steps(self) -> Iterator[Instruction]:
        """What the builder counts: every ARG, FROM and other instruction."""
        yield from self.before
        for stage in self.stages:
            yield stage.start
            yield from stage.instructions

    def up_to(self, target: str) -> Dockerfile:
        """With the stages that are built for `target`, all if it is empty. Raises BadValue if it has none."""
        if not target:
            return self
        for position, stage in enumerate(self.stages):
            if stage.name == target.lower():
                return replace(self, stages=self.stages[: position + 1])
        names = [stage.name for stage in self.stages if stage.name]
        close = get_close_matches(target.lower(), names, n=1, cutoff=0.5)
        known = f"It has {', '.join(names)}." if names else "None of its stages has a name."
        raise BadValue(
            f"{self.name} has no stage {target}.", hint=f"Did you mean {close[0]}?" if close else known
        )

    def find_stage(self, name: str, before: int) -> int | None:
        """The position of the stage that FROM or --from at stage `before` means, None for an image."""
        for position in range(before - 1, -1, -1):
            if self.stages[position].name == name.lower() != "":
                return position
        if name.isascii() and name.isdigit() and int(name) < before:
            return int(name)
        return None

    def global_arg_values(self, build_args: Mapping[str, str]) -> dict[str, str]:
        """The values of the ARG in front of the first FROM, which FROM itself may use. Raises BadWord."""
        values: dict[str, str] = {}
        for instruction in self.before:
            for word in instruction.arguments:
                name, equals, default = word.partition("=")
                if name in build_args:
                    values[name] = build_args[name]
                elif equals:
                    values[name] = expand(default, values, self.directives.escape)
        return values


def parse_dockerfile(text: str, name: str = "Dockerfile") -> Dockerfile:
    """Read a Dockerfile; raises BadValue, with the line, for what no builder takes."""
    try:
        directives = parse_directives(text)
    except BadLine as error:
        raise _bad(name, int(error.args[1]), str(error.args[0])) from error
    stages: list[Stage] = []
    before: list[Instruction] = []
    for instruction in parse_instructions(text, name, directives.escape):
        if instruction.keyword == "FROM":
            words = instruction.arguments
            base = words[0]
            stages.append(Stage(words[2].lower() if len(words) == 3 else "", base, instruction))
        elif stages:
            last = stages[-1]
            stages[-1] = replace(last, instructions=(*last.instructions, instruction))
        elif instruction.keyword == "ARG":
            before.append(instruction)
        else:
            raise _bad(name, instruction.line, f"{instruction.keyword} comes before the first FROM")
    if not stages:
        raise BadValue(
            f"{name} has no FROM.", hint="It names the image to begin with: FROM alpine, for example."
        )
    _check_names(stages, name)
    return Dockerfile(tuple(stages), tuple(before), directives, name)


def parse_instructions(text: str, name: str, escape: str = "\\") -> Iterator[Instruction]:
    """Every instruction of a text, in its order. Raises BadValue."""
    for logical in logical_lines(text, escape):
        try:
            found = parse_instruction(logical.text, escape)
        except BadInstruction as error:
            message, hint = (*error.args, "")[:2]
            raise _bad(name, logical.line, message, hint) from error
        yield Instruction(
            found.keyword,
            dict(found.flags),
            found.arguments,
            logical.line,
            logical.end_line,
            logical.text,
            found.is_json,
            logical.heredocs,
        )


def check_classic(dockerfile: Dockerfile) -> None:
    """Raises NotSupported for what only BuildKit can build, which no device has."""
    for instruction in dockerfile.steps():
        if instruction.heredocs:
            raise _for_buildkit(dockerfile, instruction, f"the here-document <<{instruction.heredocs[0]}")
        for flag in instruction.flags:
            if flag in BUILDKIT.get(instruction.keyword, ()):
                raise _for_buildkit(dockerfile, instruction, f"{instruction.keyword} --{flag}")


def _for_buildkit(dockerfile: Dockerfile, instruction: Instruction, what: str) -> NotSupported:
    hint = "Copy the text from a file, or join commands with && and \\." if instruction.heredocs else ""
    return NotSupported(
        f"{dockerfile.name}, line {instruction.line}: {what} needs BuildKit, which devices do not have.",
        hint=hint or "Leave the flag out; a RUN can do the same.",
        file=dockerfile.name,
        line=instruction.line,
    )


def _check_names(stages: list[Stage], name: str) -> None:
    seen: dict[str, int] = {}
    for stage in stages:
        if stage.name and stage.name in seen:
            line = seen[stage.name]
            raise _bad(name, stage.start.line, f"the stage of line {line} has the name {stage.name}, too")
        seen[stage.name] = stage.start.line


def _bad(name: str, line: int, message: str, hint: str = "") -> BadValue:
    return BadValue(
        f"{name}, line {line}: {message}.",
        hint=hint or "docs.docker.com/reference/dockerfile describes the syntax.",
        file=name,
        line=line,
    )
