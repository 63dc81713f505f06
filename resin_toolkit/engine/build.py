"""Building an image on an engine, with its classic builder. Source: the Docker Engine API, POST /build."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from resin_toolkit.engine.api_client import ApiClient
from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.progress_messages import Failed, Kind, Progressed, messages_in, objects_in
from resin_toolkit.engine.transport.upload import ChunkedUpload
from resin_toolkit.errors import BuildFailed, EngineFailed, NotSupported

BuildMessage = Progressed
"""What is told while it goes on."""
_STEP = re.compile(r"Step (\d+)(?:/\d+)? : (.*)")


@dataclass(frozen=True)
class BuildOptions:
    """How an image is built."""

    dockerfile: str = "Dockerfile"
    """Where it lies in the context."""
    tags: tuple[str, ...] = ()
    """The names that the image gets, each NAME:TAG."""
    args: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    """The stage up to which is built; empty for the last."""
    no_cache: bool = False
    pull: bool = False
    """Whether the registry is asked for a newer base image."""
    cache_from: tuple[str, ...] = ()
    """Images whose layers may be taken; with any, none but theirs are."""
    labels: Mapping[str, str] = field(default_factory=dict)
    network: str = ""
    """The network of its commands: host, none, or the name of one."""
    platform: str = ""


class Build:
    """A build that goes on. One thread goes through its messages; any other may close it."""

    def __init__(self, host: str, sending: ChunkedUpload) -> None:
        self._host = host
        self._sending = sending
        self._step = 0
        self._instruction = ""
        self.image = ""
        """The ID of the image that has come of it, once the messages have ended; with some engines short."""

    def __iter__(self) -> Iterator[BuildMessage]:
        """What is told until it ends, or is closed.

        Raises BuildFailed (its facts are `words`, `code`, `step` and `instruction`) where it fails, or the
        engine makes no sense of what it is to build; what the context raised; and Unreachable.
        """
        for said in objects_in(self._read, self._host):
            for message in messages_in(said):
                if isinstance(message, Failed):
                    raise self._failed(message)
                self._note(message)
                yield message

    def close(self) -> None:
        """End it; the engine removes the container of the step that it was at."""
        self._sending.close()

    def __enter__(self) -> Build:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> bytes:
        try:
            return self._sending.read()
        except EngineFailed as error:
            words = error.facts.get("words")
            raise self._failed(Failed(str(words or error.message.rstrip(".")), 0)) from error

    def _note(self, message: BuildMessage) -> None:
        # Each stage tells of its image, the last one at last, and then once more by the beginning of its ID.
        if message.kind is Kind.IMAGE and len(message.id) >= len(self.image):
            self.image = message.id
        step = _STEP.match(message.text) if message.kind is Kind.TEXT else None
        if step:
            self._step, self._instruction = int(step[1]), step[2].strip()

    def _failed(self, failure: Failed) -> BuildFailed:
        return BuildFailed(
            f"The build on {self._host} failed{self._where()}: {failure.words}.",
            hint="The words are the engine's own.",
            words=failure.words,
            code=failure.code,
            step=self._step,
            instruction=self._instruction,
        )

    def _where(self) -> str:
        return f" at step {self._step}" if self._step else ""


def build(engine: Engine, context: Iterable[bytes], options: BuildOptions, *, credentials: str = "") -> Build:
    """Begin to build an image of a tar archive, which may be compressed: the engine sees that by itself.

    `context` is gone through by a thread of its own; `credentials` is what `Credentials.for_build` gives.
    Raises NotSupported where the engine lacks what an option needs, and Unreachable; all else is raised by
    what is returned, which the caller closes.
    """
    api = ApiClient(engine)
    path = f"{api.path('/build')}?{urlencode(_query(api, options))}"
    headers = {"X-Registry-Config": credentials} if credentials else {}
    return Build(engine.host, api.connections.sending("POST", path, context, headers))


def _query(api: ApiClient, options: BuildOptions) -> list[tuple[str, str]]:
    _check(api, options)
    fields = {
        "dockerfile": options.dockerfile,
        "buildargs": _json(options.args),
        "target": options.target,
        "nocache": "1" if options.no_cache else "",
        "pull": "1" if options.pull else "",
        "networkmode": options.network,
        # Without these the build is slower, has no labels, or is for the engine's own platform.
        "cachefrom": _json(list(options.cache_from)) if api.speaks(1, 25) else "",
        "labels": _json(options.labels) if api.speaks(1, 23) else "",
        "platform": options.platform if api.speaks(1, 32) else "",
        # The containers of the steps are removed, those of steps that failed, too.
        "rm": "1",
        "forcerm": "1",
    }
    names = [("t", tag) for tag in options.tags]
    return names + [(name, value) for name, value in fields.items() if value]


def _check(api: ApiClient, options: BuildOptions) -> None:
    """Raises NotSupported for what would build something else than was asked for."""
    for name, value, since in (
        ("stop at a stage", options.target, (1, 29)),
        ("build on a chosen network", options.network, (1, 25)),
    ):
        if value and not api.speaks(*since):
            raise NotSupported(
                f"The engine of {api.host} is too old to {name}: it speaks API "
                f"{api.engine.api_version}, and that needs {since[0]}.{since[1]}.",
                hint="Do without it, or update the device's operating system.",
            )


def _json(value: Mapping[str, str] | list[str]) -> str:
    return json.dumps(dict(value) if isinstance(value, Mapping) else value) if value else ""
