"""Containers, networks and volumes on a real engine: made, changed, ended, removed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from device.desk import wait_for
from device.stand_in import StandIn
from support.engine_parts import connected, files_in, tar_of

from resin_toolkit.engine import Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.networks import Networks
from resin_toolkit.engine.volumes import Volumes
from resin_toolkit.errors import (
    BadValue,
    EngineFailed,
    ImageNotFound,
    Notice,
    NotSupported,
    ResinError,
    ServiceNotFound,
    Unreachable,
)

pytestmark = pytest.mark.root

DEAF = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


@pytest.fixture(autouse=True)
def _nothing_left(kitchen: StandIn) -> Iterator[None]:
    yield
    for container in kitchen.docker("ps", "--all", "--quiet").split():
        kitchen.docker("rm", "--force", container)


def body(script: str, **more: object) -> dict[str, object]:
    return {"Image": "stand-in", "Cmd": ["sh", "-c", script], "HostConfig": {"NetworkMode": "none"}, **more}


def running(engine: Engine, script: str = "sleep 1000", **more: object) -> str:
    containers = Containers(engine)
    identity = containers.create("box", body(script, **more))
    containers.start(identity)
    return identity


def state_of(engine: Engine, container: str = "box") -> dict[str, object]:
    state = Containers(engine).raw(container)["State"]
    assert isinstance(state, dict)
    return state


def ready(device: StandIn, container: str = "box") -> None:
    wait_for(lambda: "ready" in device.docker("logs", container), "its first word")


def test_the_life_of_a_container(engine: Engine, kitchen: StandIn) -> None:
    containers = Containers(engine)
    identity = containers.create("box", body("sleep 1000", Labels={"a": "b"}))
    assert state_of(engine)["Running"] is False
    containers.start("box")
    containers.start("box")
    assert state_of(engine)["Running"] is True
    containers.rename("box", "crate")
    before = state_of(engine, "crate")["StartedAt"]
    containers.restart(identity, 0)
    assert str(state_of(engine, "crate")["StartedAt"]) > str(before)
    containers.stop(identity, 0)
    containers.stop(identity, 0)
    containers.kill(identity)
    assert containers.wait(identity) == 137
    containers.remove(identity)
    containers.remove(identity)
    assert kitchen.docker("ps", "--all", "--quiet") == ""


def test_a_name_in_use_is_an_error(engine: Engine) -> None:
    Containers(engine).create("box", body("true"))
    with pytest.raises(EngineFailed) as caught:
        Containers(engine).create("box", body("true"))
    assert caught.value.facts["status"] == 409
    assert "in use" in caught.value.message


def test_a_missing_image_is_an_error(engine: Engine) -> None:
    with pytest.raises(ImageNotFound) as caught:
        Containers(engine).create("box", {**body("true"), "Image": "none/such:1"})
    assert "none/such:1" in caught.value.message


def test_warnings_of_the_engine(modern: Engine) -> None:
    notices: list[Notice] = []
    host = {"NetworkMode": "host", "PublishAllPorts": True, "PortBindings": {"80/tcp": [{"HostPort": "80"}]}}
    Containers(modern).create("box", {**body("true"), "HostConfig": host}, warn=notices.append)
    assert [notice.code for notice in notices] == ["engine-warning"]
    assert "kitchen" in notices[0].message


def test_no_such_container(engine: Engine) -> None:
    containers = Containers(engine)
    for ask in (
        containers.start,
        containers.stop,
        containers.restart,
        containers.kill,
        containers.wait,
        containers.raw,
        lambda name: containers.rename(name, "other"),
        lambda name: containers.put_archive(name, "/", [tar_of({})]),
        lambda name: containers.get_archive(name, "/"),
    ):
        for name in ("absent", "../../info?x="):
            with pytest.raises(ServiceNotFound) as caught:
                ask(name)
            assert "such container" in caught.value.message
    containers.remove("absent", force=True, volumes=True)


def test_the_exit_code_of_a_container(engine: Engine) -> None:
    identity = running(engine, "sleep 1; exit 5")
    assert Containers(engine).wait(identity, 60) == 5


def test_waiting_for_a_container_has_a_limit(engine: Engine) -> None:
    identity = running(engine)
    with pytest.raises(EngineFailed) as caught:
        Containers(engine).wait(identity, 0.5)
    assert "did not exit within 0.5 s" in caught.value.message
    assert state_of(engine)["Running"] is True


@pytest.mark.parametrize("own", [False, True], ids=["told", "its own"])
def test_a_stop_that_takes_longer_than_an_answer_may(
    modern: Engine, kitchen: StandIn, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time is added to what the engine has for an answer, whoever says it."""
    monkeypatch.setattr("resin_toolkit.engine.containers.CHANGE", 1.5)
    identity = running(modern, DEAF, **({"StopTimeout": 3} if own else {}))
    ready(kitchen)
    Containers(modern).stop(identity, None if own else 3)
    assert state_of(modern)["ExitCode"] == 137


def test_a_stop_without_a_limit(modern: Engine, kitchen: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resin_toolkit.engine.containers.CHANGE", 0.1)
    identity = running(modern, "trap 'sleep 2; exit 4' TERM; echo ready; while :; do sleep 0.1; done")
    ready(kitchen)
    Containers(modern).stop(identity, -1)
    assert state_of(modern)["ExitCode"] == 4


def test_a_signal(engine: Engine, kitchen: StandIn) -> None:
    identity = running(engine, "trap 'exit 9' USR1; echo ready; while :; do sleep 0.1; done")
    ready(kitchen)
    Containers(engine).kill(identity, "USR1")
    assert Containers(engine).wait(identity, 60) == 9


def test_setting_a_restart_policy(modern: Engine, kitchen: StandIn) -> None:
    running(modern)
    Containers(modern).set_restart_policy("box", "on-failure", 4)
    told = json.loads(kitchen.docker("inspect", "box"))[0]["HostConfig"]["RestartPolicy"]
    assert told == {"Name": "on-failure", "MaximumRetryCount": 4}


def test_an_old_engine_cannot_change_a_restart_policy(kitchen: StandIn) -> None:
    with connected(kitchen, "1.22") as old:
        running(old)
        with pytest.raises(NotSupported) as caught:
            Containers(old).set_restart_policy("box", "always")
        assert caught.value.hint


def test_removing_a_running_container(engine: Engine, kitchen: StandIn) -> None:
    running(engine, Volumes={"/data": {}})
    with pytest.raises(EngineFailed) as caught:
        Containers(engine).remove("box")
    assert "running" in caught.value.message
    assert kitchen.docker("volume", "ls", "--quiet")
    Containers(engine).remove("box", force=True, volumes=True)
    assert kitchen.docker("volume", "ls", "--quiet") == ""


def test_putting_and_getting_files(engine: Engine) -> None:
    containers = Containers(engine)
    identity = running(engine)
    files = {"one": b"1" * 3_000_000, "sub/two": b"2"}
    archive = tar_of(files)
    containers.put_archive(
        identity, "/root", (archive[at : at + 65536] for at in range(0, len(archive), 65536))
    )
    stream = containers.get_archive(identity, "/root/.")
    assert stream is not None
    with stream:
        found = files_in(b"".join(iter(stream.read, b"")))
    assert {name.removeprefix("./"): data for name, data in found.items()} == files
    assert containers.get_archive(identity, "/root/absent") is None


def test_files_that_cannot_be_unpacked(engine: Engine) -> None:
    containers = Containers(engine)
    identity = running(engine)
    with pytest.raises(EngineFailed) as caught:
        containers.put_archive(identity, "/absent", [tar_of({"a": b""})])
    assert "/absent" in caught.value.message
    assert caught.value.facts["status"] == 404
    with pytest.raises(EngineFailed):
        containers.put_archive(identity, "/", [b"no archive" * 1000])


class Wrong(ResinError):
    """What an archive raises."""


def test_files_that_cannot_be_read(engine: Engine) -> None:
    identity = running(engine)

    def failing() -> Iterator[bytes]:
        yield tar_of({"a": bytes(100_000)})[:50_000]
        raise Wrong("the file went away")

    with pytest.raises(Wrong):
        Containers(engine).put_archive(identity, "/root", failing())


def test_a_lost_connection_ends_a_request(modern: Engine, kitchen: StandIn) -> None:
    identity = running(modern)
    cutting = threading.Timer(0.5, kitchen.kill_sockets, [2377])
    cutting.start()
    with pytest.raises(Unreachable) as caught:
        Containers(modern).wait(identity)
    cutting.join()
    assert caught.value.facts["cause"] == "lost"
    assert state_of(modern)["Running"] is True


def test_networks(engine: Engine, kitchen: StandIn) -> None:
    networks = Networks(engine)
    is_old = engine.api_version == "1.22"
    made = networks.create(
        "garden",
        labels={"own": "1"},
        options={"com.docker.network.bridge.name": "garden0"},
        subnets=["10.99.7.0/24"],
    )
    try:
        assert made in [network.id for network in networks.list()]
        [found] = [network for network in networks.list() if network.id == made]
        assert [network.id for network in networks.list(["own=1"])] == ([] if is_old else [made])
        assert (found.id, found.name, found.driver) == (made, "garden", "bridge")
        assert networks.list(["own=2"]) == []
        with pytest.raises(EngineFailed) as caught:
            networks.create("garden")
        assert caught.value.facts["status"] == 409
        running(engine, HostConfig={"NetworkMode": "garden"})
        with pytest.raises(EngineFailed):
            networks.remove(made)
    finally:
        Containers(engine).remove("box", force=True)
        networks.remove(made)
    networks.remove(made)
    assert "garden" not in kitchen.docker("network", "ls")


def test_names_on_a_network(modern: Engine, kitchen: StandIn) -> None:
    networks, containers = Networks(modern), Containers(modern)
    made = networks.create("cellar", subnets=["10.99.8.0/24"])
    try:
        for name in ("one", "two"):
            containers.create(name, body("sleep 1000", HostConfig={"NetworkMode": "cellar"}))
            containers.start(name)
        further = networks.create("attic", subnets=["10.99.9.0/24"])
        networks.connect(further, "one")
        endpoint = {"Aliases": ["second"], "IPAMConfig": {"IPv4Address": "10.99.9.9"}}
        networks.connect("attic", "two", endpoint)
        said = kitchen.docker("exec", "one", "ping", "-c", "1", "-W", "5", "second")
        assert "(10.99.9.9)" in said
        assert "1 packets received" in said
        assert "1 packets received" in kitchen.docker("exec", "one", "ping", "-c", "1", "-W", "5", "two")
        with pytest.raises(ServiceNotFound):
            networks.connect("attic", "absent")
    finally:
        for name in ("one", "two"):
            containers.remove(name, force=True)
        for name in ("attic", "cellar"):
            networks.remove(name)
    assert made not in [network.id for network in networks.list()]


def test_volumes(engine: Engine) -> None:
    volumes = Volumes(engine)
    assert volumes.inspect("shelf") is None
    volumes.create("shelf", labels={"own": "1"})
    volumes.create("shelf", labels={"own": "1"})
    try:
        found = volumes.inspect("shelf")
        assert found is not None
        assert (found.name, found.driver) == ("shelf", "local")
        assert [volume.name for volume in volumes.list()] == ["shelf"]
        labelled = [] if engine.api_version == "1.22" else ["shelf"]
        assert [volume.name for volume in volumes.list(["own=1"])] == labelled
        running(engine, HostConfig={"NetworkMode": "none", "Binds": ["shelf:/data"]})
        with pytest.raises(EngineFailed) as caught:
            volumes.remove("shelf")
        assert "in use" in caught.value.message
    finally:
        Containers(engine).remove("box", force=True)
        volumes.remove("shelf")
    volumes.remove("shelf")
    assert volumes.list() == []


def test_invalid_names(modern: Engine) -> None:
    for ask in (Volumes(modern).inspect, Volumes(modern).remove, Networks(modern).remove):
        with pytest.raises(BadValue) as caught:
            ask("../x")
        assert "'../x'" in caught.value.message
