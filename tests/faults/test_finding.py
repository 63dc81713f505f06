"""Faults of `resin scan` and `resin wait`: no network, and devices that do not respond."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.pushed_projects import Bench
from support.resin_command import PROGRAM, program, resin

from faults.conditions import NO_NETWORK, RunningCommand, into
from faults.table import CARRIES_ON, Fault, fault
from resin_toolkit.errors import Exit

RETURNS = "retries until its SSH server or engine responds"


@fault(
    "scan",
    "no network",
    Exit.NOT_FOUND,
    "device-not-found",
    "names the searched interfaces and possible reasons",
)
def test_no_network(fault: Fault) -> None:
    fault.met(program("scan", "--timeout", "1", "--json", command=(*NO_NETWORK, PROGRAM)))


@fault(
    "scan",
    "no device announces itself (a production image, another network)",
    Exit.NOT_FOUND,
    "device-not-found",
    "names the searched interfaces and possible reasons",
)
def test_nothing_announced(fault: Fault, made: Bench) -> None:
    made.device.stop_mdns()
    try:
        fault.met(made.resin("scan", "--timeout", "1", "--json"), "5353", "production")
    finally:
        made.device.start_mdns()


@fault(
    "push ps logs",
    "no DEVICE, and the only device on the network has not been used before",
    Exit.REFUSED,
    "declined",
    "asks whether to use it; refuses without a terminal",
)
def test_the_only_device_was_never_used(fault: Fault, made: Bench, garden: Path, tmp_path: Path) -> None:
    run = made.resin(fault.command, "--json", cwd=garden, XDG_STATE_HOME=str(tmp_path / "state"))
    fault.met(run, f"kitchen ({made.device.address})", f"`resin {fault.command} kitchen`")


@fault("scan wait", "an invalid time", Exit.USAGE, "usage", "reports it", "never")
@fault("scan wait", "an invalid time", Exit.USAGE, "usage", "reports it", "-1")
def test_an_invalid_time(fault: Fault) -> None:
    device = [] if fault.command == "scan" else ["kitchen"]
    fault.met(resin(fault.command, *device, "--timeout", fault.given, "--json"), "--timeout")


@fault(
    "scan",
    "a device is found, but does not respond",
    Exit.DONE,
    CARRIES_ON,
    "lists it, and what could not be read",
)
def test_one_that_does_not_answer(fault: Fault, made: Bench) -> None:
    made.device.stop_engine()
    try:
        run = made.resin("scan", "--timeout", "3", "--json")
    finally:
        made.device.start_engine()
    fault.met(run)
    data = json.loads(run.out.splitlines()[-1])["data"]
    assert [each["name"] for each in data["devices"]] == ["kitchen"]


@fault(
    "scan",
    "stdout is a file on a full disk",
    Exit.FAILED,
    "no-space",
    "reports that the result could not be written",
)
def test_stdout_is_full(fault: Fault, made: Bench) -> None:
    run = into(">/dev/full", "scan", "--timeout", "2", env=made.desk.environment, prefix=made.desk.prefix)
    fault.met_in_text(run, "stdout")


@fault(
    "wait",
    "the device does not respond in time",
    Exit.UNREACHABLE,
    "unreachable",
    "names the timeout and the last error",
)
@pytest.mark.parametrize("word", ["nobody-of-that-name", "10.255.255.1"])
def test_it_does_not_come(fault: Fault, made: Bench, word: str) -> None:
    fault.met(made.resin("wait", word, "--timeout", "1", "--json"), word, "within 1 s")


@fault(
    "wait",
    "its engine is down",
    Exit.DONE,
    CARRIES_ON,
    RETURNS,
)
def test_no_engine(fault: Fault, made: Bench) -> None:
    made.device.stop_engine()
    try:
        run = made.resin("wait", made.device.address, "--timeout", "10")
    finally:
        made.device.start_engine()
    fault.met(run)
    assert ("SSH (" in run.out, "engine" in run.out) == (True, False), run


@fault(
    "wait",
    "the network comes up later",
    Exit.DONE,
    CARRIES_ON,
    RETURNS,
)
def test_the_network_comes_later(fault: Fault, made: Bench) -> None:
    made.device.link(up=False)
    words = ("wait", made.device.address, "--timeout", "30", "--json")
    with RunningCommand(*words, prefix=made.desk.prefix, env=made.desk.environment) as begun:
        try:
            begun.until_asleep()
        finally:
            made.device.link(up=True)
        fault.met(begun.end())
