"""The file system operations of the stages of a Dockerfile, in order, with variables expanded."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from resin_toolkit.errors import BadValue
from resin_toolkit.live.mapping.mapping_inputs import BaseImage, BaseImageLookup
from resin_toolkit.project.dockerfile import Dockerfile, Instruction, parse_instructions
from resin_toolkit.project.substitution import BadWord, expand

_REMOTE = ("http://", "https://")


@dataclass(frozen=True)
class Copy:
    """A COPY or ADD."""

    instruction: Instruction
    sources: tuple[str, ...]
    """Relative to the context, or to the root of the stage that it copies from."""
    destination: str
    """Absolute; ends with a slash if the Dockerfile has one."""
    owner: str = ""
    mode: int | None = None
    stage: int | None = None
    """The position of the stage that it copies from."""
    is_foreign: bool = False
    """Whether it copies from another image."""
    unpacks: bool = False
    has_remote: bool = False


@dataclass(frozen=True)
class Run:
    """A RUN, which may read and change any file."""

    instruction: Instruction


@dataclass(frozen=True)
class Folder:
    """A folder that exists from here on."""

    path: str


@dataclass(frozen=True)
class Unknown:
    """An operation whose effect is unknown."""

    reason: str


Operation = Copy | Run | Folder | Unknown


@dataclass(frozen=True)
class StageOperations:
    """The operations of a stage, and its settings at its end."""

    operations: tuple[Operation, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    triggers: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    from_scratch: bool = False
    """Whether it is built from `scratch`."""


@dataclass(frozen=True)
class StageReader:
    """Reads the stages of a Dockerfile; `dev` are instructions that live mode adds to its last stage."""

    dockerfile: Dockerfile
    build_args: Mapping[str, str]
    bases: BaseImageLookup
    dev: Sequence[Instruction] = ()

    def stages(self) -> list[StageOperations]:
        """The operations of every stage, in order."""
        made: list[StageOperations] = []
        last = len(self.dockerfile.stages) - 1
        for position, stage in enumerate(self.dockerfile.stages):
            dev = tuple(one for one in self.dev if one.line > stage.start.line) if position == last else ()
            instructions = sorted((*stage.instructions, *dev), key=lambda one: one.line)
            made.append(self._stage(position, stage.base, instructions, made))
        return made

    def _stage(
        self, position: int, base: str, instructions: Sequence[Instruction], made: Sequence[StageOperations]
    ) -> StageOperations:
        start = self.dockerfile.stages[position].start
        try:
            outer = self.dockerfile.global_arg_values(self.build_args)
            reference = expand(base, outer, self.dockerfile.directives.escape)
        except BadWord as error:
            return StageOperations((Unknown(f"{start}: {error}"),))
        start_operations = self._base(reference, position, made)
        reader = _InstructionReader(self, position, start_operations, outer)
        try:
            triggered = [
                replace(one, line=start.line, end_line=start.end_line)
                for text in start_operations.triggers
                for one in parse_instructions(text, reference)
            ]
        except BadValue as error:
            reader.operations.append(
                Unknown(f"{reference} has an invalid ONBUILD instruction: {error.message}")
            )
            triggered = []
        for instruction in (*triggered, *instructions):
            reader.take(instruction)
        return reader.ended()

    def _base(self, reference: str, position: int, made: Sequence[StageOperations]) -> StageOperations:
        before = self.dockerfile.find_stage(reference, position)
        if before is not None:
            return made[before]
        if reference == "scratch":
            return StageOperations(from_scratch=True)
        base: BaseImage | None = self.bases(reference)
        if base is None:
            return StageOperations((Unknown(f"the configuration of the image {reference} is unknown"),))
        folders = (Folder(_clean(base.working_dir)),) if base.working_dir else ()
        return StageOperations(folders, base.environment, base.working_dir, base.triggers, base.volumes)


class _InstructionReader:
    """Collects the operations of one stage, instruction by instruction."""

    def __init__(
        self, stages: StageReader, position: int, base: StageOperations, outer: Mapping[str, str]
    ) -> None:
        self._dockerfile = stages.dockerfile
        self._build_args = stages.build_args
        self._position = position
        self._outer = outer
        self._base = base
        self._arguments: dict[str, str] = {}
        self._environment = dict(base.environment)
        self._working_dir = base.working_dir
        self._triggers: list[str] = []
        self._volumes = list(base.volumes)
        self.operations = list(base.operations)

    def ended(self) -> StageOperations:
        return StageOperations(
            tuple(self.operations),
            self._environment,
            self._working_dir,
            tuple(self._triggers),
            tuple(self._volumes),
            self._base.from_scratch,
        )

    def take(self, instruction: Instruction) -> None:
        keyword = instruction.keyword
        try:
            if keyword in ("COPY", "ADD"):
                self.operations.append(self._copy(instruction))
            elif keyword == "RUN":
                self.operations.append(Run(instruction))
            elif keyword == "WORKDIR":
                self._work_in(self._value(instruction.arguments[0]))
            elif keyword == "ENV":
                pairs = [word.partition("=") for word in instruction.arguments]
                self._environment |= {self._value(name): self._value(text) for name, _, text in pairs}
            elif keyword == "ARG":
                self._declare(instruction)
            elif keyword == "VOLUME":
                self._volumes += [_clean(self._value(word)) for word in instruction.arguments]
            elif keyword == "ONBUILD":
                self._triggers += instruction.arguments
        except BadWord as error:
            self.operations.append(Unknown(f"{instruction}: {error}"))

    def _value(self, word: str) -> str:
        values = {**self._arguments, **self._environment}
        return expand(word, values, self._dockerfile.directives.escape)

    def _declare(self, instruction: Instruction) -> None:
        for word in instruction.arguments:
            name, equals, default = word.partition("=")
            if name in self._build_args:
                self._arguments[name] = self._build_args[name]
            elif equals:
                self._arguments[name] = self._value(default)
            elif name in self._outer:
                self._arguments[name] = self._outer[name]

    def _work_in(self, path: str) -> None:
        self._working_dir = _clean(posixpath.join("/", self._working_dir, path))
        self.operations.append(Folder(self._working_dir))

    def _copy(self, instruction: Instruction) -> Copy | Unknown:
        *sources, destination = (self._value(word) for word in instruction.arguments)
        source = instruction.flags.get("from", "")
        stage = self._dockerfile.find_stage(source, self._position) if source else None
        unpacks = instruction.keyword == "ADD"
        local = [one for one in sources if not (unpacks and one.startswith(_REMOTE))]
        mode = instruction.flags.get("chmod")
        if mode is not None and (len(mode) > 5 or set(mode) - set("01234567")):
            return Unknown(f"{instruction}: the permissions of {mode} depend on the file")
        return Copy(
            instruction,
            tuple(local),
            _destination(self._working_dir, destination),
            self._value(instruction.flags.get("chown", "")),
            int(mode, 8) if mode else None,
            stage,
            bool(source) and stage is None,
            unpacks,
            len(local) < len(sources),
        )


def _destination(working_dir: str, written: str) -> str:
    path = _clean(posixpath.join("/", working_dir, written))
    return f"{path}/" if written.endswith("/") and path != "/" else path


def _clean(path: str) -> str:
    """Make a path absolute, without `.`, `..` and double slashes."""
    return posixpath.normpath(f"/{path.lstrip('/')}")
