"""Faults of `resin push`: failures on the device, and lost connections."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from device.desk import wait_for
from device.stand_in import stand_in
from support.pushed_projects import RUNS, SINGLE, Bench, compose, single

from faults.conditions import RunningCommand, small_disk
from faults.table import CARRIES_ON, Fault, fault
from resin_toolkit.errors import Exit

LEFT = "names what failed; the old containers keep running"
BACK = "prints its last output; restores the old container"
MIB = 1024 * 1024


@pytest.fixture
def running(made: Bench, garden: Path) -> Path:
    """A project that was pushed, and runs; pushed again only where the test before has left nothing of it."""
    if not still_runs(made):
        assert made.push(garden).code == 0
    (garden / "note").write_text("second\n")
    return garden


def still_runs(bench: Bench) -> bool:
    """Whether the first one runs, under its name, and nothing else does."""
    names = bench.containers("--filter", "status=running")
    return names == ["garden_main"] and set(bench.logs("garden_main").split()) == {"first"}


def dockerfile(*lines: str) -> str:
    return "\n".join(("FROM stand-in", "COPY note /note", *lines, ""))


FAILS = dockerfile("RUN echo on purpose && exit 3")
CRASHES = dockerfile('CMD ["sh", "-c", "echo last words; exit 3"]')
UNSTARTABLE = dockerfile('CMD ["/no/such/program"]')


@fault("push", "a build step fails", Exit.FAILED, "build-failed", LEFT, FAILS)
@fault(
    "push",
    "a file of a COPY instruction is missing",
    Exit.FAILED,
    "build-failed",
    LEFT,
    dockerfile("COPY none /none"),
)
@fault(
    "push",
    "an unknown instruction in the Dockerfile",
    Exit.USAGE,
    "bad-value",
    LEFT,
    dockerfile("FROB x"),
)
@fault(
    "push",
    "a base image that cannot be pulled",
    Exit.FAILED,
    "build-failed",
    LEFT,
    "FROM none.invalid/none:1\n",
)
@fault("push", "the new container exits immediately", Exit.FAILED, "push-failed", BACK, CRASHES)
@fault("push", "the new container cannot be started", Exit.FAILED, "push-failed", BACK, UNSTARTABLE)
def test_what_cannot_run(fault: Fault, made: Bench, running: Path) -> None:
    (running / "Dockerfile").write_text(fault.given)
    run = made.push(running, "--json")
    fault.met(run)
    assert still_runs(made)
    if fault.given == CRASHES:
        assert "last words" in run.out


@fault("push", "an image for another architecture", Exit.FAILED, "push-failed", BACK)
def test_another_processor(fault: Fault, made: Bench, running: Path) -> None:
    foreign = dockerfile("RUN printf '\\177ELF\\002\\001\\001\\000\\000\\000\\000\\000\\000\\000\\000\\000"
                         "\\002\\000\\267\\000' > /app && chmod +x /app", 'CMD ["/app"]')  # fmt: skip
    (running / "Dockerfile").write_text(foreign)
    fault.met(made.push(running, "--json"))
    assert still_runs(made)


@fault("push", "a port of the device is used by another container", Exit.FAILED, "push-failed", LEFT)
@pytest.mark.usefixtures("running")
def test_a_port_in_use(fault: Fault, bench: Bench, tmp_path: Path) -> None:
    text = "services: {main: {image: stand-in, command: sleep 1000, networks: [n], ports: ['8099:80']}}\n"
    first, second = (compose(tmp_path / name, f"{text}networks: {{n: {{}}}}\n") for name in ("yard", "shed"))
    assert bench.push(first).code == 0
    fault.met(bench.push(second, "--json"), "8099")
    assert bench.containers("--filter", "status=running") == ["garden_main", "yard_main"]


@fault(
    "push",
    "a container of that name was not deployed by resin",
    Exit.REFUSED,
    "refused",
    LEFT,
)
def test_a_name_that_is_taken(fault: Fault, bench: Bench, garden: Path) -> None:
    bench.device.start("garden_main", "sleep 1000")
    fault.met(bench.push(garden, "--json"), "garden_main")
    assert bench.containers() == ["garden_main"]
    assert bench.container("garden_main")["Config"]["Image"] == "stand-in"


@fault(
    "push",
    "a service fails before the services that depend on it start",
    Exit.FAILED,
    "push-failed",
    "names it; deploys the others",
)
def test_what_is_needed_does_not_run(fault: Fault, bench: Bench, tmp_path: Path) -> None:
    text = f"""\
services:
  db: {{image: stand-in, command: "false", network_mode: host}}
  web:
    image: stand-in
    network_mode: host
    command: {json.dumps(["sh", "-c", RUNS])}
    depends_on: {{db: {{condition: service_completed_successfully}}}}
  alone: {{image: stand-in, network_mode: host, command: {json.dumps(["sh", "-c", RUNS])}}}
"""
    fault.met(bench.push(compose(tmp_path / "garden", text), "--json"), "db")
    assert bench.containers("--filter", "status=running") == ["garden_alone"]


@fault("push", "the device's disk is full", Exit.FAILED, "build-failed", LEFT)
def test_a_full_device(fault: Fault, bench: Bench, tmp_path: Path) -> None:
    with (
        small_disk(tmp_path, 64 * MIB) as disk,
        stand_in(bench.desk, "small", announces=False, storage=disk) as small,
    ):
        small.start("first", "true")
        small.docker("rm", "--force", "first")
        there = Bench(bench.desk, small)
        project = single(tmp_path / "garden")
        assert there.push(project).code == 0
        (project / "Dockerfile").write_text(dockerfile("RUN dd if=/dev/zero of=/full bs=1M count=200"))
        fault.met(there.push(project, "--json"))
        assert still_runs(there)


@fault(
    "push",
    "the connection is lost, or the engine restarts, during a build",
    Exit.UNREACHABLE,
    "unreachable",
    LEFT,
    "sockets",
)
@fault(
    "push",
    "the connection is lost, or the engine restarts, during a build",
    Exit.UNREACHABLE,
    "unreachable",
    LEFT,
    "engine",
)
def test_a_lost_connection(fault: Fault, bench: Bench, running: Path) -> None:
    device = bench.device
    (running / "Dockerfile").write_text(dockerfile("RUN sleep 5"))
    words = ("push", device.address, "--detach", "--json")
    with RunningCommand(*words, prefix=bench.desk.prefix, env=bench.desk.environment, cwd=running) as begun:
        begun.until_shown("sleep 5", "out")
        if fault.given == "sockets":
            device.kill_sockets(device.engine_port or 0)
        else:
            device.restart_engine()
        run = begun.end()
    fault.met(run, device.address)
    # The engine removes the container of the step once it has noticed that the connection is lost.
    wait_for(lambda: still_runs(bench), "the old container alone")


@fault(
    "push",
    "push is killed while it replaces containers",
    Exit.DONE,
    CARRIES_ON,
    "the old or the new container runs; the next push completes the work",
)
def test_a_push_that_is_killed(fault: Fault, bench: Bench, garden: Path) -> None:
    (garden / "Dockerfile").write_text(SINGLE.replace("'exit 0'", "'sleep 1; exit 0'"))
    assert bench.push(garden).code == 0
    (garden / "note").write_text("second\n")
    words = ("push", bench.device.address, "--detach")
    with RunningCommand(*words, prefix=bench.desk.prefix, env=bench.desk.environment, cwd=garden) as begun:
        begun.until_shown("topping the old container")
    wait_for(lambda: bench.containers("--filter", "status=running"), "one that runs")
    fault.met(bench.push(garden, "--json"))
    assert (bench.containers(), bench.logs("garden_main")) == (["garden_main"], "second\n")


@fault(
    "push",
    "the state directory cannot be written",
    Exit.DONE,
    CARRIES_ON,
    "does its work without storing state",
)
def test_nothing_can_be_remembered(fault: Fault, bench: Bench, garden: Path) -> None:
    fault.met(bench.push(garden, "--json", XDG_STATE_HOME="/dev/null/x"))
    assert bench.logs("garden_main") == "first\n"
