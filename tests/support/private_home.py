"""A home folder with secrets, and an engine on loopback that records what it is sent."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.loopback_server import serving
from support.recording_engine import RecordingEngine
from support.resin_command import Run, Terminal, environment, resin

SECRET = "7h3-k3y-0f-th3-h0us3"
DOCKERFILE = "FROM scratch\nCOPY . /\n"
TOML = "[run]\ngrace = 0\n"
LOGINS = {"auths": {"https://index.docker.io/v1/": {"auth": "bWU6N2gzLWszeS0wZi10aDMtaDB1czM="}}}


class Home:
    """A home folder with secrets in it, and an engine on loopback."""

    def __init__(self, folder: Path, engine: RecordingEngine, device: str) -> None:
        self.folder = folder
        self.engine = engine
        self.device = device
        self.environment: dict[str, str] = {}

    @property
    def state(self) -> Path:
        return self.folder / "state" / "resin"

    def project(self, path: str = "code/evil", **files: str) -> Path:
        """A project; names of files have `__` for a slash and `_` for a dot."""
        project = self.folder / path
        for name, text in {"Dockerfile": DOCKERFILE, "resin_toml": TOML, **files}.items():
            file = project / name.replace("__", "/").replace("_", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return project

    def push(self, project: Path, *words: str, device: bool = True) -> Run:
        return resin("push", *([self.device] if device else []), "--detach", "--source", project, *words)

    def was_sent(self, text: str) -> bool:
        """Whether the engine was sent a text, in a file or otherwise."""
        contents = b"".join(self.engine.files.values()) + b"".join(
            name.encode() for name in self.engine.files
        )
        return text.encode() in self.engine.everything + contents

    def terminal(self, project: Path, *words: str) -> Terminal:
        return Terminal("push", *words, "--detach", env=environment(**self.environment), cwd=project)


@pytest.fixture(name="home")
def home_with_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    (folder / ".ssh" / "id").write_text(SECRET)
    (folder / ".docker").mkdir()
    (folder / ".docker" / "config.json").write_text(json.dumps(LOGINS))
    (folder / "secret.env").write_text(f"PASSWORD={SECRET}\n")
    engine = RecordingEngine("DEVICE")

    def serve(connection: socket.socket, _: threading.Event) -> None:
        with connection.makefile("rb") as reader, connection.makefile("wb") as writer:
            engine.serve(reader, writer)

    with serving(serve) as place:
        made = Home(folder, engine, f"tcp://127.0.0.1:{place.port}")
        made.environment = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        for name in ("RESIN_DEVICE", "DOCKER_CONFIG", "SSH_AUTH_SOCK", "SUDO_UID"):
            monkeypatch.delenv(name, raising=False)
        yield made


def check_refused(run: Run, *named: str) -> None:
    """Check that a push was refused with a sentence and a hint."""
    assert run.code == 4, run
    assert all(word in run.err for word in (*named, "--trust")), run
    assert run.err.count("error: ") == 1, run


def linked(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)
