"""`resin ssh` with dropbear, the SSH server of resinOS until 2019, beside what OpenSSH's client does."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest
from device.desk import wait_for
from device.stand_in import Desk, StandIn, desk, stand_in
from support.resin_command import PROGRAM

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def table() -> Iterator[Desk]:
    with desk() as made:
        yield made


@pytest.fixture(scope="module")
def cabin(table: Desk) -> Iterator[StandIn]:
    with stand_in(table, "cabin", dropbear=True, engine_port=None) as device:
        raw(device, "--", "true")
        yield device


def raw(device: StandIn, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*device.desk.prefix, str(PROGRAM), "ssh", device.address, *words],
        input=stdin, capture_output=True, env=device.desk.environment, timeout=120, check=False,
    )  # fmt: skip


def openssh(device: StandIn, command: str) -> int:
    own = ("-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR")
    own += ("-o", "UserKnownHostsFile=/dev/null", "-o", "HostKeyAlgorithms=+ssh-rsa")
    words = [*device.desk.prefix, "ssh", *own, "-p", str(device.ssh_port), f"root@{device.address}", command]
    return subprocess.run(words, capture_output=True, timeout=60, check=False).returncode


def test_it_is_dropbear(table: Desk, cabin: StandIn) -> None:
    assert table.resin("wait", cabin.address, "--json").data["ssh"].startswith("dropbear")


@pytest.mark.parametrize("command", ["exit 7", "true", "kill -9 $$", "no-such-program"])
def test_the_exit_code_is_what_openssh_gives(cabin: StandIn, command: str) -> None:
    assert raw(cabin, "--", command).returncode == openssh(cabin, command)


def test_an_interrupt_reaches_the_remote_command(cabin: StandIn) -> None:
    words = [*cabin.desk.prefix, str(PROGRAM), "ssh", cabin.address, "--", "echo up; exec sleep 12321"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=cabin.desk.environment
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"up\n"
        wait_for(lambda: "sleep 12321" in processes(cabin), "the remote command")
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
    wait_for(lambda: "sleep 12321" not in processes(cabin), "the end of the remote command")


def processes(device: StandIn) -> str:
    return device.run("ps", "-e", "-o", "args")


def test_fifty_megabytes_go_both_ways_at_once(cabin: StandIn) -> None:
    data = os.urandom(50_000_000)
    done = raw(cabin, "--", "cat; printf '\\0\\377' >&2; exit 3", stdin=data)
    assert (done.returncode, done.stdout == data, done.stderr) == (3, True, b"\0\xff")


def test_its_key_is_pinned_and_a_changed_one_is_refused(table: Desk) -> None:
    with stand_in(table, "hut", dropbear=True, engine=False, announces=False) as hut:
        first = raw(hut, "--", "hostname")
        assert (first.returncode, first.stdout) == (0, b"hut\n")
        assert b"ssh-rsa SHA256:" in first.stderr
        hut.new_host_keys()
        refused = raw(hut, "--", "true")
        assert refused.returncode == 255
        assert b"--forget-key" in refused.stderr
        assert raw(hut, "--forget-key", "--", "true").returncode == 0


def test_a_terminal_and_its_size(cabin: StandIn) -> None:
    shell = cabin.desk.terminal("ssh", cabin.address, env={"TERM": "vt220"})
    shell.type("echo $TERM-$((1+1))\r")
    shell.until("vt220-2")
    shell.resize(31, 97)
    shell.type("until stty size | grep 31; do sleep 0.1; done\r")
    shell.until("31 97")
    shell.type("exit 5\r")
    assert shell.end() == 5


def test_the_engine_is_reached_through_it(table: Desk, cabin: StandIn) -> None:
    """Dropbear does not forward to Unix sockets: a program of the device connects to it."""
    cabin.start("web", "sleep 1000")
    assert [c["service"] for c in table.resin("ps", cabin.address, "--json").data["containers"]] == ["web"]
