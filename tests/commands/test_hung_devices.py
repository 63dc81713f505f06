"""Every command on a device that hangs, in each phase: it is given up within 15 seconds, in little memory.

Unlike the tests of `ssh` and `engine`, this one waits for the deadlines as they are: for all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.hostile_ssh import PHASES, hanging, hostile_ssh
from support.hung_engine import HANGS, Hang, drip_body, hung_engine, silent, silent_after_headers
from support.loopback_server import serving
from support.measured import MIB, Measured, measured
from support.resin_command import PROGRAM, environment

pytestmark = pytest.mark.soak

MEMORY = 300 * MIB
SECONDS = 15.0
SIDE_BY_SIDE = 8

COMMANDS = {
    "ps": [],
    "env": [],
    "logs": [],
    "logs -f": [],
    "stop": ["web"],
    "restart": ["web"],
    "rm": ["web", "--yes"],
    "push": ["--detach", "--yes"],
    "wait": ["--timeout", "5"],
    "ssh": ["--service", "web", "--", "true"],
}
BY_SSH = {
    **{name: words for name, words in COMMANDS.items() if name in ("ps", "logs", "push")},
    "ssh": ["--", "true"],
    "reboot": ["--yes"],
    "reset": ["--yes"],
}
REQUESTS: dict[str, tuple[str, ...]] = {
    r"GET /version": ("ps", "env", "logs", "stop", "push", "wait", "ssh"),
    r"GET /info": ("ps", "env", "logs", "stop", "push", "ssh"),
    r"GET /containers/json": ("ps", "logs", "logs -f", "stop", "restart", "rm", "push", "ssh"),
    r"GET /containers/[^/]+/json": ("logs", "stop", "restart", "rm", "ssh"),
    r"GET /images/.*": ("push",),
    r"GET .*/logs": ("logs",),
    r"POST /containers/.*": ("stop", "restart", "rm", "ssh"),
}
"""The requests at which the engine hangs, and the commands that send them."""


@contextmanager
def engine(at: str, how: Hang) -> Iterator[str]:
    # A change may take long while the engine answers other requests.
    with serving(hung_engine(at, how, answers_pings=not at.startswith("POST"))) as place:
        yield f"127.0.0.1:{place.port}"


@contextmanager
def ssh_server(phase: str) -> Iterator[str]:
    with hostile_ssh(hanging(phase)) as device:
        yield f"ssh://root@127.0.0.1:{device.ssh_port}"


def run(command: str, words: list[str], device: str, folder: Path) -> Measured:
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    env = environment(HOME=str(folder), XDG_STATE_HOME=str(folder / "state"))
    env.pop("SSH_AUTH_SOCK", None)
    target = [device, *words]
    if command != "ssh":
        target.append("--json")
    return measured([PROGRAM, *command.split(), *target], env=env, cwd=folder)


def check(what: str, done: Measured, refused: Measured) -> str:
    """What is wrong with how a command ended; empty if nothing.

    `refused` is the same command where nothing listens: its time is that of this machine.
    """
    seconds = done.seconds - refused.seconds
    if done.run.code in (0, 130) and not what.startswith("wait"):
        return f"{what}: exit code {done.run.code}"
    if "Traceback" in done.run.err:
        return f"{what}: {done.run.err}"
    if seconds > SECONDS:
        return f"{what}: {seconds:.1f} s: {done.run.out[-300:]}{done.run.err[-300:]}"
    if done.peak > MEMORY:
        return f"{what}: {done.peak // MIB} MiB"
    return ""


def test_every_command_gives_up_every_hung_engine(tmp_path: Path) -> None:
    def one(case: tuple[str, str, Hang]) -> str:
        command, at, how = case
        name = f"{command} at {at}, {how.__name__}"
        with engine(at, how) as device:
            words, folder = COMMANDS[command], tmp_path / str(cases.index(case))
            refused = run(command, words, "127.0.0.1:1", folder / "refused")
            return check(name, run(command, words, device, folder / "hung"), refused)

    cases = [
        (command, at, how)
        for at, commands in REQUESTS.items()
        for command in commands
        for how in (HANGS if command in ("ps", "logs") else (silent, silent_after_headers, drip_body))
        if not (at.startswith("POST") and how is not silent)
    ]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        wrong = "\n".join(filter(None, pool.map(one, cases)))
    assert not wrong, wrong


def test_every_command_gives_up_every_hung_ssh_server(tmp_path: Path) -> None:
    def one(case: tuple[str, str]) -> str:
        command, phase = case
        with ssh_server(phase) as device:
            words, folder = BY_SSH[command], tmp_path / str(cases.index(case))
            refused = run(command, words, "ssh://root@127.0.0.1:1", folder / "refused")
            return check(f"{command} at {phase}", run(command, words, device, folder / "hung"), refused)

    cases = [(command, phase) for command in BY_SSH for phase in PHASES]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        wrong = "\n".join(filter(None, pool.map(one, cases)))
    assert not wrong, wrong
