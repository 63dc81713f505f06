"""Every method that reads what an engine answers, against one that answers anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from http.client import HTTPResponse
from types import SimpleNamespace
from typing import Any, cast

from fuzz.targets.script import documents
from fuzz.targets.text import home
from fuzz.targets.wire import Stream
from resin_toolkit.errors import ResinError, Unreachable

_MOST_CALLS = 12
"""Of one method, so that one that waits for a state gives up."""
_HELPER = "fuzz"
"""The name of the program for logins that an input may ask for."""


class AnyAnswers:
    """Connections to an engine that answers each request with the next line of an input.

    A line is JSON. One that begins with `!` and three digits is an error with that status.
    """

    def __init__(self, data: bytes) -> None:
        self.host = "kitchen.local"
        self.transport = SimpleNamespace(access_method=None, url="tcp://192.0.2.7:2377")
        self._lines = data.split(b"\n")
        self._calls = 0

    def rewind(self) -> None:
        self._calls = 0

    def call(self, *_: object, **__: object) -> Any:
        from resin_toolkit.engine.error_responses import unexpected_answer
        from resin_toolkit.engine.transport.http import NotJson, parse_json

        line = self._next()
        if not line.strip():
            return None
        try:
            return parse_json(line)
        except NotJson as error:
            raise unexpected_answer(self.host) from error

    def stream(self, *_: object, **__: object) -> Stream:
        return Stream(self._next(), 100)

    def upload(self, method: str, path: str, body: Iterable[bytes], headers: object = None) -> Stream:
        del method, path, headers
        for _ in body:
            pass
        return Stream(self._next(), 100)

    def upgrade(self, *_: object, **__: object) -> tuple[Any, HTTPResponse]:
        stream = Stream(self._next(), 100)
        return (
            SimpleNamespace(recv=stream.recv, fileno=int, abort=stream.close, close=stream.close),
            cast(HTTPResponse, stream),
        )

    def close(self) -> None:
        """Nothing is open."""

    def _next(self) -> bytes:
        from resin_toolkit.engine.error_responses import refusal

        self._calls += 1
        if self._calls > _MOST_CALLS:
            raise Unreachable("The connection was lost.", cause="lost")
        line = self._lines[(self._calls - 1) % len(self._lines)]
        if line.startswith(b"!"):
            digits = line[1:4]
            raise refusal(self.host, int(digits) if digits.isdigit() else 500, line[4:])
        return line


def engine_json(data: bytes) -> None:
    """Answers of an engine to every kind of request."""
    from resin_toolkit.engine.engine import Engine
    from resin_toolkit.engine.version_negotiation import NegotiatedVersion

    answers = AnyAnswers(data)
    negotiated = NegotiatedVersion({}, "1.41")
    try:
        engine = Engine(cast(Any, answers), negotiated, within=1)
    except ResinError:
        engine = Engine(cast(Any, AnyAnswers(b"{}")), negotiated, within=1)
        engine.connections = cast(Any, answers)
    for use in _uses(engine):
        answers.rewind()
        try:
            use()
        except ResinError:
            continue


def _uses(engine: Any) -> list[Callable[[], object]]:
    from resin_toolkit.engine.containers import Containers
    from resin_toolkit.engine.images import Images
    from resin_toolkit.engine.networks import Networks
    from resin_toolkit.engine.volumes import Volumes
    from resin_toolkit.live.file_owners import FileOwners, UnknownOwner
    from resin_toolkit.live.mapping.mapping_inputs import BaseImage
    from resin_toolkit.push.apply.conflicts import is_under_way
    from resin_toolkit.push.apply.failures import read_last_output
    from resin_toolkit.push.apply.image_cleanup import remove_untagged
    from resin_toolkit.push.apply.restart_policies import read_restart_policy
    from resin_toolkit.push.plan.observed_state import list_apps, observe
    from resin_toolkit.push.plan.platform import detect_platform, engine_socket_path
    from resin_toolkit.push.transfer.receiver import ImageReceiver
    from resin_toolkit.reach.container_status import find_running_container, read_container_statuses

    containers, images = Containers(engine), Images(engine)
    networks, volumes, receiver = Networks(engine), Volumes(engine), ImageReceiver(engine)

    def owners() -> None:
        try:
            FileOwners(engine, "a", {}).numbers("app:staff")
        except UnknownOwner:
            return

    def base_image() -> None:
        details = images.inspect("a")
        BaseImage.of(details.config if details else {})

    def run() -> None:
        with engine.exec("a", ["true"]) as session:
            while session.read():
                continue

    return [
        engine.time,
        lambda: engine.containers(all=True),
        lambda: engine.inspect("a"),
        run,
        owners,
        base_image,
        lambda: containers.create("a", {}, warn=str),
        lambda: containers.stop("a"),
        lambda: containers.wait("a"),
        lambda: containers.kill("a"),
        lambda: containers.remove("a"),
        lambda: containers.set_restart_policy("a", "no"),
        lambda: containers.raw("a"),
        lambda: images.list(["a"]),
        lambda: images.inspect("a"),
        lambda: images.remove("a"),
        lambda: list(images.pull("a")),
        lambda: list(images.load([b""])),
        lambda: networks.list(["a"]),
        lambda: networks.create("a"),
        lambda: networks.remove("a"),
        lambda: volumes.list(["a=b"]),
        lambda: volumes.inspect("a"),
        lambda: volumes.create("a"),
        lambda: receiver.count_present(("sha256:a",), "arm"),
        lambda: receiver.load(iter(())),
        lambda: receiver.clean_up(("sha256:a",)),
        lambda: remove_untagged(images, ["a"]),
        lambda: observe(engine, "app"),
        lambda: list_apps(engine),
        lambda: [is_under_way(engine, container) for container in engine.containers(all=True)],
        lambda: read_last_output(engine, "a"),
        lambda: read_restart_policy(engine, "a"),
        lambda: detect_platform(engine, "", lambda: "raspberrypi3"),
        lambda: engine_socket_path(engine.facts),
        lambda: read_container_statuses(engine, include_stopped=True),
        lambda: find_running_container(engine, "web"),
    ]


def logins(data: bytes) -> None:
    """Docker's config.json, and what a program that keeps logins prints."""
    from resin_toolkit.engine.credentials import Credentials

    files = documents(data, "config.json")
    engine = SimpleNamespace(
        host="kitchen.local", api_version="1.41", access_method=None, facts=SimpleNamespace(id="a")
    )
    references = ["docker.io/library/a", "registry.example:5000/a/b:1"]
    output = files.get("output", b"")
    with home({".docker/config.json": files["config.json"], "bin/output": output}) as folder:
        program = folder / "bin" / f"docker-credential-{_HELPER}"
        program.write_text('#!/bin/sh\nexec cat "${0%/*}/output"\n')
        program.chmod(0o755)
        path = os.environ["PATH"]
        os.environ["PATH"] = f"{program.parent}:{path}"
        try:
            credentials = Credentials(cast(Any, engine), str)
            credentials.for_build(references)
            for reference in references:
                credentials.for_pull(reference)
        finally:
            os.environ["PATH"] = path


TARGETS = (engine_json, logins)
