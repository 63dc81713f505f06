"""Parse a Dockerfile into stages and instructions with their line numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from resin_toolkit.errors import BadValue, NotSupported
from resin_toolkit.project.dockerfile_lines import BadLine, ParserDirectives, logical_lines, parse_directives
from resin_toolkit.project.dockerfile_words import BUILDKIT, BadInstruction, parse_instruction
from resin_toolkit.project.substitution import expand
from resin_toolkit.untrusted_json import whole_number

_MOST_INSTRUCTIONS = 5000
"""An image has at most 127 layers; some readers of a Dockerfile take time by the square of its length."""


@dataclass(frozen=True)
class Instruction:
    """An instruction and its lines."""

    keyword: str
    """In upper case."""
    flags: Mapping[str, str]
    """By name without `--`. A flag without a value is `true`; of a repeated flag, the last value counts."""
    arguments: tuple[str, ...]
    """Words with their quotes and variables. The shell form and instructions with a single argument have one;
    ENV, LABEL and ARG have one for each NAME=VALUE; of HEALTHCHECK, the first is CMD or NONE."""
    line: int
    end_line: int
    text: str
    """The instruction in one line, without comments."""
    is_json: bool = False
    heredocs: tuple[str, ...] = ()
    """The delimiters of its here-documents."""

    def __str__(self) -> str:
        """The instruction as messages show it."""
        shown = self.text if len(self.text) <= 60 else f"{self.text[:59]}…"
        return f"line {self.line} {shown}"


@dataclass(frozen=True)
class Stage:
    """A build stage: a FROM and the instructions after it."""

    name: str
    """In lower case; empty if it has none."""
    base: str
    """An image or the name of an earlier stage; variables are not replaced."""
    start: Instruction
    instructions: tuple[Instruction, ...] = ()


@dataclass(frozen=True)
class Dockerfile:
    """The stages in their order; `before` holds the ARG instructions before the first FROM."""

    stages: tuple[Stage, ...]
    before: tuple[Instruction, ...] = ()
    directives: ParserDirectives = field(default_factory=ParserDirectives)
    name: str = "Dockerfile"

    def instruction_of_step(self, number: int) -> Instruction | None:
        """Return the instruction of step `number`, as in the engine's `Step 3/7`; None if there is none."""
        steps = list(self.steps())
        return steps[number - 1] if 0 < number <= len(steps) else None

    def steps(self) -> Iterator[Instruction]:
        """Yield the instructions that the builder counts as steps: all of them."""
        yield from self.before
        for stage in self.stages:
            yield stage.start
            yield from stage.instructions

    def up_to(self, target: str) -> Dockerfile:
        """Return the stages up to `target`, all if it is empty. Raises BadValue for an unknown stage."""
        if not target:
            return self
        for position, stage in enumerate(self.stages):
            if stage.name == target.lower():
                return replace(self, stages=self.stages[: position + 1])
        names = [stage.name for stage in self.stages if stage.name]
        close = get_close_matches(target.lower(), names, n=1, cutoff=0.5)
        known = f"Stages: {', '.join(names)}." if names else "None of its stages has a name."
        raise BadValue(
            f"{self.name} has no stage {target}.", hint=f"Did you mean {close[0]}?" if close else known
        )

    def find_stage(self, name: str, before: int) -> int | None:
        """Return the index of the stage that `name` means in stage `before`; None for an image."""
        for position in range(before - 1, -1, -1):
            if self.stages[position].name == name.lower() != "":
                return position
        number = whole_number(name)
        if number is not None and number < before:
            return number
        return None

    def global_arg_values(self, build_args: Mapping[str, str]) -> dict[str, str]:
        """Return the values of the ARGs before the first FROM, which FROM can use. Raises BadWord."""
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
    """Parse a Dockerfile. Raises BadValue, with the line, for what every builder refuses."""
    try:
        directives = parse_directives(text)
    except BadLine as error:
        raise _bad(name, int(error.args[1]), str(error.args[0])) from error
    stages: list[Stage] = []
    before: list[Instruction] = []
    for number, instruction in enumerate(parse_instructions(text, name, directives.escape), 1):
        if number > _MOST_INSTRUCTIONS:
            raise _bad(name, instruction.line, f"there are more than {_MOST_INSTRUCTIONS} instructions")
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
        raise BadValue(f"{name} has no FROM.", hint="Begin with the base image, for example: FROM alpine")
    _check_names(stages, name)
    return Dockerfile(tuple(stages), tuple(before), directives, name)


def parse_instructions(text: str, name: str, escape: str = "\\") -> Iterator[Instruction]:
    """Yield the instructions of a text. Raises BadValue."""
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
    """Raise NotSupported for what only BuildKit can build, which devices do not have."""
    for instruction in dockerfile.steps():
        if instruction.heredocs:
            raise _needs_buildkit(dockerfile, instruction, f"the here-document <<{instruction.heredocs[0]}")
        for flag in instruction.flags:
            if flag in BUILDKIT.get(instruction.keyword, ()):
                raise _needs_buildkit(dockerfile, instruction, f"{instruction.keyword} --{flag}")


def _needs_buildkit(dockerfile: Dockerfile, instruction: Instruction, what: str) -> NotSupported:
    hint = "COPY the text from a file, or join commands with && and \\." if instruction.heredocs else ""
    return NotSupported(
        f"{dockerfile.name}, line {instruction.line}: {what} requires BuildKit, which devices do not have.",
        hint=hint or "Remove the flag; a RUN instruction can do the same.",
        file=dockerfile.name,
        line=instruction.line,
    )


def _check_names(stages: list[Stage], name: str) -> None:
    seen: dict[str, int] = {}
    for stage in stages:
        if stage.name and stage.name in seen:
            line = seen[stage.name]
            raise _bad(name, stage.start.line, f"the stage name {stage.name} is already used in line {line}")
        seen[stage.name] = stage.start.line


def _bad(name: str, line: int, message: str, hint: str = "") -> BadValue:
    return BadValue(
        f"{name}, line {line}: {message}.",
        hint=hint or "See docs.docker.com/reference/dockerfile for the syntax.",
        file=name,
        line=line,
    )
