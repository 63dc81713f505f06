"""Building the image of a service on the device's engine."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from resin_toolkit.engine import Engine
from resin_toolkit.engine.build import BuildOptions, build
from resin_toolkit.engine.credentials import Credentials
from resin_toolkit.engine.images import Images
from resin_toolkit.engine.progress_messages import Kind
from resin_toolkit.errors import BuildFailed, Notice
from resin_toolkit.progress import Step
from resin_toolkit.project.compression import packed
from resin_toolkit.project.names import APP_LABEL, image_name
from resin_toolkit.push.apply.events import DeploymentListener
from resin_toolkit.push.apply.image_fetch import PullProgress
from resin_toolkit.push.plan.architecture import can_run, incompatible_bases
from resin_toolkit.push.plan.build_source import BuildSource
from resin_toolkit.push.transfer.link_rate import LinkRate
from resin_toolkit.terminal.ansi import without_colours
from resin_toolkit.terminal.screen import clean, human_size

_LARGE = 64 * 1024 * 1024
"""Bytes of a context from which on it is told what makes it so large."""
_LAST = 15
_LONGEST = 16 * 1024
_MADE = re.compile(r" ---> ([0-9a-f]{12})\s*")
_FROM = re.compile(r"Step \d+(?:/\d+)? : FROM\b", re.IGNORECASE)
_BUILDER = ("Step ", " ---> ", "Removing intermediate")
"""How the lines of the builder itself begin."""
_CACHED = " ---> Using cache"
_FOREIGN = re.compile(r"exec format error|exec user process caused", re.IGNORECASE)


@dataclass
class BuildResult:
    """`image` is its ID; `made` are IDs of those made on the way, `seen` of all that it stands on."""

    image: str = ""
    made: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)


def build_image(
    engine: Engine,
    app: str,
    source: BuildSource,
    listener: DeploymentListener,
    built: BuildResult,
    link: LinkRate,
    *,
    no_cache: bool = False,
    pull: bool = False,
    runs_on: bool = False,
) -> None:
    """Send the context and build; `built` gets what comes of it, of a build that fails, too.

    `link` is told how fast it was sent; `runs_on` says whether an older container runs meanwhile.
    Raises BuildFailed, which names the Dockerfile's line, and what the context raises.
    """
    service = source.service
    assert service.build is not None
    size = source.context.size()
    for notice in source.context.notices:
        listener.warn(notice)
    listener.step(
        service.name, f"building {source.recipe.name}: {human_size(size.bytes)}, {size.files} files"
    )
    if size.bytes >= _LARGE and size.advice():
        listener.warn(Notice("large-context", f"{service.name} sends {size.advice()}."))
    name = f"{image_name(app, service.name)}:latest"
    options = BuildOptions(
        dockerfile=source.recipe.name,
        tags=(name, *((service.image,) if service.image else ())),
        args=source.args,
        target=source.target,
        no_cache=no_cache,
        pull=pull,
        cache_from=service.build.cache_from,
        # Each label is a step of the build, and takes its time.
        labels={**service.build.labels, APP_LABEL: app},
        network=service.build.network,
    )
    credentials = Credentials(engine, listener.warn).for_build(_to_be_fetched(engine, source, pull=pull))
    last, layers = _LastLines(), PullProgress()
    with (
        listener.progress.step("sending", None, subject=service.name) as step,
        listener.progress.step("pulling", None, subject=service.name) as pulling,
    ):
        body = _counted(link.timed(packed(source.context.stream(), link.known)), step)
        with build(engine, body, options, credentials=credentials) as building:
            try:
                for message in building:
                    layers.tell(message, pulling)
                    if message.kind is Kind.TEXT:
                        text = last.on_its_own_line(message.text)
                        last.take(text)
                        listener.output(service.name, text)
            except BuildFailed as error:
                last.take("\n")
                raise _explained(engine, source, error, last.lines, runs_on=runs_on) from error
            finally:
                _note_images(last, built)
    details = Images(engine).inspect(building.image or name) or Images(engine).inspect(name)
    if details is None:
        raise BuildFailed(
            f"The engine of {engine.host} has lost the image of {service.name} that it built.",
            hint="Push again.",
        )
    if not can_run(details.architecture, engine.facts.architecture):
        listener.warn(
            Notice(
                "other-architecture",
                f"The image of {service.name} is for {details.architecture}, and {engine.host} is "
                f"{engine.facts.architecture}.",
            )
        )
    built.image = details.id


def _to_be_fetched(engine: Engine, source: BuildSource, *, pull: bool) -> Iterator[str]:
    """The base images that the engine asks their registries for."""
    images = Images(engine)
    return (base for base in source.bases() if pull or images.inspect(base) is None)


class _LastLines:
    """Whole lines of what a build puts out: the last ones, and those that tell of images."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=_LAST)
        self.images: list[str] = []
        """Those that tell of images that steps have made; what FROM tells of was there before."""
        self._open = ""
        self._begins = False

    def on_its_own_line(self, text: str) -> str:
        """A piece with a line end before it, where the builder speaks and a command has ended no line."""
        return f"\n{text}" if self._open and text.startswith(_BUILDER) else text

    def take(self, text: str) -> None:
        *whole, self._open = (self._open + text).split("\n")
        if len(self._open) > _LONGEST:
            # A line without an end: a pattern of dots, or somebody's noise.
            whole, self._open = [*whole, self._open], ""
        for line in whole:
            if line.startswith("Step "):
                self.lines.clear()
                self._begins = bool(_FROM.match(line))
            elif line.startswith(" ---> "):
                self.images += [] if self._begins else [line]
            elif line.strip() and not line.startswith("Removing intermediate"):
                self.lines.append(clean(without_colours(line.rstrip("\r").rpartition("\r")[2])))


def _note_images(last: _LastLines, built: BuildResult) -> None:
    cached = False
    for line in last.images:
        match = _MADE.fullmatch(line)
        if match:
            built.seen.add(match[1])
            if not cached:
                built.made.add(match[1])
        cached = line.startswith(_CACHED)


def _counted(body: Iterator[bytes], step: Step) -> Iterator[bytes]:
    for piece in body:
        yield piece
        step.advance(len(piece))


def _explained(
    engine: Engine, source: BuildSource, error: BuildFailed, lines: deque[str], *, runs_on: bool
) -> BuildFailed:
    """The failure with the Dockerfile's line, the last lines of the step, and what is known of its reason."""
    number = error.facts.get("step")
    words = str(error.facts.get("words") or error.message.rstrip("."))
    instruction = source.dockerfile.instruction_of_step(number) if isinstance(number, int) else None
    name = source.recipe.name
    where = f" at {name}, line {instruction.line} ({instruction.text})" if instruction else f", {name}"
    hint = "What ran before runs on." if runs_on else "Nothing of it runs on the device yet."
    if _FOREIGN.search(words) or any(_FOREIGN.search(line) for line in lines):
        wrong = incompatible_bases(engine, source.bases())
        named = (
            ", ".join(f"{base} is for {arch}" for base, arch in wrong) or "its base image is for another one"
        )
        hint = f"The device is {engine.facts.architecture}, and {named}: choose one for the device."
    return BuildFailed(
        f"The build of {source.service.name} failed{where}: {words}.",
        hint=hint,
        lines=list(lines),
        line=instruction.line if instruction else None,
        file=str(source.recipe.path),
        service=source.service.name,
    )
