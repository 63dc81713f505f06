"""Projects that are pushed to a stand-in device, and what is then found there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.stand_in import Desk, StandIn, desk, stand_in

from support.resin_command import Run

RUNS = "trap 'exit 0' TERM; while :; do sleep 0.05; done"
"""A script that goes on until it is told to end."""
UNPRIVILEGED = "[run]\nprivileged = false\ngrace = 0.3\n"
"""Not every machine that this runs on can give a container all privileges."""
SINGLE = f"FROM stand-in\nCOPY note /note\nCMD {json.dumps(['sh', '-c', f'cat /note; {RUNS}'])}\n"


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Files of a project; what is there already stays."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def single(folder: Path, toml: str = UNPRIVILEGED, **files: str) -> Path:
    """A project with one Dockerfile, whose container writes what is in the file `note`."""
    return write(folder, {"resin.toml": toml, "Dockerfile": SINGLE, "note": "first\n", **files})


def compose(folder: Path, text: str, **files: str) -> Path:
    """A project with a compose file; services that build have the Dockerfile of `single`."""
    return write(folder, {"compose.yaml": text, "Dockerfile": SINGLE, "note": "first\n", **files})


_CLEAR = """
docker rm --force --volumes $(docker ps --all --quiet) 2>/dev/null
docker network prune --force
docker volume rm --force $(docker volume ls --quiet) 2>/dev/null
docker rmi --force $(docker images --quiet --filter since=stand-in) 2>/dev/null
docker image prune --force
"""


@dataclass(frozen=True)
class Bench:
    """A desk with one device, on which projects are pushed."""

    desk: Desk
    device: StandIn

    def resin(self, *words: str | Path, cwd: Path | None = None, **env: str) -> Run:
        return self.desk.resin(*words, cwd=cwd, env=env)

    def push(self, project: Path, *words: str | Path, device: str | None = None, **env: str) -> Run:
        """Push it once, from its folder, to the device."""
        named = self.device.address if device is None else device
        return self.resin("push", *([named] if named else []), "--detach", *words, cwd=project, **env)

    def container(self, name: str) -> dict[str, Any]:
        """All that the engine knows of a container."""
        known: dict[str, Any] = json.loads(self.device.docker("inspect", "--type", "container", name))[0]
        return known

    def containers(self, *words: str) -> list[str]:
        """The names of containers, those that have ended too."""
        shown = self.device.docker("ps", "--all", *words, "--format", "{{.Names}}")
        return sorted(shown.split())

    def images(self) -> set[str]:
        """The IDs of all images, those without a name too."""
        return set(self.device.docker("images", "--all", "--quiet", "--no-trunc").split())

    def environment(self, name: str) -> dict[str, str]:
        """A container's variables."""
        pairs = (word.partition("=") for word in self.container(name)["Config"]["Env"] or [])
        return {key: value for key, _, value in pairs}

    def state(self, name: str) -> dict[str, Any]:
        """What a file of the state directory holds."""
        found: dict[str, Any] = json.loads((self.desk.home / "state" / "resin" / name).read_text())
        return found

    def logs(self, name: str) -> str:
        return self.device.docker("logs", name)

    def clear(self) -> None:
        """Remove what was brought to the device, but for its image `stand-in`."""
        self.device.run("sh", "-c", _CLEAR)


@contextmanager
def bench() -> Iterator[Bench]:
    """A desk with the device `kitchen`, whose engine has the image `stand-in`."""
    with desk() as table, stand_in(table, "kitchen", announces=False) as device:
        device.start("first", "true")
        device.docker("rm", "-f", "first")
        yield Bench(table, device)


def events(run: Run) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The objects that a run with --json has written, a line each, and the envelope at their end."""
    *lines, last = [json.loads(line) for line in run.out.splitlines()]
    assert all("event" in line for line in lines), run
    assert list(last) == ["schema", "command", "ok", "data", "error"]
    return lines, last
