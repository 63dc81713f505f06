"""A workstation with logins of registries, an engine that keeps what it is asked, and who hears of it."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.record import Device
from resin_toolkit.engine import Engine, connect
from resin_toolkit.engine.credentials import Credentials
from resin_toolkit.errors import Notice
from resin_toolkit.progress import SilentProgress
from resin_toolkit.project.application import Application, Build, Service
from resin_toolkit.push.apply.image_build import BuildResult, LinkRate, build_image
from resin_toolkit.push.apply.image_fetch import fetch_image
from resin_toolkit.push.plan.build_source import read_build_source
from resin_toolkit.push.plan.platform import Platform
from support.deployment_listeners import SilentListener
from support.loopback_server import http, read_request, serving

SHOP = "shop.example:5000"
HUB = "https://index.docker.io/v1/"
SECRET = "s3cret/wörd~~?"


class Recorder:
    """An engine of some API version; it has the images in `present`, and can build and pull all others."""

    def __init__(self, version: str = "1.41") -> None:
        self.version = version
        self.present: set[str] = set()
        self.refuses = False
        self.heads: list[tuple[str, dict[str, str]]] = []

    def serve(self, connection: socket.socket, over: threading.Event) -> None:
        while not over.is_set() and (request := read_request(connection)):
            head, _, body = request.partition(b"\r\n\r\n")
            first, *lines = head.decode("ascii").split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            while "Transfer-Encoding" in headers and not body.endswith(b"0\r\n\r\n"):
                body += connection.recv(65536)
            path = first.split(" ")[1].partition("?")[0].removeprefix(f"/v{self.version}")
            self.heads.append((path, headers))
            connection.sendall(self._answer(path))

    def _answer(self, path: str) -> bytes:
        if path == "/version":
            return http(json.dumps({"ApiVersion": self.version}).encode())
        if path == "/info":
            return http(b'{"ID": "recorder"}')
        if path.startswith("/images/") and path.endswith("/json"):
            name = path.removeprefix("/images/").removesuffix("/json")
            if name in self.present:
                return http(json.dumps({"Id": f"sha256:{name}"}).encode())
            return http(b'{"message": "No such image: it"}', "404 Not Found")
        if self.refuses:
            return http(b'{"message": "the registry is away"}', "500 Internal Server Error")
        self.present.update(("garden_main:latest", f"{SHOP}/cart:1"))
        return http(b'{"stream": "Successfully built"}')

    def sent(self, path: str, header: str) -> object:
        """What the header of the one request to `path` says; None if it has none."""
        [headers] = [headers for asked, headers in self.heads if asked == path]
        return decoded(headers[header]) if header in headers else None


def decoded(value: str) -> object:
    """As an engine reads it: padded, and none but the letters of base64url."""
    assert not set(value) & set("+/")
    assert len(value) % 4 == 0
    return json.loads(base64.urlsafe_b64decode(value))


class Heard(SilentListener):
    def __init__(self) -> None:
        super().__init__(SilentProgress())
        self.notices: list[Notice] = []
        self.words: list[str] = []

    def step(self, service: str, what: str) -> None:
        self.words.append(f"{service} {what}")

    def output(self, service: str, text: str) -> None:
        self.words.append(f"{service} {text}")

    def warn(self, notice: Notice) -> None:
        self.notices.append(notice)

    def codes(self) -> list[str]:
        return [notice.code for notice in self.notices]


@pytest.fixture(name="home")
def nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workstation of nobody, with no engine."""
    for name in ("DOCKER_CONTEXT", "DOCKER_CONFIG", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    (home / ".docker").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nowhere")
    return home


@pytest.fixture(name="recorder")
def recording_engine() -> Recorder:
    return Recorder()


@pytest.fixture(name="reached")
def reached_engine(recorder: Recorder, home: Path) -> Iterator[Engine]:  # noqa: ARG001 - its state lies there
    with serving(recorder.serve) as place, connect(at(place.port)) as found:
        yield found


@pytest.fixture(name="heard")
def what_is_heard() -> Heard:
    return Heard()


def at(port: int) -> Device:
    return Device("board", ("127.0.0.1",), engine_ports=(port,), access_method=AccessMethod.TCP)


def entry(user: str, secret: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{secret}".encode()).decode()}


def configure(home: Path, **settings: object) -> None:
    (home / ".docker" / "config.json").write_text(json.dumps(settings))


def login(server: str, user: str) -> dict[str, str]:
    """As the engine's API has it."""
    return {"username": user, "password": SECRET, "serveraddress": server}


def helper(home: Path, script: str, monkeypatch: pytest.MonkeyPatch, name: str = "drawer") -> None:
    """A program on PATH that keeps logins."""
    folder = home / "bin"
    folder.mkdir()
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\nread server\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def pull(engine: Engine, heard: Heard) -> None:
    fetch_image(engine, Service("main", image=f"{SHOP}/cart:1"), heard, pull=True)


def build(engine: Engine, heard: Heard, folder: Path, dockerfile: str, *, pull: bool = False) -> None:
    folder.mkdir()
    (folder / "Dockerfile").write_text(dockerfile)
    service = Service("main", build=Build(folder))
    source = read_build_source(Application("garden", (service,)), service, Platform((), "amd64"))
    build_image(engine, "garden", source, heard, BuildResult(), LinkRate(), pull=pull)


def header_for(engine: Engine, reference: str, heard: Heard) -> object:
    value = Credentials(engine, heard.warn).for_pull(reference)
    return decoded(value) if value else None
