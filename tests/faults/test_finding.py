"""`resin scan` and `resin wait`: networks that are none, and devices that do not come."""

from __future__ import annotations

import json

import pytest
from support.pushed_projects import Bench
from support.resin_command import PROGRAM, program, resin

from faults.surroundings import NO_NETWORK, Begun, into
from faults.table import CARRIES_ON, Fault, fault
from resin_toolkit.errors import Exit

RETURNS = "goes on trying, and returns once its SSH server or engine answers"


@fault(
    "scan",
    "no network",
    Exit.NOT_FOUND,
    "device-not-found",
    "says where it looked, and what holds devices back",
)
def test_no_network(fault: Fault) -> None:
    fault.met(program("scan", "--timeout", "1", "--json", command=(*NO_NETWORK, PROGRAM)))


@fault(
    "scan",
    "nobody announces himself (a production image, another network)",
    Exit.NOT_FOUND,
    "device-not-found",
    "says where it looked, and what holds devices back",
)
def test_nothing_announced(fault: Fault, made: Bench) -> None:
    made.device.stop_mdns()
    try:
        fault.met(made.resin("scan", "--timeout", "1", "--json"), "5353", "production")
    finally:
        made.device.start_mdns()


@fault("scan wait", "a time that is none", Exit.USAGE, "usage", "says so", "never")
@fault("scan wait", "a time that is none", Exit.USAGE, "usage", "says so", "-1")
def test_a_time_that_is_none(fault: Fault) -> None:
    device = [] if fault.verb == "scan" else ["kitchen"]
    fault.met(resin(fault.verb, *device, "--timeout", fault.given, "--json"), "--timeout")


@fault(
    "scan",
    "a device that is found and does not answer",
    Exit.DONE,
    CARRIES_ON,
    "lists it, and what could not be asked",
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
    "says that the result could not be written",
)
def test_stdout_is_full(fault: Fault, made: Bench) -> None:
    run = into(">/dev/full", "scan", "--timeout", "2", env=made.desk.environment, prefix=made.desk.prefix)
    fault.met_in_text(run, "stdout")


@fault(
    "wait",
    "it does not come in time",
    Exit.UNREACHABLE,
    "unreachable",
    "says for how long, and why the last look failed",
)
@pytest.mark.parametrize("word", ["nobody-of-that-name", "10.255.255.1"])
def test_it_does_not_come(fault: Fault, made: Bench, word: str) -> None:
    fault.met(made.resin("wait", word, "--timeout", "1", "--json"), word, "within 1 s")


@fault(
    "wait",
    "its engine is dead",
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
    "the network comes later",
    Exit.DONE,
    CARRIES_ON,
    RETURNS,
)
def test_the_network_comes_later(fault: Fault, made: Bench) -> None:
    made.device.link(up=False)
    words = ("wait", made.device.address, "--timeout", "30", "--json")
    with Begun(*words, prefix=made.desk.prefix, env=made.desk.environment) as begun:
        try:
            begun.until_asleep()
        finally:
            made.device.link(up=True)
        fault.met(begun.end())
