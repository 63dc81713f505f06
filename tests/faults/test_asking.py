"""Faults of `resin ps`, `logs` and `env`: missing services, wrong clocks, lost connections, dead engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pushed_projects import Bench
from support.resin_command import resin

from faults.conditions import RunningCommand
from faults.table import CARRIES_ON, Fault, fault
from resin_toolkit.errors import Exit

COUNTS = "i=0; while :; do i=$((i+1)); echo n$i; sleep 0.02; done"
NONE = "names it, and lists those that exist"


@fault("ps", "no such service", Exit.NOT_FOUND, "service-not-found", NONE, ["none"])
@fault(
    "logs ssh",
    "no such service",
    Exit.NOT_FOUND,
    "service-not-found",
    NONE,
    ["--service", "none"],
)
def test_no_such_service(fault: Fault, bench: Bench) -> None:
    bench.device.start("talker", "sleep 1000")
    words = ("--", "true") if fault.command == "ssh" else ()
    fault.met(
        bench.resin(fault.command, bench.device.address, "--json", *fault.given, *words), "none", "talker"
    )


@fault(
    "logs",
    "an invalid time or regular expression",
    Exit.USAGE,
    "bad-value",
    "reports it before a device is searched for",
    ["--since", "sometime"],
)
@fault(
    "logs",
    "an invalid time or regular expression",
    Exit.USAGE,
    "bad-value",
    "reports it before a device is searched for",
    ["--grep", "("],
)
def test_an_invalid_time_or_expression(fault: Fault) -> None:
    fault.met(resin("logs", "nobody", *fault.given, "--json"), fault.given[1])


@fault(
    "ps logs",
    "the device's clock is a year off",
    Exit.DONE,
    CARRIES_ON,
    "uses the device's clock",
)
@pytest.mark.parametrize("ahead", [-365 * 86400, 365 * 86400])
def test_a_clock_that_is_off(fault: Fault, bench: Bench, ahead: int) -> None:
    bench.device.set_engine_clock(ahead)
    try:
        bench.device.start("talker", "echo said; sleep 1000")
        words = ["--since", "1m"] if fault.command == "logs" else []
        run = bench.resin(fault.command, bench.device.address, *words)
    finally:
        bench.device.set_engine_clock(0)
    fault.met(run)
    assert "said" in run.out if fault.command == "logs" else "second" in run.out or " s" in run.out, run


@fault(
    "logs",
    "with `-f`: the connection is lost, the device is unplugged for a while, or the engine restarts",
    Exit.INTERRUPTED,
    "interrupted",
    "reconnects and continues; prints every line once, in order",
    "sockets",
)
@fault(
    "logs",
    "with `-f`: the connection is lost, the device is unplugged for a while, or the engine restarts",
    Exit.INTERRUPTED,
    "interrupted",
    "reconnects and continues; prints every line once, in order",
    "engine",
)
@fault(
    "logs",
    "with `-f`: the connection is lost, the device is unplugged for a while, or the engine restarts",
    Exit.INTERRUPTED,
    "interrupted",
    "reconnects and continues; prints every line once, in order",
    "cable",
)
def test_a_lost_connection(fault: Fault, bench: Bench) -> None:
    device = bench.device
    device.start("counter", COUNTS)
    with RunningCommand(
        "logs", device.address, "-f", prefix=bench.desk.prefix, env=bench.desk.environment
    ) as begun:
        begun.until_shown("n20\n", "out")
        if fault.given == "sockets":
            device.kill_sockets(device.engine_port or 0)
        elif fault.given == "engine":
            device.restart_engine()
        else:
            device.link(up=False)
            begun.until_asleep()
            device.link(up=True)
        seen = len(begun.shown["out"].split())
        begun.until_shown(f"n{seen + 60}\n", "out")
        run = begun.signalled()
    fault.met_in_text(run)
    # An engine that is restarted may itself miss what is written meanwhile.
    shown = run.out.split()
    assert shown == device.docker("logs", "counter").split()[: len(shown)]


@fault(
    "logs",
    "with `-f`: a container exits or is removed",
    Exit.INTERRUPTED,
    "interrupted",
    "continues with new containers",
)
def test_a_container_that_goes(fault: Fault, bench: Bench) -> None:
    device = bench.device
    device.start("first", "echo first; sleep 1000")
    with RunningCommand(
        "logs", device.address, "-f", prefix=bench.desk.prefix, env=bench.desk.environment
    ) as begun:
        begun.until_shown("first", "out")
        device.docker("rm", "--force", "first")
        device.start("second", "echo second; sleep 1000")
        begun.until_shown("second", "out")
        fault.met_in_text(begun.signalled())


@pytest.fixture(scope="module")
def dead(made: Bench) -> Iterator[Bench]:
    """The device, whose engine has died."""
    made.device.stop_engine()
    yield made
    made.device.start_engine()


@fault(
    "ps logs push stop restart rm env",
    "the device's engine is down",
    Exit.UNREACHABLE,
    "unreachable",
    "names the device and the reason",
)
def test_a_dead_engine(fault: Fault, dead: Bench, garden: Path) -> None:
    more = {"push": ["--detach"], "rm": ["--yes"]}.get(fault.command, [])
    fault.met(
        dead.resin(fault.command, dead.device.address, *more, "--json", cwd=garden), dead.device.address
    )
