"""A new container in the place of an old one, on a real engine, cut at every request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from device.desk import wait_for
from device.stand_in import StandIn
from support.cutting_proxy import CuttingProxy
from support.deployment_listeners import SilentListener
from support.engine_outage import Outage, interrupt
from support.engine_parts import connected

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.record import Device
from resin_toolkit.engine import Engine, connect
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.images import Images
from resin_toolkit.engine.request_batch import Request, send_batch
from resin_toolkit.errors import EngineFailed, PushFailed, Refused, ResinError, Unreachable
from resin_toolkit.progress import SilentProgress
from resin_toolkit.project.application import Application, HealthCheck, Mount, Service
from resin_toolkit.project.names import PUSHER_LABEL
from resin_toolkit.push.apply import replacement, retries
from resin_toolkit.push.apply.recovery import recover
from resin_toolkit.push.apply.replacement import ContainerReplacer
from resin_toolkit.push.apply.restart_policies import set_restart_policy
from resin_toolkit.push.plan.container_spec import ContainerSpec, container_spec
from resin_toolkit.push.plan.observed_state import ObservedService, observe

pytestmark = pytest.mark.root

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


def spec_of(engine: Engine, wanted: Service) -> ContainerSpec:
    image = Images(engine).inspect("stand-in")
    assert image is not None
    return container_spec(Application(APP, (wanted,)), wanted, image.id)


def replacer(
    engine: Engine, *, rollback: bool = True, grace: float = GRACE, reconnect_timeout: float = 0.0
) -> ContainerReplacer:
    return ContainerReplacer(
        engine,
        SilentListener(SilentProgress()),
        grace=grace,
        rollback=rollback,
        reconnect_timeout=reconnect_timeout,
    )


def push(engine: Engine, wanted: Service, *, outage: Outage | None = None, **settings: object) -> str:
    """Recover from an interrupted push, and replace the container of the service; return its ID."""
    spec = spec_of(engine, wanted)
    if outage is not None:
        interrupt(engine, outage)
    replacing = replacer(engine, **settings)  # type: ignore[arg-type]
    found = recover(engine, APP, replacing, lambda *_: None)
    return replacing.replace(spec, found.get("main", ObservedService("main", None, None))).container


def running(device: StandIn) -> list[str]:
    """The names of the containers that run."""
    return sorted(device.docker("ps", "--format", "{{.Names}}").split())


def policy(device: StandIn, name: str) -> str:
    return device.docker("inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}", name).strip()


def test_the_new_container_gets_the_name_and_policy_of_the_service(engine: Engine, kitchen: StandIn) -> None:
    first = push(engine, service(WORKS.format("one")))
    second = push(engine, service(WORKS.format("two"), restart="unless-stopped"))
    assert first != second
    assert kitchen.docker("ps", "--all", "--format", "{{.Names}}").split() == [f"{APP}_main"]
    assert policy(kitchen, f"{APP}_main") == "unless-stopped"
    assert "two" in kitchen.docker("logs", f"{APP}_main")


def test_a_new_container_that_fails_is_rolled_back(engine: Engine, kitchen: StandIn) -> None:
    first = push(engine, service(WORKS.format("one"), restart="unless-stopped"))
    with pytest.raises(PushFailed, match="exited with code 3") as failure:
        push(engine, service(FAILS))
    # An engine that cannot change a restart policy may have started it twice by then.
    assert set(failure.value.facts["lines"]) == {"the new one is broken"}  # type: ignore[call-overload]
    assert kitchen.docker("ps", "--all", "--quiet", "--no-trunc").split() == [first]
    assert running(kitchen) == [f"{APP}_main"]
    assert policy(kitchen, f"{APP}_main") == "unless-stopped"


def test_without_rollback_the_new_container_stays(kitchen: StandIn) -> None:
    with connected(kitchen, "tcp") as engine:
        push(engine, service(WORKS.format("one")))
        with pytest.raises(PushFailed):
            push(engine, service(FAILS, restart="no"), rollback=False)
        assert running(kitchen) == []
        assert "broken" in kitchen.docker("logs", f"{APP}_main")
        kitchen.docker("rm", f"{APP}_main")


def test_a_first_container_that_fails_is_an_error(engine: Engine) -> None:
    with pytest.raises(PushFailed, match="exited with code 3"):
        push(engine, service(FAILS, restart="no"))


def test_a_task_may_exit_with_success(engine: Engine) -> None:
    push(engine, service("echo done", restart="no"))
    push(engine, service("exit 0", restart="on-failure:3"))
    with pytest.raises(PushFailed, match="exited with code 0"):
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


def test_anonymous_volumes_are_kept(engine: Engine, kitchen: StandIn) -> None:
    mounts = (Mount("volume", "/kept"),)
    push(engine, service(f"echo water >/kept/what; {WORKS}", mounts=mounts))
    push(engine, service(WORKS.format("two"), mounts=mounts))
    assert kitchen.docker("exec", f"{APP}_main", "cat", "/kept/what") == "water\n"


def test_a_concurrent_push_is_not_disturbed(kitchen: StandIn) -> None:
    with connected(kitchen, "tcp") as engine:
        push(engine, service(WORKS.format("one")))
        label = f"{PUSHER_LABEL}=ada@desk:1"
        words = ("--label", label, "--name", f"{APP}_main.next", "stand-in", "true")
        kitchen.docker("create", *words)
        with pytest.raises(Refused, match="Somebody else"):
            replacer(engine).replace(
                spec_of(engine, service(WORKS.format("two"))), observe(engine, APP)["main"]
            )
        assert running(kitchen) == [f"{APP}_main"]
        kitchen.docker("rm", "--force", f"{APP}_main.next", f"{APP}_main")


def check_only_container(device: StandIn, text: str) -> None:
    """The service has one container, which runs, has its final name and policy, and wrote `text`."""
    assert device.docker("ps", "--all", "--format", "{{.Names}}").split() == [f"{APP}_main"]
    assert (running(device), policy(device, f"{APP}_main")) == ([f"{APP}_main"], "always")
    wait_for(lambda: text in device.docker("logs", f"{APP}_main"), text)


@pytest.mark.parametrize(("is_heard", "hits"), [(True, 1), (False, 1), (False, 6)])
def test_an_outage_at_any_request_is_outlasted(
    kitchen: StandIn, monkeypatch: pytest.MonkeyPatch, *, is_heard: bool, hits: int
) -> None:
    """At each request in turn; with six hits at those that follow as well, which belong to the retries."""
    monkeypatch.setattr(retries, "_RECONNECT_PAUSE", 0.01)
    with connected(kitchen, "tcp") as engine:
        push(engine, service(WORKS.format("version 0")), grace=0.0)
    first, was_hit = 0, True
    while was_hit:
        first += 1
        outage = Outage(lambda number, _, first=first: first <= number < first + hits, is_heard=is_heard)  # type: ignore[misc]
        with connected(kitchen, "tcp") as engine:
            new = service(WORKS.format(f"version {first}."))
            push(engine, new, outage=outage, grace=0.0, reconnect_timeout=30.0)
        check_only_container(kitchen, f"version {first}.")
        was_hit = outage.hits > 0
    assert first > 10
    kitchen.docker("rm", "--force", f"{APP}_main")


@pytest.mark.parametrize(
    ("request_text", "is_heard"),
    [("/containers/create?", True), ("/stop?", True), ("/json", False), ("/update", False)],
)
def test_an_engine_restart_is_outlasted(kitchen: StandIn, request_text: str, *, is_heard: bool) -> None:
    """Containers outlive the engine, which starts the old one again, beside the new one."""

    def at(_: int, request: str) -> bool:
        # The first of its kind once the containers are being replaced, "/json" in the grace period.
        begun = [each for each in outage.requests if "/create?" in each or "/stop?" in each]
        return not outage.hits and request_text in request and len(begun) > (request_text == "/json")

    outage = Outage(at, is_heard=is_heard, refusals=6, begin=kitchen.stop_engine, end=kitchen.start_engine)
    with connected(kitchen, "tcp") as engine:
        push(engine, service(WORKS.format("one")))
        push(engine, service(WORKS.format("two")), outage=outage, grace=1.0, reconnect_timeout=60.0)
    assert outage.hits == 1
    check_only_container(kitchen, "two")
    kitchen.docker("rm", "--force", f"{APP}_main")


def cut_push(device: StandIn, wanted: Service, cut_at: int, *, is_heard: bool) -> tuple[bool, list[str]]:
    """Push through a way that is cut at a request; whether it was, and what was asked for until then."""
    proxy = CuttingProxy((device.address, 2377), cut_at=cut_at, is_heard=is_heard)
    try:
        known = Device("kitchen", ("127.0.0.1",), engine_ports=(proxy.port,), access_method=AccessMethod.TCP)
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
def test_wherever_a_push_is_cut_one_container_runs_and_the_next_push_recovers(
    kitchen: StandIn, *, is_heard: bool, reboots: bool
) -> None:
    """At each request in turn of a replacement, with and without a reboot of the device thereafter."""
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


def lose_in_grace_period(device: StandIn, wanted: Service, interrupt: Callable[[], None]) -> None:
    """Push, call `interrupt` in the grace period, which ends the connection, and leave it at that."""
    failures: list[ResinError] = []

    def run() -> None:
        try:
            with connected(device, "tcp") as engine:
                push(engine, wanted, grace=600.0)
        except ResinError as error:
            failures.append(error)

    pushing = threading.Thread(target=run)
    pushing.start()
    try:
        wait_for(lambda: running(device) == [f"{APP}_main.next"], "the new container")
    finally:
        interrupt()
        pushing.join()
    assert [type(error) for error in failures] == [Unreachable]


def test_a_reboot_in_the_grace_period_starts_an_old_container_that_is_restarted_unless_stopped(
    kitchen: StandIn,
) -> None:
    """It was stopped on purpose, so that its own policy would leave it stopped."""
    with connected(kitchen, "tcp") as engine:
        first = push(engine, service(WORKS.format("one"), restart="unless-stopped"))
    new = service(WORKS.format("two"), restart="unless-stopped")
    lose_in_grace_period(kitchen, new, lambda: kitchen.reboot(off_for=0.0))
    wait_for(lambda: running(kitchen) == [f"{APP}_main"], "the old container")
    assert kitchen.docker("ps", "--quiet", "--no-trunc").split() == [first]
    with connected(kitchen, "tcp") as engine:
        second = push(engine, new)
    assert kitchen.docker("ps", "--all", "--quiet", "--no-trunc").split() == [second]
    assert policy(kitchen, f"{APP}_main") == "unless-stopped"
    kitchen.docker("rm", "--force", f"{APP}_main")


def test_an_engine_restart_in_the_grace_period_leaves_the_old_container_to_the_recovery(
    kitchen: StandIn,
) -> None:
    """Containers outlive the engine, which starts the old one again: the new one has not proved itself."""
    with connected(kitchen, "tcp") as engine:
        first = push(engine, service(WORKS.format("one")))
    lose_in_grace_period(kitchen, service(WORKS.format("two")), kitchen.restart_engine)
    wait_for(lambda: running(kitchen) == [f"{APP}_main", f"{APP}_main.next"], "both containers")
    with connected(kitchen, "tcp") as engine:
        recover(engine, APP, replacer(engine), lambda *_: None)
    assert kitchen.docker("ps", "--all", "--quiet", "--no-trunc").split() == [first]
    assert (running(kitchen), policy(kitchen, f"{APP}_main")) == ([f"{APP}_main"], "always")
    kitchen.docker("rm", "--force", f"{APP}_main")


@pytest.mark.parametrize(("restart", "is_started"), [("always", True), ("no", False)])
def test_a_new_container_that_stops_with_the_engine_is_started_again(
    kitchen: StandIn, restart: str, *, is_started: bool
) -> None:
    """An engine that shuts down while it starts a container may stop it; a task may also have exited."""

    def stop() -> None:
        kitchen.docker("stop", f"{APP}_main.next")

    def at(_: int, request: str) -> bool:
        begun = any("/stop?" in each for each in outage.requests)
        return not outage.hits and begun and request.startswith("GET")

    outage = Outage(at, begin=stop)
    with connected(kitchen, "tcp") as engine:
        push(engine, service(WORKS.format("one")))
        push(engine, service(WORKS.format("two"), restart=restart), outage=outage, reconnect_timeout=30.0)
    assert outage.hits == 1
    assert running(kitchen) == ([f"{APP}_main"] if is_started else [])
    assert kitchen.docker("logs", f"{APP}_main").split() == ["two"] * (2 if is_started else 1)
    kitchen.docker("rm", "--force", f"{APP}_main")


REFUSALS = (
    (500, "cannot update a stopped container"),
    (500, "runc did not terminate successfully: exit status 1: container not running"),
    (409, "Container 0123 is not running"),
)


def refusal(status: int, words: str) -> EngineFailed:
    return EngineFailed(f"The engine refuses: {words}.", status=status, words=words)


@pytest.mark.parametrize(("status", "words"), REFUSALS)
def test_a_task_that_exits_while_it_is_promoted_is_no_failure(
    kitchen: StandIn, monkeypatch: pytest.MonkeyPatch, status: int, words: str
) -> None:
    """The engine refuses to update a container whose exit it has not noticed yet."""
    refused: list[str] = []

    def send(connections: object, version: str, requests: list[Request]) -> list[ResinError | None]:
        updates = [request for request in requests if request.path.endswith("/update")]
        if not updates or refused:
            return send_batch(connections, version, requests)  # type: ignore[arg-type]
        refused.append(updates[0].path)
        others = [request for request in requests if request not in updates]
        return [refusal(status, words), *send_batch(connections, version, others)]  # type: ignore[arg-type]

    monkeypatch.setattr(replacement, "send_batch", send)
    with connected(kitchen, "tcp") as engine:
        push(engine, service("echo one; exit 0", restart="on-failure:3"))
        assert len(refused) == 1
        refused.clear()
        second = push(engine, service("echo two; exit 0", restart="on-failure:3"))
        assert len(refused) == 1
        assert kitchen.docker("ps", "--all", "--quiet", "--no-trunc").split() == [second]
        assert policy(kitchen, f"{APP}_main") == "on-failure"
        kitchen.docker("rm", "--force", f"{APP}_main")


def test_a_removal_in_progress_is_waited_for(kitchen: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine still carries out a request whose answer was lost, and refuses the second one."""
    refused: list[str] = []

    def send(connections: object, version: str, requests: list[Request]) -> list[ResinError | None]:
        removals = [request for request in requests if request.method == "DELETE"]
        if not removals or len(refused) == 2:
            return send_batch(connections, version, requests)  # type: ignore[arg-type]
        refused.append(removals[0].path)
        others = [request for request in requests if request not in removals]
        answers = send_batch(connections, version, others)  # type: ignore[arg-type]
        return [*answers, refusal(409, "removal of container 0123 is already in progress")]

    monkeypatch.setattr(replacement, "send_batch", send)
    with connected(kitchen, "tcp") as engine:
        push(engine, service(WORKS.format("one")))
        push(engine, service(WORKS.format("two")))
    assert len(refused) == 2
    check_only_container(kitchen, "two")
    kitchen.docker("rm", "--force", f"{APP}_main")


@pytest.mark.parametrize(("status", "words"), REFUSALS)
def test_the_policy_of_a_container_that_just_exited_is_updated_again(
    kitchen: StandIn, monkeypatch: pytest.MonkeyPatch, status: int, words: str
) -> None:
    update, refused = Containers.set_restart_policy, []

    def refusing(self: Containers, container: str, name: str, maximum: int = 0) -> None:
        if len(refused) < 2:
            refused.append(name)
            raise refusal(status, words)
        update(self, container, name, maximum)

    monkeypatch.setattr(Containers, "set_restart_policy", refusing)
    with connected(kitchen, "tcp") as engine:
        push(engine, service("exit 0", restart="no"))
        set_restart_policy(engine, f"{APP}_main", "on-failure:2")
        assert (refused, policy(kitchen, f"{APP}_main")) == (["on-failure"] * 2, "on-failure")
        kitchen.docker("rm", "--force", f"{APP}_main")


def test_a_final_refusal_of_a_policy_is_raised_at_once(
    kitchen: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refusing(_: Containers, __: str, name: str, maximum: int = 0) -> None:  # noqa: ARG001
        asked.append(name)
        raise refusal(400, "invalid restart policy")

    monkeypatch.setattr(Containers, "set_restart_policy", refusing)
    with connected(kitchen, "tcp") as engine, pytest.raises(EngineFailed, match="invalid restart policy"):
        set_restart_policy(engine, "box", "sometimes")
    assert asked == ["sometimes"]
