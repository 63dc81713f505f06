"""A new container in the place of an old one, on a real engine, cut at every request."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest
from device.stand_in import StandIn
from support.cutting_proxy import CuttingProxy
from support.engine_parts import connected

from resin_toolkit.device.address import Way
from resin_toolkit.device.record import Device
from resin_toolkit.engine import Engine, connect
from resin_toolkit.engine.images import Images
from resin_toolkit.errors import PushFailed, Refused, ResinError, Unreachable
from resin_toolkit.progress import Silent
from resin_toolkit.project.application import Application, HealthCheck, Mount, Service
from resin_toolkit.project.names import PUSHER_LABEL
from resin_toolkit.push.apply.events import Silence
from resin_toolkit.push.apply.recovery import recover
from resin_toolkit.push.apply.replacement import ContainerReplacer
from resin_toolkit.push.plan.container_spec import ContainerSpec, container_spec
from resin_toolkit.push.plan.observed_state import ObservedService, observe

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: for network namespaces")

APP = "garden"
WORKS = "trap 'exit 0' TERM; echo {}; while :; do sleep 0.05; done"
FAILS = "echo the new one is broken; exit 3"
GRACE = 0.5


@pytest.fixture(params=["tcp", "1.22"])
def engine(request: pytest.FixtureRequest, kitchen: StandIn) -> Iterator[Engine]:
    with connected(kitchen, request.param) as engine:
        yield engine
    for name in kitchen.docker("ps", "--all", "--quiet").split():
        kitchen.docker("rm", "--force", "--volumes", name)


def service(
    script: str, *, restart: str = "always", mounts: tuple[Mount, ...] = (), **more: object
) -> Service:
    return Service(
        "main",
        command=("sh", "-c", script),
        restart=restart,
        network_mode="host",
        mounts=mounts,
        stop_grace_period=2,
        **more,  # type: ignore[arg-type]
    )


def plan(engine: Engine, wanted: Service) -> ContainerSpec:
    image = Images(engine).inspect("stand-in")
    assert image is not None
    return container_spec(Application(APP, (wanted,)), wanted, image.id)


def swap(
    engine: Engine, *, rollback: bool = True, grace: float = GRACE, patience: float = 0.0
) -> ContainerReplacer:
    return ContainerReplacer(engine, Silence(Silent()), grace=grace, rollback=rollback, patience=patience)


def push(engine: Engine, wanted: Service, **settings: object) -> str:
    """As a push does it: put in order what was left, then bring the service; the ID of its container."""
    changing = swap(engine, **settings)  # type: ignore[arg-type]
    found = recover(engine, APP, changing, lambda *_: None)
    return changing.replace(
        plan(engine, wanted), found.get("main", ObservedService("main", None, None))
    ).container


def running(device: StandIn) -> list[str]:
    """The names of the containers that run."""
    return sorted(device.docker("ps", "--format", "{{.Names}}").split())


def policy(device: StandIn, name: str) -> str:
    return device.docker("inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}", name).strip()


def test_the_new_one_runs_under_the_name_and_the_policy_of_the_service(
    engine: Engine, kitchen: StandIn
) -> None:
    first = push(engine, service(WORKS.format("one")))
    second = push(engine, service(WORKS.format("two"), restart="unless-stopped"))
    assert first != second
    assert kitchen.docker("ps", "--all", "--format", "{{.Names}}").split() == [f"{APP}_main"]
    assert policy(kitchen, f"{APP}_main") == "unless-stopped"
    assert "two" in kitchen.docker("logs", f"{APP}_main")


def test_one_that_does_not_hold_out_gives_the_place_back(engine: Engine, kitchen: StandIn) -> None:
    first = push(engine, service(WORKS.format("one"), restart="unless-stopped"))
    with pytest.raises(PushFailed, match="exit code 3") as failure:
        push(engine, service(FAILS))
    # An engine that cannot change a restart policy may have started it twice by then.
    assert set(failure.value.facts["lines"]) == {"the new one is broken"}  # type: ignore[call-overload]
    assert kitchen.docker("ps", "--all", "--quiet", "--no-trunc").split() == [first]
    assert running(kitchen) == [f"{APP}_main"]
    assert policy(kitchen, f"{APP}_main") == "unless-stopped"


def test_without_going_back_the_new_one_stays(kitchen: StandIn) -> None:
    with connected(kitchen, "tcp") as engine:
        push(engine, service(WORKS.format("one")))
        with pytest.raises(PushFailed):
            push(engine, service(FAILS, restart="no"), rollback=False)
        assert running(kitchen) == []
        assert "broken" in kitchen.docker("logs", f"{APP}_main")
        kitchen.docker("rm", f"{APP}_main")


def test_a_first_one_that_fails_is_told_of(engine: Engine) -> None:
    with pytest.raises(PushFailed, match="exit code 3"):
        push(engine, service(FAILS, restart="no"))


def test_a_task_may_end_by_itself_with_success(engine: Engine) -> None:
    push(engine, service("echo done", restart="no"))
    push(engine, service("exit 0", restart="on-failure:3"))
    with pytest.raises(PushFailed, match="exit code 0"):
        push(engine, service("exit 0", restart="always"))


def test_a_health_check_decides(kitchen: StandIn) -> None:
    def checked(test: str) -> Service:
        check = HealthCheck(("CMD-SHELL", test), interval=0.2, timeout=2, retries=2)
        return service(WORKS.format("checked"), healthcheck=check)

    with connected(kitchen, "tcp") as engine:
        healthy = push(engine, checked("sleep 1"), grace=0.0)
        with pytest.raises(PushFailed, match=r"health check fails: no water"):
            push(engine, checked("echo no water; exit 1"))
        assert kitchen.docker("ps", "--quiet", "--no-trunc").split() == [healthy]
        kitchen.docker("rm", "--force", healthy)


def test_what_lies_in_a_volume_without_a_name_goes_on(engine: Engine, kitchen: StandIn) -> None:
    mounts = (Mount("volume", "/kept"),)
    push(engine, service(f"echo water >/kept/what; {WORKS}", mounts=mounts))
    push(engine, service(WORKS.format("two"), mounts=mounts))
    assert kitchen.docker("exec", f"{APP}_main", "cat", "/kept/what") == "water\n"


def test_somebody_who_is_at_it_already_is_not_disturbed(kitchen: StandIn) -> None:
    with connected(kitchen, "tcp") as engine:
        push(engine, service(WORKS.format("one")))
        label = f"{PUSHER_LABEL}=ada@desk:1"
        words = ("--label", label, "--name", f"{APP}_main.next", "stand-in", "true")
        kitchen.docker("create", *words)
        with pytest.raises(Refused, match="Somebody else"):
            swap(engine).replace(plan(engine, service(WORKS.format("two"))), observe(engine, APP)["main"])
        assert running(kitchen) == [f"{APP}_main"]
        kitchen.docker("rm", "--force", f"{APP}_main.next", f"{APP}_main")


@pytest.mark.parametrize("after", [0.3, 1.2])
def test_an_engine_that_is_restarted_meanwhile_is_outlasted(kitchen: StandIn, after: float) -> None:
    """Containers outlive it, and it starts the old one, which may start at each boot, beside the new one."""
    with connected(kitchen, "tcp") as engine:
        push(engine, service(WORKS.format("one")))
        breaking = threading.Timer(after, kitchen.restart_engine)
        breaking.start()
        try:
            push(engine, service(WORKS.format("two")), grace=2.0, patience=30.0)
        finally:
            breaking.join()
        assert running(kitchen) == [f"{APP}_main"]
        assert "two" in kitchen.docker("logs", f"{APP}_main")
        kitchen.docker("rm", "--force", f"{APP}_main")


def test_a_connection_that_is_cut_while_the_old_one_ends_is_made_again(kitchen: StandIn) -> None:
    slow = "trap 'sleep 1.5; exit 0' TERM; echo slow; while :; do sleep 0.05; done"
    with connected(kitchen, "tcp") as engine:
        push(engine, service(slow))
        breaking = threading.Timer(0.9, lambda: kitchen.kill_sockets(2377))
        breaking.start()
        try:
            push(engine, service(WORKS.format("two")), patience=30.0)
        finally:
            breaking.join()
        assert running(kitchen) == [f"{APP}_main"]
        assert "two" in kitchen.docker("logs", f"{APP}_main")
        kitchen.docker("rm", "--force", f"{APP}_main")


def cut_push(device: StandIn, wanted: Service, cut_at: int, *, is_heard: bool) -> tuple[bool, list[str]]:
    """Push through a way that is cut at a request; whether it was, and what was asked for until then."""
    proxy = CuttingProxy((device.address, 2377), cut_at=cut_at, is_heard=is_heard)
    try:
        known = Device("kitchen", ("127.0.0.1",), engine_ports=(proxy.port,), way=Way.TCP)
        with connect(known, within=5.0) as engine:
            try:
                push(engine, wanted)
            except Unreachable:
                assert proxy.is_cut.is_set()
            except ResinError:
                if not proxy.is_cut.is_set():
                    raise
    finally:
        proxy.close()
    return proxy.is_cut.is_set(), proxy.requests


def settled(device: StandIn) -> list[str]:
    """What runs once the engine has done what it was asked to."""
    deadline = time.monotonic() + 10.0
    before = running(device)
    while time.monotonic() < deadline:
        time.sleep(0.4)
        now = running(device)
        if now == before and len(now) == 1:
            break
        before = now
    return before


@pytest.mark.parametrize("is_heard", [True, False])
@pytest.mark.parametrize("reboots", [False, True])
def test_wherever_it_is_cut_one_runs_and_the_next_push_ends_it(
    kitchen: StandIn, *, is_heard: bool, reboots: bool
) -> None:
    """At each request in turn that a swap makes, with and without a reboot of the device thereafter."""
    cut_at, was_cut = 0, True
    while was_cut:
        cut_at += 1
        with connected(kitchen, "tcp") as engine:
            push(engine, service(WORKS.format(f"old {cut_at}")))
        new = service(WORKS.format(f"new {cut_at}"))
        was_cut, requests = cut_push(kitchen, new, cut_at, is_heard=is_heard)
        assert len(settled(kitchen)) == 1, requests
        if reboots and was_cut:
            kitchen.reboot(off_for=0.0)
            assert len(settled(kitchen)) == 1, requests
        with connected(kitchen, "tcp") as engine:
            push(engine, new)
        assert kitchen.docker("ps", "--all", "--format", "{{.Names}}").split() == [f"{APP}_main"], requests
        assert policy(kitchen, f"{APP}_main") == "always"
        assert f"new {cut_at}" in kitchen.docker("logs", f"{APP}_main")
    assert cut_at > 4
    kitchen.docker("rm", "--force", f"{APP}_main")
