"""What changes under a push that is on its way: files that become links, and folders that are watched."""

from __future__ import annotations

import os
import threading
from typing import BinaryIO

import pytest
from support.recording_engine import RecordingEngine
from support.strange_network import StrangeNetwork, User

pytestmark = pytest.mark.root

SECRET = "7h3-k3y-0f-th3-h0us3"
LARGE = 24 * 1024 * 1024
"""More than what lies in the buffers of a connection: what follows has not been read yet."""


class Pausing(RecordingEngine):
    """An engine that stops reading in the middle of a build context."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.has_begun = threading.Event()
        self.goes_on = threading.Event()

    def serve(self, reader: BinaryIO, writer: BinaryIO) -> None:
        super().serve(_Paused(reader, self), writer)  # type: ignore[arg-type]


class _Paused:
    """Reads as `reader`, but waits before the second piece of what is not a line."""

    def __init__(self, reader: BinaryIO, engine: Pausing) -> None:
        self.reader, self.engine = reader, engine

    def readline(self) -> bytes:
        return self.reader.readline()

    def read(self, size: int) -> bytes:
        piece = self.reader.read(size)
        if not self.engine.has_begun.is_set():
            self.engine.has_begun.set()
            assert self.engine.goes_on.wait(30)
        return piece


@pytest.mark.parametrize("what", ["a file", "a folder", "the folder being sent", "one above"])
def test_what_becomes_a_link_during_a_push_is_not_followed(
    network: StrangeNetwork, newcomer: User, what: str
) -> None:
    home, project = newcomer.home, newcomer.home / "code" / "project"
    for name in ("private/id", "private/keys/id"):
        for secret in (home / name, home / "other" / "project" / "z" / name):
            secret.parent.mkdir(parents=True, exist_ok=True)
            secret.write_text(SECRET)
        (project / "z" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "z" / name).write_text("harmless")
    inner = project / "z" / "private"
    (project / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (inner / "a").write_bytes(os.urandom(LARGE))
    engine = Pausing("PAUSING")
    with network.device.serving(engine=engine):
        terminal = newcomer.terminal("push", network.device.address, "--detach", cwd=project)
        assert engine.has_begun.wait(30)
        moved, target = {
            "a file": (inner / "id", home / "private" / "id"),
            "a folder": (inner / "keys", home / "private" / "keys"),
            "the folder being sent": (inner, home / "private"),
            "one above": (home / "code", home / "other"),
        }[what]
        moved.rename(home / "moved")
        moved.symlink_to(target)
        engine.goes_on.set()
        terminal.end()
    assert SECRET.encode() not in engine.everything, terminal.plain
    assert "Traceback" not in terminal.plain
