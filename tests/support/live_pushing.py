"""`resin push` in live mode, in a process of its own, beside a stand-in device: what it does with saves."""

from __future__ import annotations

import io
import json
import queue
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from device.desk import wait_for
from device.stand_in import Desk, StandIn, desk, stand_in

from support.resin_command import PROGRAM

PATIENCE = 60.0
TOML = 'name = "garden"\n[run]\nprivileged = false\ngrace = 0.1\n'
APP = """#!/bin/sh
trap 'exit 0' TERM
echo "started $(cat /app/text 2>/dev/null)"
while :; do sleep 60 & wait $!; done
"""
DOCKERFILE = "FROM stand-in\nCOPY . /app/\nCMD sh /app/main.sh\n"
Event = dict[str, Any]
Look = tuple[str, int, int, int, str]
"""Of a file in a container: its type, mode, user, group, and content or target."""


def write_project(folder: Path, files: Mapping[str, str] | None = None) -> Path:
    """A project that runs a script which ends at once when it is told to."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"resin.toml": TOML, "Dockerfile": DOCKERFILE, "main.sh": APP, "text": "one", **(files or {})}
    for name, text in whole.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(name="table", scope="module")
def live_table() -> Iterator[Desk]:
    with desk() as made:
        yield made


@pytest.fixture(name="kitchen", scope="module")
def live_kitchen(table: Desk) -> Iterator[StandIn]:
    with stand_in(table, "kitchen", announces=False) as device:
        device.start("first", "true")
        device.docker("rm", "-f", "first")
        yield device


@pytest.fixture(name="garden")
def live_garden(tmp_path: Path) -> Path:
    return write_project(tmp_path / "garden")


class Pushed:
    """`resin push --json` in live mode; its events come in the order in which they were written."""

    def __init__(self, table: Desk, device: StandIn, project: Path, *words: str) -> None:
        self.device = device
        self.project = project
        self.events: list[Event] = []
        self._seen = 0
        self._lines: queue.Queue[bytes] = queue.Queue()
        self.process = subprocess.Popen(
            [*table.prefix, str(PROGRAM), "push", device.address, "--json", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**table.environment, "PYTHONFAULTHANDLER": "1"},
            cwd=project,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def until(self, event: str, **fields: object) -> Event:
        """Wait for the next event of this name whose fields are, or hold, these."""
        found = self._has(time.monotonic() + PATIENCE, event, PATIENCE, **fields)
        assert found is not None
        return found

    def begun(self) -> Pushed:
        """Once it waits for changes, and the first container runs."""
        self.until("line", text="started")
        return self

    def batch(self, **fields: object) -> Event:
        return self.until("batch", **fields)

    def in_step_with(self, number: int) -> None:
        """Save a number until a batch is about it: all that was saved before has come through by then.

        What is saved while an image is built may be in it, and is no change any more.
        """
        deadline = time.monotonic() + PATIENCE
        for attempt in range(1000):
            (self.project / "sentinel").write_text(f"{number} {attempt}")
            if self._has(deadline, "batch", 3.0, files="sentinel"):
                return

    def quiet(self, seconds: float = 0.7) -> list[Event]:
        """What it has told of batches by the end of a pause, beside what was waited for."""
        time.sleep(seconds)
        while not self._lines.empty():
            self._next(time.monotonic() + 1, time.monotonic() + 1, "more")
        found = [event for event in self.events[self._seen :] if event.get("event") in ("batch", "failed")]
        self._seen = len(self.events)
        return found

    def end(self) -> tuple[int, Event]:
        """Ctrl-C: the exit code, and the envelope."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE)
        while self.events[-1:] and "schema" not in self.events[-1]:
            self._next(time.monotonic() + 5, time.monotonic() + 5, "envelope")
        return code, self.events[-1]

    def container(self, service: str = "main") -> str:
        """The one that is there, running or not."""
        found = self.device.docker("ps", "--all", "--format", "{{.ID}} {{.Names}}").split("\n")
        (one,) = [line.split()[0] for line in found if f"garden_{service}" in line]
        return one

    def holds(self, folder: str = "/app") -> dict[str, Look]:
        """What lies below a folder of the container."""
        return exported(self.device, self.container(), folder)

    def text(self, path: str) -> str | None:
        """The content of one file of the container; None where there is none."""
        found = self.holds(path.rpartition("/")[0])
        return found[path.rpartition("/")[2]][4] if path.rpartition("/")[2] in found else None

    def _has(self, deadline: float, event: str, within: float, **fields: object) -> Event | None:
        """The next such event; None where there is none for so many seconds."""
        started = time.monotonic()
        while True:
            while self._seen < len(self.events):
                found = self.events[self._seen]
                self._seen += 1
                if found.get("event") == event and all(_fits(found, *pair) for pair in fields.items()):
                    return found
            if not self._next(min(deadline, started + within), deadline, f"{event} {fields}"):
                return None

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def _next(self, soon: float, deadline: float, what: str) -> bool:
        """Take in one more event; false where none came until `soon`, a failure after the deadline."""
        while True:
            try:
                self.events.append(json.loads(self._lines.get(timeout=0.2)))
                return True
            except queue.Empty:
                over = self.process.poll() is not None and self._lines.empty()
                now = time.monotonic()
                if over or now > deadline:
                    raise AssertionError(f"no {what} after {self._told()}") from None
                if now > soon:
                    return False

    def _told(self) -> str:
        """The last events, and what was said, or where each thread is if it goes on."""
        self.process.send_signal(signal.SIGABRT)
        assert self.process.stderr is not None
        said = self.process.stderr.read().decode()
        return "\n".join(map(str, self.events[-25:])) + said


def _fits(event: Event, name: str, wanted: object) -> bool:
    value = event.get(name)
    return value == wanted or (isinstance(value, str | list) and wanted in value)


@contextmanager
def live(table: Desk, device: StandIn, project: Path, *words: str) -> Iterator[Pushed]:
    """A push of the project that goes on until the block ends; nothing of it stays on the device."""
    pushed = Pushed(table, device, project, *words)
    try:
        yield pushed
    finally:
        pushed.process.kill()
        pushed.process.wait()
        for stream in (pushed.process.stdout, pushed.process.stderr):
            if stream is not None and pushed.process.returncode is not None:
                stream.close()
        wait_for(lambda: _removed(device), "the end of the containers")


def _removed(device: StandIn) -> bool:
    """Whether no container is left; one that the push was just removing refuses to be removed once more."""
    left = device.docker("ps", "--all", "--quiet").split()
    with suppress(RuntimeError):
        device.docker("rm", "--force", "--volumes", *left)
    return not left


def exported(device: StandIn, container: str, folder: str) -> dict[str, Look]:
    """What lies below a folder of a container, as the docker CLI exports it."""
    done = subprocess.run(
        [*device.prefix, "docker", "export", container], capture_output=True, check=True, timeout=PATIENCE
    )
    found: dict[str, Look] = {}
    prefix = folder.strip("/") + "/"
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for entry in archive:
            if not f"{entry.name}/".startswith(prefix):
                continue
            file = archive.extractfile(entry) if entry.isreg() or entry.islnk() else None
            text = file.read().decode("latin-1") if file else entry.linkname
            # Which of several names of one file comes first is not told apart.
            kind = "0" if entry.islnk() else entry.type.decode("latin-1")
            found[entry.name[len(prefix) :].rstrip("/")] = (kind, entry.mode, entry.uid, entry.gid, text)
    return found


def fresh(device: StandIn, project: Path, folder: str = "/app") -> dict[str, Look]:
    """The same of a fresh build of the project by the docker CLI."""
    engine = f"tcp://{device.address}:{device.engine_port}"
    with tempfile.TemporaryDirectory(prefix="resin-fresh-") as copy:
        # History, and what resin itself keeps in the folder, are never sent.
        ignored = shutil.ignore_patterns(".resin", ".git")
        shutil.copytree(project, copy, symlinks=True, ignore=ignored, dirs_exist_ok=True)
        done = subprocess.run(
            [*device.desk.prefix, "docker", "--host", engine, "build", "--quiet", copy],
            env={**device.desk.environment, "DOCKER_BUILDKIT": "0"},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    assert not done.returncode, done.stderr
    made = device.docker("create", done.stdout.strip(), "none").strip()
    try:
        return exported(device, made, folder)
    finally:
        device.docker("rm", made)
