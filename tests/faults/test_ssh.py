"""Faults of `resin ssh`: failing remote commands, busy ports, lost connections."""

from __future__ import annotations

import pytest
from support.pushed_projects import Bench

from faults.conditions import RunningCommand
from faults.table import CARRIES_ON, Fault, fault
from resin_toolkit.errors import Exit

LOST = 255


@fault(
    "ssh",
    "the connection is lost, or the device loses power",
    LOST,
    "unreachable",
    "names the device and the reason",
)
def test_a_lost_connection(fault: Fault, made: Bench) -> None:
    words = ("ssh", made.device.address, "--", "echo up; sleep 100")
    with RunningCommand(*words, prefix=made.desk.prefix, env=made.desk.environment) as begun:
        begun.until_shown("up", "out")
        made.device.kill_sockets(made.device.ssh_port)
        fault.met_in_text(begun.end(), "was lost")


@fault(
    "ssh",
    "the remote command fails or is killed",
    7,
    CARRIES_ON,
    "exits with the exit code of the remote command",
    "exit 7",
)
@fault(
    "ssh",
    "the remote command is not found",
    127,
    CARRIES_ON,
    "exits with the exit code of the remote command",
    "no-such-program",
)
def test_a_command_that_fails(fault: Fault, made: Bench) -> None:
    fault.met(made.resin("ssh", made.device.address, "--", fault.given))


@fault(
    "ssh",
    "the local port of `-L` is in use",
    Exit.REFUSED,
    "refused",
    "reports it; forwards nothing",
)
def test_a_port_that_is_taken(fault: Fault, made: Bench) -> None:
    import socket

    with made.desk.entered(), socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = made.resin("ssh", made.device.address, "--json", "-L", f"{port}:localhost:80", "--", "true")
    fault.met(run, str(port))


@fault("ssh", "an invalid value of `-L`", Exit.USAGE, "bad-value", "reports it; forwards nothing")
@pytest.mark.parametrize("word", ["80", "a:b:c", "1:host:99999"])
def test_an_invalid_forward(fault: Fault, made: Bench, word: str) -> None:
    fault.met(made.resin("ssh", made.device.address, "--json", "-L", word, "--", "true"), word)
