"""`resin logs` of what an engine keeps only for a while, only in part, or not at all."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from itertools import pairwise

import pytest
from device.desk import wait_for
from device.stand_in import Desk, StandIn, desk, stand_in
from support.followed_logs import COUNTER, followed, until_now

pytestmark = pytest.mark.root

ROTATING = ("--log-opt=max-size=20k", "--log-opt=max-file=3")
COUNTED = "i=0; while [ $i -lt {} ]; do i=$((i+1)); echo $i; usleep {}; done"
WAIT = "until [ -e /go ]; do usleep 10000; done"
"""Waits for `go_on`, so that no line is written before the log is followed."""
WEB = "--label=io.resin-toolkit.service=web"


@pytest.fixture(scope="module")
def table() -> Iterator[Desk]:
    with desk() as made:
        yield made


@pytest.fixture(scope="module")
def shed(table: Desk) -> Iterator[StandIn]:
    with stand_in(table, "shed") as device:
        # Whoever looks first is told that the engine accepts commands from anyone.
        device.start("first", "echo here")
        wait_for(lambda: table.resin("logs", "shed").code == 0, "the logs of the device")
        yield device


def start(device: StandIn, name: str, script: str, *words: str) -> None:
    """Start a container with more words for `docker run`."""
    device.docker(
        "run",
        "--detach",
        "--name",
        name,
        "--network=host",
        *words,
        "--stop-timeout=1",
        "stand-in",
        "sh",
        "-c",
        script,
    )


def go_on(device: StandIn, name: str) -> None:
    device.docker("exec", name, "touch", "/go")


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_a_rotating_log_is_followed_without_repeating_or_skipping_lines(
    table: Desk, shed: StandIn, driver: str
) -> None:
    """Engine 20.10 itself repeats lines, as it begins a new file."""
    script = f"echo 0; {WAIT}; {COUNTED.format(1500, 2000)}"
    start(shed, driver, script, f"--log-driver={driver}", *ROTATING)
    with followed(table, "shed", "--service", driver) as shown:
        shown.until(b"0\n")
        go_on(shed, driver)
        shown.until(b"\n1500\n")
        _, said = shown.interrupted()
    assert said == "error: Stopped.\n"
    assert shown.lines == [str(number) for number in range(1501)]


@pytest.mark.parametrize("how", ["sleep", "link"])
def test_lines_lost_by_rotation_are_reported(table: Desk, shed: StandIn, how: str) -> None:
    """While the reader sleeps, or the link is down, more is written than the engine keeps."""
    script = f"{COUNTED.format(200, 5000)}; {WAIT}; {COUNTED.format(3000, 100)}; sleep 1000"
    start(shed, how, script, *ROTATING)
    with followed(table, "shed", "--service", how) as shown:
        shown.until(b"\n100\n")
        if how == "sleep":
            shown.process.send_signal(signal.SIGSTOP)
        else:
            shed.link(False)
        go_on(shed, how)
        wait_for(lambda: until_now(shed, how) == b"3000\n", "the end of the second count")
        if how == "sleep":
            shown.process.send_signal(signal.SIGCONT)
        else:
            shed.link(True)
        shown.until(b"\n3000\n")
        _, said = shown.interrupted()
    held = shed.docker("logs", how).splitlines()
    assert shown.lines[-len(held) :] == held
    numbers = [int(line) for line in shown.lines]
    gaps = [(before, after) for before, after in pairwise(numbers) if after != before + 1]
    # The second count starts at 1 again, which is among the lost lines.
    assert len(gaps) == said.count("are lost") == 1


def test_drivers_that_may_drop_lines_are_reported_once(table: Desk, shed: StandIn) -> None:
    start(shed, "noted", "echo by journald; sleep 1000", "--log-driver=journald")
    start(shed, "hasty", "echo hasty; sleep 1000", "--log-opt=mode=non-blocking")
    words = ("shed", "--service", "noted", "--service", "hasty")
    assert table.resin("logs", *words).err == ""
    with followed(table, *words) as shown:
        shown.until_said(b"noted")
        shown.until_said(b"hasty")
        shed.docker("restart", "--time=0", "noted")
        shown.until(b"noted | by journald\n", times=2)
        _, said = shown.interrupted()
    assert len(re.findall("noted: the log driver journald may drop lines", said)) == 1
    assert len(re.findall("hasty: .*non-blocking.*may drop lines", said)) == 1
    with followed(table, *words, "--json") as shown:
        shown.until(b'"may-drop", "services": ["noted"]')


def test_many_lines_of_a_driver_that_may_drop_some(table: Desk, shed: StandIn) -> None:
    start(shed, "much", "seq 12000", "--log-opt=mode=non-blocking", "--log-opt=max-buffer-size=10m")
    shed.docker("wait", "much")
    run = table.resin("logs", "shed", "--service", "much")
    assert run.out.split() == [str(number) for number in range(1, 12001)]
    assert "may drop lines" in run.err


def test_a_driver_that_does_not_support_reading(table: Desk, shed: StandIn) -> None:
    start(shed, "mute", "echo nobody hears; sleep 1000", "--log-driver=none")
    held = shed.docker("logs", "first").splitlines()
    alone = table.resin("logs", "shed", "--service", "mute")
    assert alone.code != 0
    assert "The log driver none does not support reading." in alone.err
    beside = table.resin("logs", "shed", "--service", "mute", "--service", "first")
    assert (beside.code, beside.out) == (0, "first | here\n" * len(held))
    assert "mute: The log driver none does not support reading." in beside.err
    with followed(table, "shed", "--service", "mute", "--service", "first") as shown:
        shown.until(b"here\n")
        shed.docker("restart", "--time=0", "mute")
        shed.docker("restart", "--time=0", "first")
        shown.until(b"first | here\n", times=2)
        _, said = shown.interrupted()
    assert said.count("mute: ") == 1


@pytest.mark.parametrize("options", [(), ROTATING], ids=["one file", "rotating"])
def test_a_last_line_without_a_newline(table: Desk, shed: StandIn, options: tuple[str, ...]) -> None:
    """Engine 20.10 leaves it out of what it sends of a log that it follows."""
    name = f"endless{len(options)}"
    start(shed, name, "until rm go; do sleep 0.1; done 2>/dev/null; echo one; printf 'no end'", *options)
    with followed(table, "shed", "--service", name, "--json") as shown:
        shed.docker("exec", "--detach", name, "touch", "go")
        shown.until(b'"no end"')
        shed.docker("start", name)
        shed.docker("exec", "--detach", name, "touch", "go")
        shown.until(b'"no end"', times=2)
        shown.interrupted()
    texts = [json.loads(line).get("text") for line in shown.lines]
    assert [text for text in texts if text] == ["one", "no end"] * 2


def test_a_container_that_is_recreated_with_the_same_name(table: Desk, shed: StandIn) -> None:
    start(shed, "web", "echo old; " + COUNTER, WEB)
    with followed(table, "shed", "--service", "web") as shown:
        shown.until(b"old\n")
        shed.docker("rename", "web", "web-before")
        start(shed, "web", "echo new; sleep 1000", WEB)
        shown.until(b"new\n")
        shed.docker("stop", "--time=0", "web-before")
        held = shed.docker("logs", "web-before").split()
        shown.until(b"\n" + held[-1].encode() + b"\n")
        shed.docker("rm", "web-before")
        shed.docker("rm", "--force", "web")
        start(shed, "web", "echo newer; sleep 1000", WEB)
        shown.until(b"newer\n")
        shown.interrupted()
    assert [line for line in shown.lines if line.startswith("new")] == ["new", "newer"]
    assert [line for line in shown.lines if not line.startswith("new")] == held


def test_containers_that_have_exited_before_they_are_followed(table: Desk, shed: StandIn) -> None:
    start(shed, "awake", "echo awake; sleep 1000")
    with followed(table, "shed", "--tail", "1") as shown:
        shown.until(b"awake | awake\n")
        # Once this one is seen, it is told by the engine of what starts.
        start(shed, "noticed", "echo noticed; sleep 1000")
        shown.until(b"noticed | noticed\n")
        shown.process.send_signal(signal.SIGSTOP)
        start(shed, "brief", "seq 3")
        start(shed, "gone", "echo unseen")
        shed.docker("wait", "brief", "gone")
        shed.docker("rm", "gone")
        shown.process.send_signal(signal.SIGCONT)
        shown.until(b"brief | 1\nbrief | 2\nbrief | 3\n")
        shown.until_said(b"gone was removed; its log could not be read")
        _, said = shown.interrupted()
    assert shown.out.count(b"brief | ") == 3
    assert said.count("removed") == 1


def test_containers_that_start_and_exit_while_the_link_is_down(table: Desk, shed: StandIn) -> None:
    start(shed, "constant", COUNTER, WEB)
    with followed(table, "shed", "--service", "web", "--tail", "1") as shown:
        shown.until(b"\n")
        shed.link(False)
        shown.until_said(b"reconnecting")
        start(shed, "meanwhile", "echo meanwhile", WEB)
        shed.docker("wait", "meanwhile")
        shed.docker("rm", "--force", "constant")
        shed.link(True)
        shown.until(b"meanwhile\n")
        shown.until_said(b"constant was removed; lines after")
        shown.interrupted()
    assert shown.lines.count("meanwhile") == 1
