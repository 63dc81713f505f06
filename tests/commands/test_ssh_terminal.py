"""`resin ssh` on a terminal that is resized, cut off and killed; and whom ~/.ssh/config lets log in."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from device.desk import wait_for
from device.stand_in import Desk, StandIn, desk, stand_in
from support.resin_command import Terminal

from resin_toolkit.terminal.modes import TerminalModes

FULL_SCREEN = "printf '\\033[?1049h\\033[?25l\\033[?1000;1006h\\033[?2004h'"
UNDONE = ("\x1b[?1049l", "\x1b[?25h", "\x1b[?1000l", "\x1b[?1006l", "\x1b[?2004l")


@pytest.fixture(scope="module")
def table() -> Iterator[Desk]:
    with desk() as made:
        yield made


@pytest.fixture(scope="module")
def kitchen(table: Desk) -> Iterator[StandIn]:
    with stand_in(table, "kitchen", ssh_options=["Port 2222"]) as device:
        device.start("web", "sleep 1000")
        table.resin("ssh", device.address, "--", "true")
        table.resin("ps", device.address)
        yield device


def in_a_program(device: StandIn, seconds: int = 100) -> Terminal:
    """A terminal on which a far program has turned on what full-screen programs do."""
    shell = device.desk.terminal("ssh", device.address)
    shell.type(f"{FULL_SCREEN}; echo in''side; exec sleep {seconds}\r")
    shell.until("inside")
    assert not shell.is_cooked
    return shell


@pytest.mark.root
@pytest.mark.parametrize("words", [(), ("--service", "web")], ids=["host", "container"])
def test_a_resize_reaches_the_remote_terminal(kitchen: StandIn, words: tuple[str, ...]) -> None:
    shell = kitchen.desk.terminal("ssh", kitchen.address, *words)
    shell.resize(24, 80)
    shell.type("echo re''ady\r")
    shell.until("ready")
    for rows, columns in ((31, 97), (50, 211)):
        shell.resize(rows, columns)
        shell.type(f"until stty size | grep '{rows} '; do sleep 0.1; done\r")
        shell.until(f"{rows} {columns}")
    shell.type("exit 5\r")
    assert shell.end() == 5


@pytest.mark.root
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_killed_process_restores_the_terminal(kitchen: StandIn, number: signal.Signals) -> None:
    shell = in_a_program(kitchen)
    os.kill(shell.pid, number)
    shell.until("Interrupted")
    wait_for(lambda: shell.is_cooked, "a terminal as before")
    assert shell.end() == 130
    for sequence in UNDONE:
        assert sequence in shell.screen


@pytest.mark.root
def test_a_lost_connection_restores_the_terminal(kitchen: StandIn) -> None:
    shell = in_a_program(kitchen)
    kitchen.kill_sockets(kitchen.ssh_port)
    shell.until("was lost")
    wait_for(lambda: shell.is_cooked, "a terminal as before")
    assert shell.end() == 255
    for sequence in UNDONE:
        assert sequence in shell.screen


@pytest.mark.root
def test_closing_the_window_ends_the_remote_program(kitchen: StandIn) -> None:
    shell = in_a_program(kitchen, 4711)
    shell.hang_up()
    wait_for(lambda: "sleep 4711" not in kitchen.run("ps", "-e", "-o", "args"), "the end of the far program")
    assert shell.code() in (129, 130)


@pytest.mark.root
@pytest.mark.parametrize(
    ("word", "options"),
    [
        ("board", ()),
        ("ssh://board", ()),
        ("ssh://root@board", ()),
        ("ssh://root@board:22222", ()),
        ("ssh://bin@board", ()),
        ("board", ("--ssh-port", "22222")),
        ("{address}", ()),
        ("ssh://root@{address}", ()),
        ("ssh://root@{address}:22222", ()),
    ],
)
def test_the_command_line_takes_precedence_over_the_configuration(
    table: Desk, kitchen: StandIn, tmp_path: Path, word: str, options: tuple[str, ...]
) -> None:
    """As with OpenSSH, which is asked what it would do."""
    address = kitchen.address
    (tmp_path / ".ssh").mkdir()
    config = tmp_path / ".ssh" / "config"
    config.write_text(f"Host board {address}\n  HostName {address}\n  User sys\n  Port 2222\n")
    word = word.format(address=address)
    words = ["ssh", "-F", config, "-G", *(("-p", options[1]) if options else ()), word]
    asked = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    user, port = (re.search(rf"^{key} (\S+)$", asked, re.MULTILINE) for key in ("user", "port"))
    assert user is not None
    assert port is not None
    # Nobody but root has a password that is empty there: the others are told apart by who is refused.
    run = table.resin(
        "ssh", word, *options, "--json", "--", "id -un; echo $SSH_CONNECTION", env={"HOME": str(tmp_path)}
    )
    if user[1] == "root":
        name, connection = run.data["stdout"].splitlines()
        assert (name, connection.split()[-1]) == ("root", port[1])
    else:
        assert f"refuses the login of {user[1]}" in run.error["message"]


def test_modes_in_split_sequences_and_modes_that_were_reset() -> None:
    modes = TerminalModes()
    for piece in (b"text \x1b", b"[?20", b"04h more \x1b[?25", b"l\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?7l"):
        modes.observe(piece)
    assert modes.reset_sequence() == b"\x1b[?2004l\x1b[?25h"
    assert TerminalModes().reset_sequence() == b""
