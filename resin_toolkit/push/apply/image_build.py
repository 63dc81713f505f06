"""Building the image of a service on the device's engine."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from resin_toolkit.engine import Engine
from resin_toolkit.engine.build import BuildOptions, build
from resin_toolkit.engine.credentials import Credentials
from resin_toolkit.engine.images import Images
from resin_toolkit.engine.progress_messages import MessageKind
from resin_toolkit.errors import BuildFailed, Notice
from resin_toolkit.progress import Step
from resin_toolkit.project.compression import compress_if_faster
from resin_toolkit.project.names import APP_LABEL, image_name
from resin_toolkit.push.apply.image_fetch import PullProgress
from resin_toolkit.push.apply.listener import DeploymentListener
from resin_toolkit.push.plan.architecture import can_run, incompatible_bases
from resin_toolkit.push.plan.build_source import BuildSource
from resin_toolkit.terminal.ansi import strip_colours
from resin_toolkit.terminal.screen import clean, format_size

_MEASURABLE = 8 * 1024 * 1024
"""Bytes from which on a transfer can be timed: less may still lie in buffers on the way."""
_LARGE = 64 * 1024 * 1024
"""Bytes from which on a context is reported as large."""
_LAST_LINES = 15
_LINE_LIMIT = 16 * 1024
_MADE = re.compile(r" ---> ([0-9a-f]{12})\s*")
_FROM = re.compile(r"Step \d+(?:/\d+)? : FROM\b", re.IGNORECASE)
_BUILDER = ("Step ", " ---> ", "Removing intermediate")
"""The beginnings of lines that the builder itself writes."""
_CACHED = " ---> Using cache"
_FOREIGN = re.compile(r"exec format error|exec user process caused", re.IGNORECASE)


@dataclass
class BuildResult:
    """`image` is its ID; `made` are the intermediate images it added, `used` all that it consists of."""

    image: str = ""
    made: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)


@dataclass
class LinkRate:
    """The throughput of the link to a device, which decides whether what is sent is compressed."""

    known: float | None = None
    """Bytes per second; None if it is unknown."""

    def measured(self, body: Iterator[bytes]) -> Iterator[bytes]:
        """Pass `body` on, and measure the throughput of its consumer, without the time to produce it."""
        sent, seconds = 0, 0.0
        for chunk in body:
            started = time.monotonic()
            yield chunk
            seconds += time.monotonic() - started
            sent += len(chunk)
        if sent >= _MEASURABLE and seconds > 0:
            self.known = sent / seconds


def build_image(
    engine: Engine,
    app: str,
    source: BuildSource,
    listener: DeploymentListener,
    result: BuildResult,
    link: LinkRate,
    *,
    no_cache: bool = False,
    pull: bool = False,
    is_running: bool = False,
) -> None:
    """Send the context and build the image; `result` is filled in, even if the build fails.

    `link` measures the transfer; `is_running` says whether an older container of the service is running.
    Raises BuildFailed, which names the line of the Dockerfile, and what the context raises.
    """
    service = source.service
    assert service.build is not None
    size = source.context.size()
    for notice in source.context.notices:
        listener.warn(notice)
    listener.step(
        service.name, f"building {source.recipe.name}: {format_size(size.bytes)}, {size.files} files"
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
    credentials = Credentials(engine, listener.warn).for_build(_bases_to_pull(engine, source, pull=pull))
    last, pull_progress = _LastLines(), PullProgress()
    with (
        listener.progress.step("sending", None, subject=service.name) as step,
        listener.progress.step("pulling", None, subject=service.name) as pulling,
    ):
        body = _counted(link.measured(compress_if_faster(source.context.stream(), link.known)), step)
        with build(engine, body, options, credentials=credentials) as building:
            try:
                for message in building:
                    pull_progress.advance(message, pulling)
                    if message.kind is MessageKind.TEXT:
                        text = last.on_its_own_line(message.text)
                        last.take(text)
                        listener.output(service.name, text)
            except BuildFailed as error:
                last.take("\n")
                raise _build_failure(engine, source, error, last.lines, is_running=is_running) from error
            finally:
                _note_images(last, result)
    details = Images(engine).inspect(building.image or name) or Images(engine).inspect(name)
    if details is None:
        raise BuildFailed(
            f"The image of {service.name} is missing on {engine.host} after its build.",
            hint="Push again.",
        )
    if not can_run(details.architecture, engine.facts.architecture):
        listener.warn(
            Notice(
                "other-architecture",
                f"The image of {service.name} is built for {details.architecture}, but {engine.host} is "
                f"{engine.facts.architecture}.",
            )
        )
    result.image = details.id


def _bases_to_pull(engine: Engine, source: BuildSource, *, pull: bool) -> Iterator[str]:
    """The base images that the engine pulls from their registries."""
    images = Images(engine)
    return (base for base in source.bases() if pull or images.inspect(base) is None)


class _LastLines:
    """The last complete lines of a build's output, and the lines that name images."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=_LAST_LINES)
        self.images: list[str] = []
        """The lines that name the image a step has made, without those of FROM, which existed before."""
        self._open = ""
        self._is_from = False

    def on_its_own_line(self, text: str) -> str:
        """The text of the builder, after a line feed if the output of a command did not end with one."""
        return f"\n{text}" if self._open and text.startswith(_BUILDER) else text

    def take(self, text: str) -> None:
        *whole, self._open = (self._open + text).split("\n")
        if len(self._open) > _LINE_LIMIT:
            # A line without an end: progress dots, or binary output.
            whole, self._open = [*whole, self._open], ""
        for line in whole:
            if line.startswith("Step "):
                self.lines.clear()
                self._is_from = bool(_FROM.match(line))
            elif line.startswith(" ---> "):
                self.images += [] if self._is_from else [line]
            elif line.strip() and not line.startswith("Removing intermediate"):
                self.lines.append(clean(strip_colours(line.rstrip("\r").rpartition("\r")[2])))


def _note_images(last: _LastLines, result: BuildResult) -> None:
    cached = False
    for line in last.images:
        match = _MADE.fullmatch(line)
        if match:
            result.used.add(match[1])
            if not cached:
                result.made.add(match[1])
        cached = line.startswith(_CACHED)


def _counted(body: Iterator[bytes], step: Step) -> Iterator[bytes]:
    for chunk in body:
        yield chunk
        step.advance(len(chunk))


def _build_failure(
    engine: Engine, source: BuildSource, error: BuildFailed, lines: deque[str], *, is_running: bool
) -> BuildFailed:
    """The error with the line of the Dockerfile, the last output of the step, and a likely cause."""
    number = error.facts.get("step")
    words = str(error.facts.get("words") or error.message.rstrip("."))
    instruction = source.dockerfile.instruction_of_step(number) if isinstance(number, int) else None
    name = source.recipe.name
    where = f" at {name}, line {instruction.line} ({instruction.text})" if instruction else f", {name}"
    hint = "The old container keeps running." if is_running else "No container of it is running yet."
    if _FOREIGN.search(words) or any(_FOREIGN.search(line) for line in lines):
        wrong = incompatible_bases(engine, source.bases())
        named = (
            ", ".join(f"{base} is for {arch}" for base, arch in wrong)
            or "the base image is for another architecture"
        )
        hint = f"The device is {engine.facts.architecture}, but {named}. Choose a base image for the device."
    return BuildFailed(
        f"The build of {source.service.name} failed{where}: {words}.",
        hint=hint,
        lines=list(lines),
        line=instruction.line if instruction else None,
        file=str(source.recipe.path),
        service=source.service.name,
    )
