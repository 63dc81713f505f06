"""`resin logs` against a device whose engine is real, which is broken while it is followed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from device.desk import wait_for
from device.stand_in import Desk, StandIn, desk, stand_in
from support.followed_logs import COUNTER, PATIENCE, Followed, followed, until_now
from support.resin_command import PROGRAM, resin

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def table() -> Iterator[Desk]:
    with desk() as made:
        yield made


@pytest.fixture(scope="module")
def kitchen(table: Desk) -> Iterator[StandIn]:
    with stand_in(table, "kitchen") as device:
        yield device


@pytest.fixture(scope="module")
def quiet(kitchen: StandIn) -> StandIn:
    """With containers that have said what they have to say."""
    kitchen.start("first", "echo one; sleep 0.3; echo three >&2")
    kitchen.start("second", "sleep 0.15; echo two; sleep 0.3; echo four")
    kitchen.start("odd", "printf 'a\\000b\\377\\033[2J\\033[31mred\\n'; printf 'no end'")
    kitchen.start("long", "head -c 1000000 /dev/zero | tr '\\000' x; echo; echo after")
    kitchen.start("terminal", "head -c 40000 /dev/zero | tr '\\000' y; echo; echo on a terminal", tty=True)
    wait_for(lambda: not kitchen.docker("ps", "--quiet").strip(), "the end of the containers")
    return kitchen


def docker(device: StandIn) -> tuple[str, ...]:
    """The docker CLI on the desk, with both outputs of a container as one."""
    engine = f"tcp://{device.address}:{device.engine_port}"
    return ("sh", "-c", f'exec docker --host {engine} "$@" 2>&1', "docker")


def service(table: Desk, name: str, *words: str) -> str:
    run = table.resin("logs", "kitchen", "--service", name, *words)
    assert run.code == 0, run.err
    return run.out


def test_logs_are_merged_by_time(table: Desk, quiet: StandIn) -> None:
    run = table.resin("logs", quiet.hostname, "--service", "first", "--service", "second")
    stamped = [
        (*line.split(), name)
        for name in ("first", "second")
        for line in quiet.desk.run(*docker(quiet), "logs", "--timestamps", name).splitlines()
    ]
    assert run.out.splitlines() == [f"{name} | {text}" for _, text, name in sorted(stamped)]
    assert len(stamped) == 4


def test_a_single_log_is_shown_without_labels(table: Desk, quiet: StandIn) -> None:
    assert service(table, "first") == "one\nthree\n"
    assert service(table, "first", "--tail", "1") == "three\n"
    assert service(table, "first", "--tail", "0") == ""
    assert service(table, "first", "--grep", "^o.e$") == "one\n"
    stamp, text = service(table, "first", "--timestamps", "--tail", "1").split()
    assert len(stamp) == 30
    assert text == "three"
    assert service(table, "first", "--since", stamp) == "three\n"
    assert service(table, "first", "--until", stamp) == "one\nthree\n"
    assert service(table, "first", "--since", "0s") == ""
    assert quiet.hostname


def test_odd_bytes(table: Desk, quiet: StandIn) -> None:
    assert service(table, "odd") == "a\ufffdb\ufffd\x1b[31mred\x1b[0m\nno end"
    assert service(table, "odd", "--raw") == quiet.docker("logs", "odd")


def test_long_lines(table: Desk, quiet: StandIn) -> None:
    assert service(table, "long") == "x" * 1_000_000 + "\nafter\n"
    assert service(table, "terminal") == "y" * 40_000 + "\non a terminal\n"
    assert quiet.hostname


def test_events(table: Desk, quiet: StandIn) -> None:
    run = table.resin("logs", quiet.hostname, "--service", "first", "--json")
    *events, envelope = [json.loads(line) for line in run.out.splitlines()]
    shown: list[Any] = [[event.pop("event"), event.pop("stream"), event.pop("text")] for event in events]
    assert shown == [["line", "stdout", "one"], ["line", "stderr", "three"]]
    assert all(list(event) == ["service", "container", "time"] for event in events)
    assert envelope["ok"]
    assert envelope["data"]["lines"] == 2


def test_an_unknown_service(table: Desk, quiet: StandIn) -> None:
    run = table.resin("logs", quiet.hostname, "--service", "nobody")
    assert run.code == 3
    assert "nobody" in run.err


@pytest.mark.parametrize("words", [["--grep", "("], ["--since", "soon"], ["--since", "1m", "--until", "1h"]])
def test_invalid_combinations_of_options(table: Desk, quiet: StandIn, words: list[str]) -> None:
    assert table.resin("logs", quiet.hostname, *words).code == 2


def test_the_journal_beside_a_service(table: Desk, quiet: StandIn) -> None:
    alone = table.resin("logs", quiet.hostname, "--system")
    assert "Journal started" in alone.out
    both = table.resin("logs", quiet.hostname, "--system", "--service", "first")
    assert {line.partition(" | ")[0] for line in both.out.splitlines()} == {"system", "first"}


def test_a_closed_pipe_ends_following_silently(table: Desk, kitchen: StandIn) -> None:
    kitchen.start("once", "echo once; sleep 1000")
    words = f"{PROGRAM} logs kitchen -f --service once | head -1; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(
        [*table.prefix, "bash", "-c", words], env=table.environment, capture_output=True, timeout=PATIENCE
    )
    assert (run.stdout, run.stderr) == (b"once\n0\n", b"")


def test_containers_that_start_later_and_again(table: Desk, kitchen: StandIn) -> None:
    kitchen.start("again", "echo started; sleep 1000")
    with followed(table, "kitchen", "--service", "again") as shown:
        shown.until(b"started\n")
        kitchen.docker("restart", "--time", "0", "again")
        shown.until(b"started\nstarted\n")
        code, said = shown.interrupted()
    assert (code, said) == (130, "error: Stopped.\n")
    with followed(table, "kitchen", "--tail", "1") as shown:
        shown.until(b"again | started\n")
        kitchen.start("later", "echo here; sleep 1000")
        shown.until(b"later | here\n")


@pytest.mark.parametrize("words", [("--since", "nonsense"), ("--until", "25:99"), ("--grep", "(")])
def test_invalid_values_are_reported_before_a_device_is_searched_for(words: tuple[str, str]) -> None:
    run = resin("logs", "127.0.0.1:1", *words)
    assert run.code == 2, run.err


def interrupt(device: StandIn, how: str, shown: Followed) -> None:
    """Interrupt the connection over which the log of `counter` is followed."""
    if how == "sockets":
        device.kill_sockets(device.engine_port or 0)
    elif how == "engine":
        device.restart_engine()
    elif how == "address":
        device.change_address()
    elif how == "link":
        device.link(False)
        shown.until_said(b"reconnecting")
        device.link(True)
    else:
        device.set_engine_clock(-86400)
        until_more_is_shown(device, shown)
        device.kill_sockets(device.engine_port or 0)
        shown.until_said(b"Reconnected")
        until_more_is_shown(device, shown)
        device.set_engine_clock(0)


def until_more_is_shown(device: StandIn, shown: Followed) -> None:
    """Wait until lines are shown that `counter` writes from now on."""
    number = int(until_now(device, "counter"))
    shown.until(b"\n%d\n" % (number + 20))


@pytest.mark.parametrize("how", ["sockets", "engine", "clock", "link", "address"])
def test_every_line_is_shown_once(table: Desk, how: str) -> None:
    with stand_in(table, f"broken-{how}") as device:
        device.start("counter", COUNTER)
        with followed(table, device.hostname) as shown:
            shown.until(b"100\n")
            interrupt(device, how, shown)
            shown.until(b"\n" + until_now(device, "counter"))
            code, said = shown.interrupted()
        held = device.docker("logs", "counter").splitlines()
        assert shown.lines == held[: len(shown.lines)]
        # An engine that is stopped may itself lose the line that it was about to write.
        numbers = [int(line) for line in held]
        assert how == "engine" or numbers == list(range(1, len(numbers) + 1))
        assert numbers == sorted(set(numbers))
        assert code == 130
        assert said.count("reconnecting") == said.count("Reconnected") == 1


def test_lines_that_the_engine_has_discarded(table: Desk) -> None:
    with stand_in(table, "forgetful") as device:
        device.start("counter", COUNTER)
        with followed(table, device.hostname) as shown:
            shown.until(b"50\n")
            device.stop_engine()
            (log,) = Path(device.folder).rglob("*-json.log")
            log.write_bytes(b"")
            shown.until_said(b"reconnecting")
            device.start_engine()
            shown.until(b"\n" + until_now(device, "counter"))
            _, said = shown.interrupted()
        numbers = [int(line) for line in shown.lines]
        assert numbers == sorted(set(numbers))
        assert "are lost" in said


def test_a_device_that_reboots(table: Desk) -> None:
    with stand_in(table, "tired") as device:
        device.start("counter", "date +%N; " + COUNTER, restart="always")
        with followed(table, device.hostname) as shown:
            shown.until(b"\n50\n")
            device.reboot()
            # As many again, after the device is up.
            while shown.lines.count("50") < 2:
                shown.until(b"\n" + until_now(device, "counter"))
            shown.interrupted()
        wanted = device.docker("logs", "counter").splitlines()
        assert shown.lines == wanted[: len(shown.lines)]
