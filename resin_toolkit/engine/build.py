"""Building an image on an engine, with its classic builder. Source: the Docker Engine API, POST /build."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from resin_toolkit.engine.api_client import ApiClient
from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.progress_messages import (
    FailureMessage,
    MessageKind,
    ProgressMessage,
    parse_messages,
    read_objects,
)
from resin_toolkit.engine.transport.upload import ChunkedUpload
from resin_toolkit.errors import BuildFailed, EngineFailed, NotSupported

_STEP = re.compile(r"Step (\d{1,9})(?:/\d+)? : (.*)", re.ASCII)


@dataclass(frozen=True)
class BuildOptions:
    """The options of a build."""

    dockerfile: str = "Dockerfile"
    """Its path in the context."""
    tags: tuple[str, ...] = ()
    """The names of the image, each NAME:TAG."""
    args: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    """The stage to build; empty for the last."""
    no_cache: bool = False
    pull: bool = False
    """Whether to pull newer versions of the base images."""
    cache_from: tuple[str, ...] = ()
    """Images whose layers may be reused. If there are any, no other layers are reused."""
    labels: Mapping[str, str] = field(default_factory=dict)
    network: str = ""
    """The network of RUN instructions: `host`, `none`, or the name of a network."""


class Build:
    """A build in progress. One thread reads its messages; any other may close it."""

    def __init__(self, host: str, upload: ChunkedUpload) -> None:
        self._host = host
        self._upload = upload
        self._step = 0
        self._instruction = ""
        self.image = ""
        """The ID of the image, once the messages have ended; some engines shorten it."""

    def __iter__(self) -> Iterator[ProgressMessage]:
        """The messages of the build, until it ends or is closed.

        Raises BuildFailed (with the facts `words`, `code`, `step` and `instruction`) if the build fails or
        the engine cannot read its input, what the context raises, and Unreachable.
        """
        for known in read_objects(self._read, self._host):
            for message in parse_messages(known):
                if isinstance(message, FailureMessage):
                    raise self._failure(message)
                self._note(message)
                yield message

    def close(self) -> None:
        """Cancel the build; the engine removes the container of the current step."""
        self._upload.close()

    def __enter__(self) -> Build:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> bytes:
        try:
            return self._upload.read()
        except EngineFailed as error:
            words = error.facts.get("words")
            raise self._failure(FailureMessage(str(words or error.message.rstrip(".")), 0)) from error

    def _note(self, message: ProgressMessage) -> None:
        # Each stage reports its image; the last one reports it once more, by the beginning of its ID.
        if message.kind is MessageKind.IMAGE and len(message.id) >= len(self.image):
            self.image = message.id
        step = _STEP.match(message.text) if message.kind is MessageKind.TEXT else None
        if step:
            self._step, self._instruction = int(step[1]), step[2].strip()

    def _failure(self, failure: FailureMessage) -> BuildFailed:
        at_step = f" at step {self._step}" if self._step else ""
        return BuildFailed(
            f"The build on {self._host} failed{at_step}: {failure.words}.",
            hint="The message is the engine's own.",
            words=failure.words,
            code=failure.code,
            step=self._step,
            instruction=self._instruction,
        )


def build(engine: Engine, context: Iterable[bytes], options: BuildOptions, *, credentials: str = "") -> Build:
    """Start to build an image from a tar archive, which may be compressed; the caller closes the build.

    `context` is read by another thread; `credentials` are those of `Credentials.for_build`. Raises
    NotSupported if the engine lacks an option, and Unreachable. Everything else is raised by the build.
    """
    api = ApiClient(engine)
    path = f"{api.path('/build')}?{urlencode(_query(api, options))}"
    headers = {"X-Registry-Config": credentials} if credentials else {}
    return Build(engine.host, api.connections.upload("POST", path, context, headers))


def _query(api: ApiClient, options: BuildOptions) -> list[tuple[str, str]]:
    _check(api, options)
    fields = {
        "dockerfile": options.dockerfile,
        "buildargs": _json(options.args),
        "target": options.target,
        "nocache": "1" if options.no_cache else "",
        "pull": "1" if options.pull else "",
        "networkmode": options.network,
        # Left out for engines without them: the build is slower then, or has no labels.
        "cachefrom": _json(list(options.cache_from)) if api.supports(1, 25) else "",
        "labels": _json(options.labels) if api.supports(1, 23) else "",
        # Remove the containers of all steps, including failed ones.
        "rm": "1",
        "forcerm": "1",
    }
    names = [("t", tag) for tag in options.tags]
    return names + [(name, value) for name, value in fields.items() if value]


def _check(api: ApiClient, options: BuildOptions) -> None:
    """Raise NotSupported for an option that changes the result if it is ignored."""
    for name, value, since in (
        ("stop at a stage", options.target, (1, 29)),
        ("build on a chosen network", options.network, (1, 25)),
    ):
        if value and not api.supports(*since):
            raise NotSupported(
                f"The engine of {api.host} cannot {name}: it supports API {api.engine.api_version}, "
                f"and {since[0]}.{since[1]} is required.",
                hint="Build without this option, or update the device's operating system.",
            )


def _json(value: Mapping[str, str] | list[str]) -> str:
    return json.dumps(dict(value) if isinstance(value, Mapping) else value) if value else ""
