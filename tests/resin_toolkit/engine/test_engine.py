"""A real engine: by its port, through SSH in each way that a device may offer, and as API 1.22."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from device.desk import wait_for
from device.stand_in import Desk, StandIn, desk, stand_in
from support.loopback_server import serving
from support.old_engine import old_engine

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.record import Device
from resin_toolkit.engine import Engine, Output, RawStream, connect
from resin_toolkit.errors import EngineFailed, Notice, ServiceNotFound, Unreachable

pytestmark = pytest.mark.root

COUNTER = "i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo $i; echo e$i >&2; done; sleep 1000"
WAYS = ("tcp", "ssh", "dial-stdio", "1.22")


@pytest.fixture(scope="module", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        yield


@pytest.fixture(scope="module")
def table() -> Iterator[Desk]:
    with desk() as made, made.entered():
        yield made


@pytest.fixture(scope="module")
def kitchen(table: Desk) -> Iterator[StandIn]:
    with stand_in(table, "kitchen") as device:
        yield device


@pytest.fixture(scope="module")
def guarded(table: Desk) -> Iterator[StandIn]:
    """A device that passes no sockets on."""
    with stand_in(table, "cellar", engine_port=None, ssh_options=["AllowStreamLocalForwarding no"]) as device:
        yield device


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stand(way: str, request: pytest.FixtureRequest) -> StandIn:
    found = request.getfixturevalue("guarded" if way == "dial-stdio" else "kitchen")
    assert isinstance(found, StandIn)
    return found


@pytest.fixture
def engine(way: str, stand: StandIn) -> Iterator[Engine]:
    with ExitStack() as stack:
        if way == "1.22":
            place = stack.enter_context(serving(old_engine((stand.address, 2377))))
            device = Device(
                "old.local", (place.address,), engine_ports=(place.port,), access_method=AccessMethod.TCP
            )
        else:
            device = Device(
                stand.hostname,
                (stand.address,),
                access_method=AccessMethod.TCP if way == "tcp" else AccessMethod.SSH,
            )
        yield stack.enter_context(connect(device, within=5.0))


@pytest.fixture
def counter(stand: StandIn) -> Iterator[str]:
    identity = stand.start("counter", COUNTER)
    yield identity
    stand.docker("rm", "-f", "counter")


def everything(stream: RawStream) -> bytes:
    with stream:
        return b"".join(iter(stream.read, b""))


def lines_of(engine: Engine, identity: str, count: int) -> list[bytes]:
    """The lines of a container once there are so many, in frames."""
    deadline = time.monotonic() + 20
    while True:
        found = everything(engine.logs(identity)).splitlines()
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def finished(session: object) -> tuple[bytes, bytes, int]:
    """All that a command puts out, stdout and stderr, and its exit code."""
    outputs = {Output.STDOUT: b"", Output.STDERR: b""}
    while pieces := session.read():  # type: ignore[attr-defined]
        for output, data in pieces:
            outputs[output] += data
    return outputs[Output.STDOUT], outputs[Output.STDERR], session.exit_code()  # type: ignore[attr-defined]


def test_the_access_method(engine: Engine, way: str, stand: StandIn) -> None:
    assert engine.access_method is (AccessMethod.SSH if way in ("ssh", "dial-stdio") else AccessMethod.TCP)
    shown = stand.docker("version", "--format", "{{.Server.APIVersion}}").strip()
    assert engine.api_version == ("1.22" if way == "1.22" else shown)
    if way == "tcp":
        assert engine.url == f"tcp://{stand.address}:2377"
    if way in ("ssh", "dial-stdio"):
        assert engine.url == f"ssh://root@{stand.hostname}:22222"


def test_facts(engine: Engine, stand: StandIn) -> None:
    told = json.loads(stand.docker("info", "--format", "{{json .}}"))
    assert engine.facts.id == told["ID"]
    assert engine.facts.name == stand.hostname
    assert engine.facts.architecture == told["Architecture"]
    assert engine.time() > told["SystemTime"]


def test_containers_and_details(engine: Engine, stand: StandIn, counter: str) -> None:
    [found] = engine.containers()
    assert (found.id, found.name, found.service, found.state) == (counter, "counter", "counter", "running")
    told = json.loads(stand.docker("inspect", counter))[0]
    details = engine.inspect("counter")
    assert details.id == counter
    assert details.running
    assert not details.tty
    assert details.started_at == told["State"]["StartedAt"]
    assert details.finished_at == ""
    assert details.log_driver == "json-file"
    stand.docker("kill", counter)
    wait_for(lambda: engine.containers() == [], "its end")
    assert [entry.state for entry in engine.containers(all=True)] == ["exited"]
    assert engine.inspect(counter).exit_code == 137
    assert engine.inspect(counter).finished_at


def test_no_such_container(engine: Engine) -> None:
    for ask in (engine.inspect, engine.logs, lambda name: engine.exec(name, ["true"])):
        with pytest.raises(ServiceNotFound) as caught:
            ask("../../info?x=")
        assert "such container" in caught.value.message


def test_logs(engine: Engine, counter: str) -> None:
    lines = lines_of(engine, counter, 6)
    assert sorted(line.split()[-1] for line in lines) == [b"1", b"2", b"3", b"e1", b"e2", b"e3"]
    assert len(everything(engine.logs(counter, tail="2")).splitlines()) == 2
    plain = everything(engine.logs(counter, timestamps=False))
    assert b"\x01\x00\x00\x00\x00\x00\x00\x021\n" in plain


def test_logs_since_a_nanosecond(engine: Engine, counter: str, way: str) -> None:
    lines = lines_of(engine, counter, 6)
    stamps = [line[8:38].decode() for line in lines]
    last = max(stamps)
    seconds = int(time.mktime(time.strptime(last[:19], "%Y-%m-%dT%H:%M:%S"))) - time.timezone
    found = everything(engine.logs(counter, since=f"{seconds}.{last[20:29]}")).splitlines()
    if way != "1.22":
        assert [line[8:38].decode() for line in found] == [last]
    assert last in [line[8:38].decode() for line in found]
    assert everything(engine.logs(counter, since=f"{seconds + 2}.5")) == b""
    everything(engine.logs(counter, until=f"{seconds}.000000001"))


def test_a_followed_log_has_no_delay_and_ends_when_closed(engine: Engine, stand: StandIn) -> None:
    identity = stand.start("talk", "sleep 1; echo one; sleep 1000")
    try:
        stream = engine.logs(identity, follow=True)
        assert stream.read().endswith(b" one\n")
        ended = threading.Event()

        def read_on() -> None:
            assert stream.read() == b""
            ended.set()

        reader = threading.Thread(target=read_on)
        reader.start()
        assert not ended.wait(0.3)
        stream.close()
        assert ended.wait(5)
        reader.join()
    finally:
        stand.docker("rm", "-f", "talk")


def test_a_followed_log_ends_with_its_container(engine: Engine, stand: StandIn) -> None:
    identity = stand.start("short", "echo one; sleep 1; printf two")
    try:
        assert b"one\n" in everything(engine.logs(identity, follow=True, timestamps=False))
        assert everything(engine.logs(identity, timestamps=False)).endswith(b"\x03two")
    finally:
        stand.docker("rm", "-f", "short")


def test_events(engine: Engine, stand: StandIn) -> None:
    with engine.events(filters={"type": ["container"], "event": ["start"]}) as stream:
        identity = stand.start("sudden", "sleep 1000")
        try:
            event = json.loads(stream.read())
        finally:
            stand.docker("rm", "-f", "sudden")
    assert (event["id"], event["status"]) == (identity, "start")


def test_a_command_in_a_container(engine: Engine, counter: str) -> None:
    words = ["sh", "-c", "read word; echo got $word; echo no >&2; exit 7"]
    with engine.exec(counter, words) as session:
        session.sendall(b"this\n")
        assert finished(session) == (b"got this\n", b"no\n", 7)


def test_closing_the_input_of_a_command(engine: Engine, counter: str) -> None:
    data = bytes(range(256)) * 1000
    with engine.exec(counter, ["cat"]) as session:
        writer = threading.Thread(target=lambda: (session.sendall(data), session.end_input()))
        writer.start()
        assert finished(session) == (data, b"", 0)
        writer.join()


def test_a_terminal_and_its_size(engine: Engine, counter: str) -> None:
    with engine.exec(counter, ["sh"], tty=True, environment={"TERM": "vt52"}) as session:
        session.resize(33, 77)
        session.sendall(b"stty size; echo term=$TERM; exit 3\n")
        out, err, code = finished(session)
    assert b"33 77\r\n" in out
    assert b"term=vt52\r\n" in out
    assert (err, code) == (b"", 3)


def test_a_program_that_is_not_there(engine: Engine, counter: str) -> None:
    try:
        with engine.exec(counter, ["no-such-program"]) as session:
            assert finished(session)[2] in (126, 127)
    except EngineFailed as error:
        assert "no-such-program" in error.message  # noqa: PT017


def test_several_threads_at_once(engine: Engine, counter: str) -> None:
    lines_of(engine, counter, 6)
    sizes: list[int] = []

    def look() -> None:
        for _ in range(5):
            sizes.append(len(everything(engine.logs(counter))))
            assert engine.inspect(counter).running

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sizes) == 40
    assert len(set(sizes)) == 1


def test_ssh_is_used_if_no_engine_listens(guarded: StandIn) -> None:
    notices: list[Notice] = []
    with connect(Device("cellar", (guarded.address,)), within=5.0, warn=notices.append) as engine:
        assert engine.access_method is AccessMethod.SSH
    assert not [notice for notice in notices if notice.code == "engine-open"]
    with pytest.raises(Unreachable) as caught:
        connect(Device("cellar", (guarded.address,), access_method=AccessMethod.TCP))
    assert caught.value.facts["cause"] == "refused"


PROGRAMS = ("/usr/local/bin/docker", "/usr/bin/docker", "/usr/bin/socat", "/usr/bin/nc")


@contextmanager
def without(device: StandIn, *programs: str) -> Iterator[None]:
    """The device, while these programs are not on it."""
    hidden = [program for program in programs if Path(program).exists()]
    for program in hidden:
        device.run("mount", "--bind", "/dev/null", program)
    try:
        yield
    finally:
        for program in hidden:
            device.run("umount", program)


@pytest.mark.parametrize("left", ["/usr/bin/socat", "/usr/bin/nc"])
def test_old_systems_connect_with_their_own_programs(guarded: StandIn, left: str) -> None:
    device = Device("cellar", (guarded.address,), access_method=AccessMethod.SSH)
    identity = guarded.start("simple", "sleep 1000")
    try:
        with without(guarded, *(p for p in PROGRAMS if p != left)), connect(device, within=5.0) as engine:
            link = engine.connections.transport
            assert str(getattr(link, "entry", "")).startswith(Path(left).name)
            with engine.exec(identity, ["cat"]) as session:
                session.sendall(b"there and back")
                session.end_input()
                assert finished(session) == (b"there and back", b"", 0)
    finally:
        guarded.docker("rm", "-f", "simple")


def test_a_system_without_any_such_program(guarded: StandIn) -> None:
    device = Device("cellar", (guarded.address,), access_method=AccessMethod.SSH)
    with without(guarded, *PROGRAMS), pytest.raises(Unreachable) as caught:
        connect(device, within=5.0)
    assert caught.value.facts["cause"] == "no-way"
    assert "/var/run/docker.sock" in caught.value.message
    assert "socat" in caught.value.message


def test_a_device_without_an_engine(table: Desk) -> None:
    with stand_in(table, "empty", engine=False) as empty, pytest.raises(Unreachable) as caught:
        connect(Device("empty", (empty.address,)), within=5.0)
    assert caught.value.facts["cause"] == "no-way"
    assert "no engine is running" in caught.value.message


@pytest.mark.parametrize("way", ["tcp", "ssh"])
def test_a_stream_whose_sockets_are_killed(way: str, stand: StandIn, engine: Engine) -> None:
    identity = stand.start("quiet", "sleep 1000")
    try:
        stream = engine.logs(identity, follow=True)
        stand.kill_sockets(2377 if way == "tcp" else 22222)
        with stream, pytest.raises(Unreachable) as caught:
            stream.read()
        assert caught.value.facts["cause"] == "lost"
    finally:
        stand.docker("rm", "-f", "quiet")


@pytest.mark.parametrize("way", ["tcp", "ssh"])
def test_a_dead_link_is_noticed(stand: StandIn, engine: Engine) -> None:
    """Within 15 s, as promised; the bound is for busy machines."""
    identity = stand.start("unheard", "sleep 1000")
    stream = engine.logs(identity, follow=True)
    try:
        stand.link(False)
        started = time.monotonic()
        with stream, pytest.raises(Unreachable) as caught:
            stream.read()
        assert time.monotonic() - started < 90
        assert caught.value.facts["cause"] in ("lost", "no-answer")
    finally:
        stand.link(True)
        stand.docker("rm", "-f", "unheard")


def test_an_engine_that_restarts_is_used_again(stand: StandIn, engine: Engine, way: str) -> None:
    if way in ("ssh", "dial-stdio"):
        assert engine.time()
    before = engine.facts.id
    stand.restart_engine()
    assert engine.time()
    assert engine.facts.id == before
    assert engine.containers(all=True) == []
