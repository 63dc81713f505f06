"""Images on a real engine, from one to another, and the engine of this workstation."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from device.stand_in import StandIn
from support.engine_parts import tar_of
from support.loopback_server import http, routes, serving

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.record import Device
from resin_toolkit.engine import Engine, connect
from resin_toolkit.engine.build import BuildOptions, build
from resin_toolkit.engine.containers import Containers
from resin_toolkit.engine.images import Images
from resin_toolkit.engine.progress_messages import MessageKind, ProgressMessage
from resin_toolkit.engine.workstation_engine import connect_workstation
from resin_toolkit.errors import EngineFailed, ImageNotFound, Unreachable

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def _nothing_left(kitchen: StandIn) -> Iterator[None]:
    yield
    kitchen.docker("image", "prune", "--all", "--force", "--filter", "label=own")


def built(engine: Engine, words: str = "", *tags: str) -> str:
    archive = tar_of({"Dockerfile": f"FROM stand-in\nLABEL own=1\n{words}\n".encode()})
    with build(engine, [archive], BuildOptions(tags=tags)) as going:
        for _ in going:
            pass
    found = Images(engine).inspect(going.image)
    assert found is not None
    return found.id


def test_listing_images(engine: Engine) -> None:
    images = Images(engine)
    identity = built(engine, "", "shop/cart:1")
    [found] = images.list(["own=1"])
    assert (found.id, found.tags, found.labels) == (identity, ("shop/cart:1",), {"own": "1"})
    assert images.list(["own=2"]) == []
    assert images.list(["own"], dangling=True) == []
    assert [image.id for image in images.list(["own"], dangling=False)] == [identity]
    nameless = built(engine, "LABEL second=1")
    assert {image.id for image in images.list(["own"])} == {identity, nameless}
    assert [image.id for image in images.list(["own"], dangling=True)] == [nameless]
    assert [image.tags for image in images.list(["own"], dangling=True)] == [()]


def test_listing_intermediate_images(modern: Engine) -> None:
    built(modern, "ENV A=b\nENV C=d")
    assert len(Images(modern).list(["own"])) == 1
    assert len(Images(modern).list(["own"], all=True)) == 3


def test_inspecting_an_image(engine: Engine, kitchen: StandIn) -> None:
    identity = built(engine, 'ENV A=b\nCMD ["echo", "hello"]\nWORKDIR /root', "cart:1")
    found = Images(engine).inspect("cart:1")
    assert found is not None
    told = json.loads(kitchen.docker("image", "inspect", "cart:1"))[0]
    assert (found.id, found.tags) == (identity, ("cart:1",))
    assert found.architecture == told["Architecture"]
    assert list(found.layers) == told["RootFS"]["Layers"]
    assert (found.config["WorkingDir"], found.config["Cmd"]) == ("/root", ["echo", "hello"])
    assert "A=b" in found.config["Env"]
    assert found.config["Labels"] == {"own": "1"}


def test_no_such_image(engine: Engine) -> None:
    images = Images(engine)
    for name in ("absent:1", "../containers/json", "a?b", "a b", ""):
        assert images.inspect(name) is None
        images.remove(name)
        with pytest.raises(ImageNotFound) as caught:
            images.tag(name, "other", "1")
        assert "no such image" in caught.value.message.lower()
    with pytest.raises(ImageNotFound) as refused:
        images.save(["absent:1"])
    assert "absent" in refused.value.message


def test_names(engine: Engine) -> None:
    images = Images(engine)
    identity = built(engine, "", "cart:1")
    other = built(engine, "LABEL second=1", "cart:2")
    images.tag("cart:1", "registry.example:5000/shop/cart", "new")
    images.tag(other, "cart", "1")
    found = {image.id: set(image.tags) for image in images.list(["own"])}
    assert found == {identity: {"registry.example:5000/shop/cart:new"}, other: {"cart:1", "cart:2"}}
    assert images.inspect("registry.example:5000/shop/cart:new") is not None


def test_removing(engine: Engine) -> None:
    images = Images(engine)
    identity = built(engine, "", "cart:1", "cart:2")
    images.remove("cart:1")
    assert images.inspect(identity) is not None
    images.remove("cart:1")
    images.remove("cart:2")
    assert images.inspect(identity) is None
    identity = built(engine, "", "cart:1", "cart:2")
    with pytest.raises(EngineFailed) as caught:
        images.remove(identity)
    assert caught.value.facts["status"] == 409
    images.remove(identity, force=True)
    assert images.inspect(identity) is None


def test_an_image_in_use(engine: Engine) -> None:
    identity = built(engine)
    Containers(engine).create("box", {"Image": identity, "Cmd": ["true"]})
    try:
        with pytest.raises(EngineFailed) as caught:
            Images(engine).remove(identity)
        assert caught.value.facts["status"] == 409
    finally:
        Containers(engine).remove("box")


def test_untagged_parents_are_removed_too(modern: Engine) -> None:
    images = Images(modern)
    identity = built(modern, "ENV A=b")
    assert len(images.list(["own"], all=True)) == 2
    images.remove(identity)
    assert images.list(["own"], all=True) == []


def test_saving_and_loading_an_image(engine: Engine, modern: Engine) -> None:
    identity = built(modern, "COPY Dockerfile /", "cart:1")
    with Images(modern).save(["cart:1"]) as stream:
        archive = list(iter(stream.read, b""))
    Images(modern).remove("cart:1")
    said = list(Images(engine).load(archive))
    found = Images(engine).inspect("cart:1")
    assert found is not None
    assert found.id == identity
    assert ProgressMessage(MessageKind.IMAGE, id="cart:1") in said


def test_loading_an_invalid_archive(engine: Engine) -> None:
    with pytest.raises(EngineFailed) as caught:
        list(Images(engine).load([b"no archive" * 1000]))
    assert caught.value.message.isprintable()
    with pytest.raises(OSError, match="went away"):
        list(Images(engine).load(failing()))


def failing() -> Iterator[bytes]:
    yield tar_of({"manifest.json": b"[" * 100_000})[:50_000]
    raise OSError("the file went away")


def test_a_registry_that_cannot_be_reached(modern: Engine) -> None:
    with pytest.raises(EngineFailed) as caught:
        list(Images(modern).pull("127.0.0.1:1/cart:1"))
    assert "127.0.0.1:1" in caught.value.message


def registry(words: str, reference: str = "shop.example:5000/cart@sha256:ab") -> object:
    """An engine whose registry says this."""

    def answers(_: str, path: str) -> bytes:
        if path == "/version":
            return http(b'{"ApiVersion": "1.41"}')
        if path.endswith("/info"):
            return http(b'{"ID": "a"}')
        asked.append(path)
        if words.startswith("{"):
            return http(words.encode())
        return http(json.dumps({"message": words}).encode(), "404 Not Found")

    asked: list[str] = []
    with serving(routes(answers)) as place:
        device = Device("board", (place.address,), engine_ports=(place.port,), access_method=AccessMethod.TCP)
        with connect(device) as engine:
            try:
                return list(Images(engine).pull(reference)), asked
            except (ImageNotFound, EngineFailed) as error:
                return error


def test_pulling() -> None:
    lines = [
        {"status": "Downloading\x1b[2J", "id": "a1", "progressDetail": {"current": 5, "total": 9}},
        {"status": "Digest: sha256:ab"},
    ]
    said = registry("\r\n".join(map(json.dumps, lines)))
    assert said == (
        [
            ProgressMessage(MessageKind.STATUS, "Downloading\ufffd[2J", "a1", 5, 9),
            ProgressMessage(MessageKind.STATUS, "Digest: sha256:ab"),
        ],
        ["/v1.41/images/create?fromImage=shop.example%3A5000%2Fcart&tag=sha256%3Aab"],
    )


@pytest.mark.parametrize(
    ("reference", "asked"),
    [
        ("cart", "fromImage=cart&tag=latest"),
        ("cart:1", "fromImage=cart&tag=1"),
        ("shop.example:5000/cart", "fromImage=shop.example%3A5000%2Fcart&tag=latest"),
        ("shop.example:5000/cart:1", "fromImage=shop.example%3A5000%2Fcart&tag=1"),
    ],
)
def test_references_that_are_pulled(reference: str, asked: str) -> None:
    assert registry("{}", reference) == ([], [f"/v1.41/images/create?{asked}"])


@pytest.mark.parametrize(
    "words",
    ["pull access denied for cart", '{"error": "manifest for cart:1 not found", "errorDetail": {}}'],
)
def test_pulling_a_missing_image(words: str) -> None:
    assert isinstance(registry(words), ImageNotFound)


def test_pulling_fails_half_way() -> None:
    error = registry('{"status": "x"}{"error": "no space left on device", "errorDetail": {"code": 1}}')
    assert isinstance(error, EngineFailed)
    assert "no space left on device" in error.message


# the engine of this workstation


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workstation without an engine."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path


def socket_of(device: StandIn) -> str:
    return f"/proc/{device.pid}/root/run/docker.sock"


def use_context(home: Path, name: str, url: str) -> None:
    folder = home / ".docker" / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    content = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": url}}}
    (folder / "meta.json").write_text(json.dumps(content))
    (home / ".docker" / "config.json").write_text(json.dumps({"currentContext": name}))


def test_docker_host(kitchen: StandIn, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_context(home, "lab", "unix:///nowhere")
    for url in (f"unix://{socket_of(kitchen)}", f"tcp://{kitchen.address}:2377"):
        monkeypatch.setenv("DOCKER_HOST", url)
        with connect_workstation() as engine:
            assert engine.client.info()["Name"] == "kitchen"
            assert engine.url == url
            found = engine.inspect("stand-in")
            assert found is not None
            assert engine.inspect(found.id) == found
            assert engine.inspect("absent") is None
            assert engine.inspect("../stand-in") is None


def test_dockers_context(kitchen: StandIn, home: Path) -> None:
    use_context(home, "lab", f"unix://{socket_of(kitchen)}")
    with connect_workstation() as engine:
        assert engine.client.info()["Name"] == "kitchen"


@pytest.mark.parametrize(
    "logins",
    [
        {"auths": {"shop.example": {"auth": "no base64"}}},
        {"auths": {"shop.example": {"auth": "bm8gY29sb24="}}},
        {"auths": {"shop.example": "text"}},
        {"auths": ["text"]},
        {"credsStore": "absent"},
        {"credsStore": ["text"]},
        {"credHelpers": {"shop.example": "absent"}},
    ],
)
def test_malformed_logins_are_not_read(
    kitchen: StandIn, home: Path, monkeypatch: pytest.MonkeyPatch, logins: Mapping[str, object]
) -> None:
    """Docker's other settings are used all the same."""
    settings = {**logins, "HttpHeaders": {"X-Ours": "yes"}, "proxies": {"default": {"httpProxy": "proxy:1"}}}
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text(json.dumps(settings))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{socket_of(kitchen)}")
    sent: list[Mapping[str, str]] = []
    with connect_workstation() as engine:
        engine.client.hooks["response"] = [lambda response, **_: sent.append(response.request.headers)]
        assert engine.inspect("stand-in") is not None
        assert engine.client._proxy_configs.http == "proxy:1"
    assert [headers["X-Ours"] for headers in sent] == ["yes"]


def test_a_context_that_does_not_exist(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_context(home, "lab", "unix:///nowhere")
    monkeypatch.setenv("DOCKER_CONTEXT", "attic")
    with pytest.raises(Unreachable, match="Docker's context attic does not exist"):
        connect_workstation()


def test_an_engine_through_ssh(
    kitchen: StandIn, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docker reaches it: the ssh of this machine runs `docker system dial-stdio` there."""
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    dial = f"exec socat - UNIX-CONNECT:{socket_of(kitchen)}"
    ssh.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/arguments\n{dial}\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    use_context(home, "lab", "ssh://me@bench.example:2222")
    assert in_a_process(SAVE) == "True"
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[0] == "-l me -p 2222 -- bench.example docker system dial-stdio"


SAVE = """
from resin_toolkit.engine.workstation_engine import connect_workstation
with connect_workstation() as engine, engine.save("stand-in") as stream:
    print(b"manifest.json" in b"".join(iter(stream.read, b"")))
"""


@pytest.mark.usefixtures("home")
def test_an_engine_that_ssh_does_not_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://somebody@127.0.0.1:1")
    assert in_a_process(LOOK).startswith(
        "unreachable refused The engine of this workstation at DOCKER_HOST (ssh:"
    )


def in_a_process(script: str) -> str:
    """What a script prints; the SDK leaves the program ssh to the end of the process."""
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_tls_without_certificates(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2376")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    with pytest.raises(Unreachable, match="The TLS certificates for tcp"):
        connect_workstation()


def found_here() -> str:
    """The name of the engine that is found, or why there is none, where there is no usual one."""
    usual = "/var/run/docker.sock /run/podman/podman.sock"
    hide = f"for s in {usual}; do [ ! -S $s ] || mount --bind /dev/null $s; done"
    words = ["unshare", "--mount", "sh", "-c", f'{hide}; exec "$@"', "sh", sys.executable, "-c", LOOK]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


LOOK = """
from resin_toolkit.engine.workstation_engine import connect_workstation
from resin_toolkit.errors import ResinError
try:
    with connect_workstation() as engine:
        print(engine.client.info()["Name"])
except ResinError as error:
    print(error.code, error.facts["cause"], error.message, error.hint)
"""


@pytest.mark.parametrize("place", ["run/docker.sock", ".docker/run/docker.sock", "run/podman/podman.sock"])
def test_a_usual_socket(kitchen: StandIn, home: Path, place: str) -> None:
    (home / place).parent.mkdir(parents=True)
    (home / place).symlink_to(socket_of(kitchen))
    assert found_here() == "kitchen"


def test_a_stale_socket(kitchen: StandIn, home: Path) -> None:
    (home / "run" / "podman").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / "run" / "docker.sock"))
    said = found_here()
    assert said.startswith("unreachable refused")
    assert str(home / "run" / "docker.sock") in said
    (home / "run" / "podman" / "podman.sock").symlink_to(socket_of(kitchen))
    assert found_here() == "kitchen"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("unix:///no/such.sock", "/no/such.sock"),
        ("tcp://127.0.0.1:1", "127.0.0.1:1"),
        ("tcp://[bad", "DOCKER_HOST (tcp://[bad)"),
        ("fd://3", "DOCKER_HOST (fd://3)"),
    ],
)
@pytest.mark.usefixtures("home")
def test_an_engine_that_cannot_be_reached(url: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", url)
    message = in_a_process(LOOK)
    assert message.startswith("unreachable refused The engine of this workstation at")
    assert words in message


def test_a_workstation_without_an_engine(home: Path) -> None:
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text("[not json")
    said = found_here()
    assert said.startswith("unreachable no-way")
    assert "DOCKER_HOST" in said


def test_a_socket_without_permission() -> None:
    """Who may not use it is told of the group that may. A folder of pytest's would hide it from others."""
    with (
        tempfile.TemporaryDirectory(prefix="resin-socket-") as folder,
        socket.socket(socket.AF_UNIX) as theirs,
    ):
        path = Path(folder) / "docker.sock"
        path.parent.chmod(0o755)
        theirs.bind(str(path))
        path.chmod(0o600)
        said = subprocess.run(
            [sys.executable, "-c", OPEN],
            env={**os.environ, "DOCKER_HOST": f"unix://{path}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    assert said.startswith("not-permitted")
    assert "group" in said


OPEN = """
import os
import docker.context
from resin_toolkit.engine.workstation_engine import connect_workstation
from resin_toolkit.errors import ResinError
os.setresuid(65534, 65534, 65534)
try:
    connect_workstation()
except ResinError as error:
    print(error.code, error.message, error.hint)
"""
