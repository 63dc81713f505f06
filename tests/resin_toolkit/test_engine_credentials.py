"""Logins of registries: which of them an engine is sent, seen by one that keeps what it is asked."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from device.stand_in import Desk, StandIn
from loopback_server import http, read_request, serving

from resin_toolkit.address import Way
from resin_toolkit.device import Device
from resin_toolkit.engine import Engine, connect
from resin_toolkit.engine.credentials import Credentials
from resin_toolkit.errors import BuildFailed, Notice, ResinError
from resin_toolkit.progress import Silent
from resin_toolkit.project.application import Application, Build, Service
from resin_toolkit.push.building import Built, build_image
from resin_toolkit.push.fetching import fetched
from resin_toolkit.push.kind import DeviceKind
from resin_toolkit.push.link_rate import LinkRate
from resin_toolkit.push.sources import source_of
from resin_toolkit.push.telling import Silence

SHOP = "shop.example:5000"
HUB = "https://index.docker.io/v1/"
SECRET = "s3cret/wörd~~?"


class Recorder:
    """An engine of some API version; it has the images in `present`, and can build and pull all others."""

    def __init__(self, version: str = "1.41") -> None:
        self.version = version
        self.present: set[str] = set()
        self.refuses = False
        self.heads: list[tuple[str, dict[str, str]]] = []

    def serve(self, connection: socket.socket, over: threading.Event) -> None:
        while not over.is_set() and (request := read_request(connection)):
            head, _, body = request.partition(b"\r\n\r\n")
            first, *lines = head.decode("ascii").split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            while "Transfer-Encoding" in headers and not body.endswith(b"0\r\n\r\n"):
                body += connection.recv(65536)
            path = first.split(" ")[1].partition("?")[0].removeprefix(f"/v{self.version}")
            self.heads.append((path, headers))
            connection.sendall(self._answer(path))

    def _answer(self, path: str) -> bytes:
        if path == "/version":
            return http(json.dumps({"ApiVersion": self.version}).encode())
        if path == "/info":
            return http(b'{"ID": "recorder"}')
        if path.startswith("/images/") and path.endswith("/json"):
            name = path.removeprefix("/images/").removesuffix("/json")
            if name in self.present:
                return http(json.dumps({"Id": f"sha256:{name}"}).encode())
            return http(b'{"message": "No such image: it"}', "404 Not Found")
        if self.refuses:
            return http(b'{"message": "the registry is away"}', "500 Internal Server Error")
        self.present.update(("garden_main:latest", f"{SHOP}/cart:1"))
        return http(b'{"stream": "Successfully built"}')

    def sent(self, path: str, header: str) -> object:
        """What the header of the one request to `path` says; None if it has none."""
        [headers] = [headers for asked, headers in self.heads if asked == path]
        return decoded(headers[header]) if header in headers else None


def decoded(value: str) -> object:
    """As an engine reads it: padded, and none but the letters of base64url."""
    assert not set(value) & set("+/")
    assert len(value) % 4 == 0
    return json.loads(base64.urlsafe_b64decode(value))


class Heard(Silence):
    def __init__(self) -> None:
        super().__init__(Silent())
        self.notices: list[Notice] = []
        self.words: list[str] = []

    def step(self, service: str, what: str) -> None:
        self.words.append(f"{service} {what}")

    def output(self, service: str, text: str) -> None:
        self.words.append(f"{service} {text}")

    def warn(self, notice: Notice) -> None:
        self.notices.append(notice)

    def codes(self) -> list[str]:
        return [notice.code for notice in self.notices]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workstation of nobody, with no engine."""
    for name in ("DOCKER_CONTEXT", "DOCKER_CONFIG", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    (home / ".docker").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nowhere")
    return home


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def reached(recorder: Recorder, home: Path) -> Iterator[Engine]:  # noqa: ARG001 - its state lies there
    with serving(recorder.serve) as place, connect(at(place.port)) as found:
        yield found


@pytest.fixture
def heard() -> Heard:
    return Heard()


def at(port: int) -> Device:
    return Device("board", ("127.0.0.1",), engine_ports=(port,), way=Way.TCP)


def entry(user: str, secret: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{secret}".encode()).decode()}


def configure(home: Path, **settings: object) -> None:
    (home / ".docker" / "config.json").write_text(json.dumps(settings))


def login(server: str, user: str) -> dict[str, str]:
    """As the engine's API has it."""
    return {"username": user, "password": SECRET, "serveraddress": server}


def helper(home: Path, script: str, monkeypatch: pytest.MonkeyPatch, name: str = "drawer") -> None:
    """A program on PATH that keeps logins."""
    folder = home / "bin"
    folder.mkdir()
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\nread server\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def pull(engine: Engine, heard: Heard) -> None:
    fetched(engine, Service("main", image=f"{SHOP}/cart:1"), heard, pull=True)


def build(engine: Engine, heard: Heard, folder: Path, dockerfile: str, *, pull: bool = False) -> None:
    folder.mkdir()
    (folder / "Dockerfile").write_text(dockerfile)
    service = Service("main", build=Build(folder))
    source = source_of(Application("garden", (service,)), service, DeviceKind((), "amd64"))
    build_image(engine, "garden", source, heard, Built(), LinkRate(), pull=pull)


def header_for(engine: Engine, reference: str, heard: Heard) -> object:
    value = Credentials(engine, heard.warn).for_pull(reference)
    return decoded(value) if value else None


def test_a_pull_has_the_login_of_its_registry(
    reached: Engine, recorder: Recorder, heard: Heard, home: Path
) -> None:
    configure(home, auths={SHOP: entry("ann"), HUB: entry("hub"), "shop.example": entry("other")})
    pull(reached, heard)
    assert recorder.sent("/images/create", "X-Registry-Auth") == login(SHOP, "ann")


def test_a_build_has_the_logins_of_its_images_alone(
    reached: Engine, recorder: Recorder, heard: Heard, home: Path, tmp_path: Path
) -> None:
    auths = {SHOP: entry("ann"), HUB: entry("hub"), "bakery.example": entry("eve"), "free.example": {}}
    configure(home, auths={**auths, "mill.example": entry("joe")})
    lines = (
        f"FROM {SHOP}/base:1 AS one\nFROM free.example/b\nFROM one\nFROM debian\n"
        "COPY --from=one /a /b\nCOPY --from=0 /a /b\nCOPY --from=mill.example/flour:2 /a /b\n"
    )
    build(reached, heard, tmp_path / "project", lines)
    assert recorder.sent("/build", "X-Registry-Config") == {
        SHOP: login(SHOP, "ann"),
        HUB: login(HUB, "hub"),
        "mill.example": login("mill.example", "joe"),
    }


def test_no_login_is_sent_for_what_the_device_has(
    reached: Engine, recorder: Recorder, heard: Heard, home: Path, tmp_path: Path
) -> None:
    configure(home, auths={SHOP: entry("ann"), HUB: entry("hub")})
    recorder.present.add("debian")
    lines = f"FROM {SHOP}/base:1 AS one\nFROM debian\n"
    build(reached, heard, tmp_path / "project", lines)
    assert recorder.sent("/build", "X-Registry-Config") == {SHOP: login(SHOP, "ann")}
    recorder.heads.clear()
    build(reached, heard, tmp_path / "again", lines, pull=True)
    assert recorder.sent("/build", "X-Registry-Config") == {
        SHOP: login(SHOP, "ann"),
        HUB: login(HUB, "hub"),
    }


def test_a_registry_without_an_entry_is_sent_nothing(
    reached: Engine, recorder: Recorder, heard: Heard, home: Path, tmp_path: Path
) -> None:
    configure(home, auths={"bakery.example": entry("eve"), SHOP: {}, HUB: {"auth": ""}})
    pull(reached, heard)
    build(reached, heard, tmp_path / "project", "FROM debian\n")
    assert recorder.sent("/images/create", "X-Registry-Auth") is None
    assert recorder.sent("/build", "X-Registry-Config") is None
    assert heard.notices == []


@pytest.mark.parametrize(
    "reference",
    ["debian", "debian:12", "library/debian", "docker.io/library/debian", "index.docker.io/a/b@c"],
)
@pytest.mark.parametrize("name", [HUB, "index.docker.io", "docker.io", "https://index.docker.io"])
def test_the_names_of_dockers_own_registry(
    reference: str, name: str, reached: Engine, heard: Heard, home: Path
) -> None:
    auths = {f"{HUB}access-token": entry("token"), name: entry("hub"), "index.docker.example": entry("eve")}
    configure(home, auths=auths)
    assert header_for(reached, reference, heard) == login(HUB, "hub")


def test_a_name_with_a_scheme(reached: Engine, heard: Heard, home: Path) -> None:
    configure(home, auths={f"https://{SHOP}/v2/": entry("ann")})
    assert header_for(reached, f"{SHOP}/cart", heard) == login(SHOP, "ann")


def test_the_folder_that_docker_config_names(
    reached: Engine, heard: Heard, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(home, auths={SHOP: entry("ann")})
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert header_for(reached, f"{SHOP}/cart", heard) is None
    (tmp_path / "config.json").write_text(json.dumps({"auths": {SHOP: entry("bob")}}))
    assert header_for(reached, f"{SHOP}/cart", heard) == login(SHOP, "bob")


KEEPS = """
case "$1 $server" in
  "get {}") printf '{{"Username": "%s", "Secret": "kept"}}' '{}' ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
"""


@pytest.mark.parametrize("settings", [{"credsStore": "drawer"}, {"credHelpers": {SHOP: "drawer"}}])
def test_a_program_that_keeps_logins(
    settings: dict[str, object],
    reached: Engine,
    heard: Heard,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    helper(home, KEEPS.format(SHOP, "ann"), monkeypatch)
    configure(home, **settings)
    sent = header_for(reached, f"{SHOP}/cart", heard)
    assert sent == {"username": "ann", "password": "kept", "serveraddress": SHOP}
    assert header_for(reached, "debian", heard) is None
    assert heard.codes() == ["login-unencrypted"]


def test_a_program_asked_for_dockers_own_registry(
    reached: Engine, heard: Heard, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(home, KEEPS.format(HUB, "hub"), monkeypatch)
    configure(home, credsStore="drawer")
    sent = header_for(reached, "debian", heard)
    assert sent == {"username": "hub", "password": "kept", "serveraddress": HUB}


@pytest.mark.parametrize("version", ["1.22", "1.23"])
def test_a_token(version: str, heard: Heard, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines of API 1.22 know none: they are sent none."""
    helper(home, KEEPS.format(SHOP, "<token>"), monkeypatch)
    configure(home, credsStore="drawer")
    with serving(Recorder(version).serve) as place, connect(at(place.port)) as engine:
        sent = header_for(engine, f"{SHOP}/cart", heard)
    if version == "1.23":
        assert sent == {"identitytoken": "kept", "serveraddress": SHOP}
    else:
        assert sent is None
        assert heard.codes() == ["no-login"]


def test_an_old_engine_is_sent_logins(heard: Heard, home: Path, tmp_path: Path) -> None:
    configure(home, auths={SHOP: entry("ann")})
    old = Recorder("1.22")
    with serving(old.serve) as place, connect(at(place.port)) as engine:
        pull(engine, heard)
        build(engine, heard, tmp_path / "project", f"FROM {SHOP}/base\n")
    assert old.sent("/images/create", "X-Registry-Auth") == login(SHOP, "ann")
    assert old.sent("/build", "X-Registry-Config") == {SHOP: login(SHOP, "ann")}


@pytest.mark.parametrize(
    "script",
    [
        f"echo 'locked: {SECRET}'; exit 1",
        f"echo 'no JSON {SECRET}'",
        f"echo '[\"{SECRET}\"]'",
        f'echo \'{{"Secret": "{SECRET}"}}\'',
        f"printf '\\377{SECRET}'; exit 1",
    ],
)
def test_a_program_that_fails(
    script: str,
    reached: Engine,
    recorder: Recorder,
    heard: Heard,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    helper(home, script, monkeypatch)
    configure(home, credsStore="drawer")
    pull(reached, heard)
    assert recorder.sent("/images/create", "X-Registry-Auth") is None
    assert heard.notices == [
        Notice("no-login", f"{SHOP} is asked without your login: docker-credential-drawer fails.")
    ]


def test_a_program_that_is_not_there(reached: Engine, recorder: Recorder, heard: Heard, home: Path) -> None:
    configure(home, credHelpers={SHOP: "nowhere"})
    pull(reached, heard)
    assert recorder.sent("/images/create", "X-Registry-Auth") is None
    [notice] = heard.notices
    assert notice.code == "no-login"
    assert SHOP in notice.message
    assert "docker-credential-nowhere is not there" in notice.message


BROKEN = [
    f"{{{SECRET}",
    "[" * 100_000,
    "[]",
    json.dumps({"auths": 1}),
    json.dumps({"credsStore": ["a"]}),
    json.dumps({"auths": {SHOP: {"auth": 1}}}),
    json.dumps({"auths": {SHOP: {"auth": base64.b64encode(SECRET.encode()).decode()}}}),
    json.dumps({"auths": {SHOP: SECRET}}),
]


@pytest.mark.parametrize("content", BROKEN)
def test_broken_settings(
    content: str, reached: Engine, recorder: Recorder, heard: Heard, home: Path, tmp_path: Path
) -> None:
    (home / ".docker" / "config.json").write_text(content)
    pull(reached, heard)
    build(reached, heard, tmp_path / "project", f"FROM {SHOP}/base\n")
    assert recorder.sent("/images/create", "X-Registry-Auth") is None
    assert recorder.sent("/build", "X-Registry-Config") is None
    assert heard.codes() == ["no-login"] * 2
    for notice in heard.notices:
        assert SHOP in notice.message
        assert str(home / ".docker" / "config.json") in notice.message
        assert SECRET not in notice.message


def test_settings_that_cannot_be_read(reached: Engine, heard: Heard, home: Path) -> None:
    (home / ".docker" / "config.json").mkdir()
    assert header_for(reached, f"{SHOP}/cart", heard) is None
    assert heard.codes() == ["no-login"]


def test_a_broken_entry_is_in_no_others_way(reached: Engine, heard: Heard, home: Path) -> None:
    configure(home, auths={"bakery.example": {"auth": 1}, "mill.example": 7, SHOP: entry("ann")})
    assert header_for(reached, f"{SHOP}/cart", heard) == login(SHOP, "ann")
    assert heard.codes() == ["login-unencrypted"]


def test_nothing_that_is_told_holds_a_secret(
    reached: Engine, recorder: Recorder, heard: Heard, home: Path, tmp_path: Path
) -> None:
    configure(home, auths={SHOP: entry("ann")})
    recorder.refuses = True
    told: list[str] = []
    for act in (
        lambda: pull(reached, heard),
        lambda: build(reached, heard, tmp_path / "project", f"FROM {SHOP}/base\n"),
    ):
        with pytest.raises(ResinError, match="the registry is away") as caught:
            act()
        told.append(f"{caught.value} {caught.value.hint} {caught.value.facts}")
    told += [*heard.words, *(notice.message for notice in heard.notices)]
    sent = [value for _, head in recorder.heads for name, value in head.items() if "Registry" in name]
    assert len(sent) == 2
    for secret in (SECRET, entry("ann")["auth"], *sent):
        assert not [words for words in told if secret in words]


def test_it_is_said_once_that_a_login_is_sent_unencrypted(reached: Engine, heard: Heard, home: Path) -> None:
    configure(home, auths={SHOP: entry("ann"), HUB: entry("hub")})
    for reference in (f"{SHOP}/cart", f"{SHOP}/box", "debian", "debian", "free.example/a"):
        Credentials(reached, heard.warn).for_pull(reference)
    assert heard.codes() == ["login-unencrypted"] * 2
    first, second = (notice.message for notice in heard.notices)
    assert first.startswith(f"Your login for {SHOP} is sent to board unencrypted")
    assert "docker.io" in second
    assert not [notice for notice in heard.notices if SECRET in notice.message]


def test_it_is_said_each_time_where_nothing_can_be_kept(reached: Engine, heard: Heard, home: Path) -> None:
    configure(home, auths={SHOP: entry("ann")})
    (home / ".local").write_text("no folder")
    for _ in range(2):
        assert header_for(reached, f"{SHOP}/cart", heard) == login(SHOP, "ann")
    assert heard.codes() == ["login-unencrypted"] * 2


class Registry:
    """A registry that has nothing, and says so only to those who log in; `logins` are theirs."""

    def __init__(self) -> None:
        self.logins: list[str] = []

    def serve(self, connection: socket.socket, _: threading.Event) -> None:
        if connection.recv(1, socket.MSG_PEEK) == TLS:
            return
        if request := read_request(connection):
            given = re.search(rb"\r\nAuthorization: Basic (\S+)", request, re.IGNORECASE)
            if given:
                self.logins.append(base64.b64decode(given[1]).decode())
                found = b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}'
                answer = http(found, "404 Not Found")
            else:
                answer = http(b"{}", "401 Unauthorized")
            connection.sendall(answer.replace(b"\r\n\r\n", WANTS + b"\r\n\r\n", 1))


TLS = b"\x16"
"""What its first message begins with (RFC 8446, section 5.1): engines try it first."""
WANTS = b'\r\nConnection: close\r\nWWW-Authenticate: Basic realm="shop"'


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: for network namespaces")
def test_a_real_engine_logs_in(
    engine: Engine, kitchen: StandIn, heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a registry on its own loopback without TLS; and over SSH nothing is sent unencrypted."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    registry = Registry()
    with ExitStack() as stack:
        with Desk(Path(f"/proc/{kitchen.pid}/ns/net"), tmp_path).entered():
            name = str(stack.enter_context(serving(registry.serve)))
        (tmp_path / "config.json").write_text(json.dumps({"auths": {name: entry("ann")}}))
        with pytest.raises(ResinError, match="manifest"):
            fetched(engine, Service("main", image=f"{name}/cart:1"), heard, pull=True)
        by_pull = len(registry.logins)
        with pytest.raises(BuildFailed, match="manifest"):
            build(engine, heard, tmp_path / "project", f"FROM {name}/base:1\n")
    assert by_pull
    assert len(registry.logins) > by_pull
    assert set(registry.logins) == {f"ann:{SECRET}"}
    assert heard.codes() == ([] if engine.way is Way.SSH else ["login-unencrypted"])


LOADED = """
import sys
from resin_toolkit.address import Way
from resin_toolkit.device import Device
from resin_toolkit.engine import connect
from resin_toolkit.progress import Silent
from resin_toolkit.project.application import Service
from resin_toolkit.push import building
from resin_toolkit.push.fetching import fetched
from resin_toolkit.push.telling import Silence

device = Device("board", ("127.0.0.1",), engine_ports=(int(sys.argv[1]),), way=Way.TCP)
with connect(device) as engine:
    fetched(engine, Service("main", image=sys.argv[2]), Silence(Silent()), pull=True)
print("docker" in sys.modules)
"""


@pytest.mark.parametrize(
    ("settings", "is_loaded"),
    [(None, False), ({"currentContext": "default"}, False), ({"auths": {SHOP: entry("ann")}}, True)],
)
def test_dockers_library_is_loaded_only_for_logins(
    settings: dict[str, object] | None, is_loaded: bool, recorder: Recorder, home: Path
) -> None:
    if settings is not None:
        configure(home, **settings)
    with serving(recorder.serve) as place:
        words = [sys.executable, "-c", LOADED, str(place.port), f"{SHOP}/cart:1"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == f"{is_loaded}\n"
    assert (recorder.sent("/images/create", "X-Registry-Auth") is not None) == is_loaded
