"""Logins of registries: which of them an engine is sent, seen by one that keeps what it is asked."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from device.stand_in import Desk, StandIn
from support.loopback_server import http, read_request, serving
from support.registry_logins import (  # noqa: F401 - fixtures
    HUB,
    SECRET,
    SHOP,
    Heard,
    Recorder,
    at,
    build,
    configure,
    entry,
    header_for,
    login,
    nobodys_home,
    pull,
    reached_engine,
    recording_engine,
    what_is_heard,
)

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.engine import Engine, connect
from resin_toolkit.errors import BuildFailed, ResinError
from resin_toolkit.project.application import Service
from resin_toolkit.push.apply.image_fetch import fetch_image


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


def test_an_old_engine_is_sent_logins(heard: Heard, home: Path, tmp_path: Path) -> None:
    configure(home, auths={SHOP: entry("ann")})
    old = Recorder("1.22")
    with serving(old.serve) as place, connect(at(place.port)) as engine:
        pull(engine, heard)
        build(engine, heard, tmp_path / "project", f"FROM {SHOP}/base\n")
    assert old.sent("/images/create", "X-Registry-Auth") == login(SHOP, "ann")
    assert old.sent("/build", "X-Registry-Config") == {SHOP: login(SHOP, "ann")}


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


@pytest.mark.root
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
            fetch_image(engine, Service("main", image=f"{name}/cart:1"), heard, pull=True)
        by_pull = len(registry.logins)
        with pytest.raises(BuildFailed, match="manifest"):
            build(engine, heard, tmp_path / "project", f"FROM {name}/base:1\n")
    assert by_pull
    assert len(registry.logins) > by_pull
    assert set(registry.logins) == {f"ann:{SECRET}"}
    assert heard.codes() == ([] if engine.access_method is AccessMethod.SSH else ["login-unencrypted"])


LOADED = """
import sys
from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.record import Device
from resin_toolkit.engine import connect
from resin_toolkit.progress import SilentProgress
from resin_toolkit.project.application import Service
from resin_toolkit.push.apply.image_fetch import fetch_image


class Listener:
    progress = SilentProgress()
    step = warn = lambda *_: None


device = Device("board", ("127.0.0.1",), engine_ports=(int(sys.argv[1]),), access_method=AccessMethod.TCP)
with connect(device) as engine:
    fetch_image(engine, Service("main", image=sys.argv[2]), Listener(), pull=True)
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
