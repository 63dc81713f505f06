"""Devices that are missing, do not respond, or are another machine, for every command that takes one."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.pushed_projects import Bench
from support.resin_command import Run, resin

from faults.table import Fault, commands_with_a_device, fault
from resin_toolkit.errors import Exit

BY_ENGINE = "push stop restart rm ps logs env"
BY_SHELL = "reboot reset"
SAYS = "names the device and the reason"
LOST = 255
"""What OpenSSH ends with, where there is no connection."""


def asking(verb: str, device: str) -> list[str]:
    """A command line of the verb for a device."""
    more = {
        "push": ["--detach"],
        "rm": ["--yes"],
        "wait": ["--timeout", "0.5"],
        "reboot": ["--yes"],
        "reset": ["--yes"],
        "ssh": ["--", "true"],
    }
    return [verb, device, "--json", *more.get(verb, [])]


@pytest.fixture
def ask(made: Bench, garden: Path) -> Callable[[Fault, str], Run]:
    return lambda fault, device: made.resin(*asking(fault.command, device), cwd=garden)


@fault(
    commands_with_a_device(),
    "an invalid device: `http://kitchen`",
    Exit.USAGE,
    "bad-value",
    SAYS,
)
def test_an_invalid_device(fault: Fault, garden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(garden)
    fault.met(resin(*asking(fault.command, "http://kitchen")), "http://kitchen")


@fault(
    "ps reboot",
    "its name cannot be resolved",
    Exit.NOT_FOUND,
    "device-not-found",
    SAYS,
)
@fault("ssh", "its name cannot be resolved", LOST, "device-not-found", SAYS)
def test_a_name_that_cannot_be_resolved(fault: Fault, ask: Callable[[Fault, str], Run]) -> None:
    fault.met(ask(fault, "nobody-of-that-name"), "nobody-of-that-name")


@fault(
    f"{BY_ENGINE} {BY_SHELL} wait",
    "the host is up, but nothing listens on the port",
    Exit.UNREACHABLE,
    "unreachable",
    SAYS,
)
@fault("ssh", "the host is up, but nothing listens on the port", LOST, "unreachable", SAYS)
def test_nothing_listens(fault: Fault, made: Bench, ask: Callable[[Fault, str], Run]) -> None:
    fault.met(ask(fault, made.desk.address), made.desk.address, "nothing listens")


@fault("ps reboot", "the device is off or unplugged", Exit.UNREACHABLE, "unreachable", SAYS)
@fault("ssh", "the device is off or unplugged", LOST, "unreachable", SAYS)
def test_it_is_off(fault: Fault, made: Bench, ask: Callable[[Fault, str], Run]) -> None:
    nobody = made.desk.next_address()
    fault.met(ask(fault, nobody), nobody)


@contextmanager
def listening(made: Bench, port: int, says: bytes) -> Iterator[None]:
    """Something on the desk's own machine that takes connections, says this to each, and nothing more."""
    with made.desk.entered():
        server = socket.create_server((made.desk.address, port))
    taken: list[socket.socket] = []

    def take() -> None:
        with suppress(OSError):
            while True:
                connection = server.accept()[0]
                taken.append(connection)
                connection.sendall(says)

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for each in (server, *taken):
            each.close()


WEB = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"


@fault(
    BY_ENGINE,
    "the port belongs to something other than an engine",
    Exit.UNREACHABLE,
    "unreachable",
    SAYS,
    (2377, WEB),
)
@fault(
    BY_SHELL,
    "the port belongs to something other than an SSH server",
    Exit.UNREACHABLE,
    "unreachable",
    SAYS,
    (22222, WEB),
)
@fault(
    "ssh", "the port belongs to something other than an SSH server", LOST, "unreachable", SAYS, (22222, WEB)
)
@fault(
    "ps", "it accepts the connection, but sends nothing", Exit.UNREACHABLE, "unreachable", SAYS, (2377, b"")
)
@fault(
    "reboot",
    "it accepts the connection, but sends nothing",
    Exit.UNREACHABLE,
    "unreachable",
    SAYS,
    (22222, b""),
)
def test_another_kind_of_server(fault: Fault, made: Bench, ask: Callable[[Fault, str], Run]) -> None:
    with listening(made, *fault.given):
        where = f"{made.desk.address}:2377" if fault.given[0] == 2377 else made.desk.address
        fault.met(ask(fault, where), made.desk.address)


@fault(
    "push ps logs reboot reset", "the SSH server rejects the login", Exit.NOT_PERMITTED, "login-refused", SAYS
)
@fault("ssh", "the SSH server rejects the login", LOST, "login-refused", SAYS)
def test_no_login(fault: Fault, made: Bench, ask: Callable[[Fault, str], Run]) -> None:
    before = made.device.pid
    fault.met(ask(fault, f"ssh://nobody-here@{made.device.address}"), "nobody-here")
    assert made.device.pid == before


@fault(
    "push ps logs reboot reset",
    "the device presents another SSH host key than the stored one",
    Exit.REFUSED,
    "host-key-changed",
    "refuses, prints both fingerprints and how to accept the new one; sends nothing",
)
@fault(
    "ssh",
    "the device presents another SSH host key than the stored one",
    LOST,
    "host-key-changed",
    "refuses, prints both fingerprints and how to accept the new one; sends nothing",
)
def test_another_host_key(fault: Fault, another: str, ask: Callable[[Fault, str], Run]) -> None:
    fault.met(ask(fault, another), "SHA256:", "--forget-key")


@pytest.fixture(scope="module")
def pinned(made: Bench) -> Iterator[str]:
    """The device under an address by SSH, once its key was pinned and then replaced."""
    where = f"ssh://root@{made.device.address}"
    assert made.resin("ssh", where, "--", "true").code == 0
    made.device.new_host_keys()
    yield where
    shutil.rmtree(made.desk.home / "state")


@fault(
    "push ps logs env wait",
    "its host key is stored, but its SSH server does not respond to prove it",
    Exit.REFUSED,
    "host-key-unverified",
    "asks whether to use its unencrypted engine; refuses without a terminal",
)
def test_a_key_that_cannot_be_verified(fault: Fault, mute: str, ask: Callable[[Fault, str], Run]) -> None:
    fault.met(ask(fault, mute), f"tcp://{mute}", "SSH")


@pytest.fixture(scope="module")
def mute(made: Bench) -> Iterator[str]:
    """The device under an address, whose key was pinned before its SSH server was stopped."""
    where = made.device.address
    assert made.resin("ssh", where, "--forget-key", "--", "true").code == 0
    file = made.desk.home / "state" / "resin" / "devices.json"
    known = json.loads(file.read_text())
    known[where]["proofs"] = {}
    file.write_text(json.dumps(known))
    made.device.stop_ssh()
    yield where
    made.device.start_ssh()
    assert made.resin("ssh", where, "--forget-key", "--", "true").code == 0


@pytest.fixture
def another(pinned: str) -> str:
    return pinned
