"""A link with a device that the user knows, and a stranger who would like to be taken for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from device.desk import Desk, desk

from support.hosts_on_link import Host, host
from support.recording_engine import RecordingEngine
from support.recording_ssh import RecordingSsh
from support.resin_command import PROGRAM, Run, Terminal, program

NAME = "kitchen"
KNOWN_ID = "KTCH:HONEST"


@dataclass(frozen=True)
class User:
    """A user of the workstation: a home folder, the state in it, and the commands that they type."""

    table: Desk
    home: Path

    @property
    def state(self) -> Path:
        return self.home / "state" / "resin"

    @property
    def environment(self) -> dict[str, str]:
        own = {"HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state")}
        return {**self.table.environment, **own}

    def resin(self, *words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Run:
        """The installed program, without a terminal."""
        command = (*self.table.prefix, PROGRAM)
        return program(*words, env={**self.environment, **(env or {})}, cwd=cwd or self.home, command=command)

    def terminal(
        self, *words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Terminal:
        """The installed program, on a terminal of its own."""
        with self.table.entered():
            return Terminal(*words, env={**self.environment, **(env or {})}, cwd=cwd or self.home)


@dataclass
class StrangeNetwork:
    """The link: `device` has an engine and an SSH server that are honest, `stranger` others."""

    table: Desk
    device: Host
    stranger: Host
    engine: RecordingEngine = field(default_factory=lambda: RecordingEngine(KNOWN_ID))
    ssh: RecordingSsh = field(default_factory=RecordingSsh)
    strange_engine: RecordingEngine = field(default_factory=lambda: RecordingEngine("STRANGE"))
    strange_ssh: RecordingSsh = field(default_factory=RecordingSsh)
    acquainted: Path | None = None
    """The state folder of a user who knows the device: by its engine, and by its host key."""

    def __post_init__(self) -> None:
        self.ssh.engine = self.engine
        self.strange_ssh.engine = self.strange_engine

    def clear(self) -> None:
        for each in (self.engine, self.ssh, self.strange_engine, self.strange_ssh):
            each.clear()
        self.strange_engine.id = "STRANGE"
        self.strange_engine.os = "Resin OS 2.0.0+rev1"
        self.strange_ssh.needs_password = False

    @contextmanager
    def device_serves(self, *, ssh: bool = True, engine: bool = True, delay: float = 0.0) -> Iterator[None]:
        with self.device.serving(
            announces=[NAME],
            engine=self.engine if engine else None,
            ssh=self.ssh if ssh else None,
            delay=delay,
        ):
            yield

    @contextmanager
    def stranger_serves(
        self,
        *,
        ssh: bool = True,
        engine: bool = True,
        announces: Mapping[str, Sequence[str]] | Sequence[str] = (NAME,),
        delay: float = 0.0,
    ) -> Iterator[None]:
        with self.stranger.serving(
            announces=announces,
            engine=self.strange_engine if engine else None,
            ssh=self.strange_ssh if ssh else None,
            delay=delay,
        ):
            yield

    def user(self, folder: Path, *, knows_device: bool = True) -> User:
        """A user with an empty home, who knows the device, or has never used any."""
        made = User(self.table, folder / "home")
        made.home.mkdir(parents=True)
        if knows_device:
            assert self.acquainted
            shutil.copytree(self.acquainted, made.state)
        return made

    def assert_nothing_reached_the_stranger(self) -> None:
        """No login, no key, no command and no request that changes or carries anything."""
        ssh = self.strange_ssh
        assert (ssh.logins, ssh.passwords, ssh.commands, ssh.streams) == ([], [], [], [])
        assert self.strange_engine.changes == []
        assert self.strange_engine.logins == []


@contextmanager
def strange_network(scratch: Path) -> Iterator[StrangeNetwork]:
    """The link, with both hosts plugged in; nothing is served yet."""
    with desk() as table, host(table) as device, host(table) as stranger:
        network = StrangeNetwork(table, device, stranger)
        first = network.user(scratch, knows_device=False)
        with network.device_serves():
            for words in (("wait", NAME), ("ssh", NAME, "--", "true"), ("ps", NAME)):
                run = first.resin(*words)
                assert run.code == 0, run
        network.acquainted = first.state
        network.clear()
        yield network
