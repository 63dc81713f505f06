"""Images of the workstation's engine sent to a device: two real engines, and what passes is counted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from device.stand_in import StandIn
from support.choosy_engine import Choosy
from support.engine_parts import connected, files_in, tar_of
from support.loopback_server import serving
from support.sent_images import (
    MIB,
    Hearing,
    connection_port,
    emptied,
    made,
    parts,
    received,
    shown,
    two_engines,
)

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.record import Device
from resin_toolkit.engine import Engine, connect
from resin_toolkit.engine.images import Images
from resin_toolkit.engine.workstation_engine import connect_workstation
from resin_toolkit.errors import BadValue, EngineFailed, ImageNotFound, Unreachable
from resin_toolkit.push.transfer.images import send_if_here, send_image
from resin_toolkit.push.transfer.partial_archive import PART_LABEL, TIME_LABEL

pytestmark = pytest.mark.root

SIZES = (3 * MIB, 20 * MIB, 18 * MIB, 5000)
"""What is put into the layers of the image, above the base."""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandIn, StandIn]]:
    with two_engines(tmp_path_factory.mktemp("home")) as engines:
        made("cart:1", "stand-in", SIZES)
        made("cart:2", "cart:1", [MIB], first=10)
        yield engines


@pytest.fixture
def kitchen(both: tuple[StandIn, StandIn]) -> Iterator[StandIn]:
    yield both[0]
    emptied(both[0])


@pytest.fixture
def bench(both: tuple[StandIn, StandIn]) -> StandIn:
    return both[1]


def test_an_image_is_sent_unchanged_and_then_only_new_layers(
    engine: Engine, kitchen: StandIn, bench: StandIn
) -> None:
    first, again, second = Hearing(), Hearing(), Hearing()
    assert send_if_here(engine, "cart:1", first, "main")
    assert shown(kitchen, "cart:1") == shown(bench, "cart:1")
    assert first.totals == [first.sent]
    assert first.sent > sum(SIZES)
    script = ["run", "--rm", "--network", "host", "cart:1", "sh", "-c", "echo $A; sha256sum /file*"]
    assert kitchen.docker(*script) == bench.docker(*script)
    before = received(kitchen)
    assert send_if_here(engine, "cart:1", again, "main")
    assert again.totals == []
    assert send_if_here(engine, "cart:2", second, "main")
    assert received(kitchen) - before < 2 * MIB
    assert MIB < second.sent < MIB + 5000
    assert shown(kitchen, "cart:2") == shown(bench, "cart:2")
    assert parts(kitchen) == []


def test_layers_sent_before_a_cut_are_not_sent_again(
    engine: Engine, kitchen: StandIn, bench: StandIn
) -> None:
    def cut(sent: int) -> None:
        if sent > 35 * MIB:
            kitchen.kill_sockets(connection_port(kitchen, engine))

    with pytest.raises(Unreachable):
        send_image(engine, "cart:1", Hearing(cut), "main")
    assert parts(kitchen)
    assert kitchen.docker("image", "ls", "--quiet", "cart") == ""
    rest, before = Hearing(), received(kitchen)
    with connected(kitchen, "1.22" if engine.api_version == "1.22" else "tcp") as anew:
        assert send_image(anew, "cart:1", rest, "main") == "cart:1"
    assert 18 * MIB < rest.sent < 18 * MIB + 20_000
    assert received(kitchen) - before < 20 * MIB
    assert rest.totals == [rest.sent]
    assert shown(kitchen, "cart:1") == shown(bench, "cart:1")
    assert parts(kitchen) == []


def test_an_image_whose_layers_are_all_present(modern: Engine, kitchen: StandIn, bench: StandIn) -> None:
    made("cart:3", "cart:1", [], more="ENV C=d")
    send_image(modern, "cart:1", Hearing(), "main")
    listener = Hearing()
    assert send_image(modern, "cart:3", listener, "main") == "cart:3"
    assert (listener.sent, listener.totals) == (0, [0])
    assert shown(kitchen, "cart:3") == shown(bench, "cart:3")


def test_names(modern: Engine, kitchen: StandIn, bench: StandIn) -> None:
    bench.docker("tag", "cart:2", "shop.example:5000/cart")
    bench.docker("tag", "cart:1", "shop.example:5000/cart:old")
    identity = bench.docker("image", "inspect", "--format", "{{.Id}}", "cart:2").strip()
    assert send_image(modern, identity[:19], Hearing(), "main") == identity
    assert kitchen.docker("image", "ls", "--format", "{{.Repository}}").split() == ["<none>"]
    name = "shop.example:5000/cart:latest"
    assert send_image(modern, "shop.example:5000/cart", Hearing(), "main") == name
    assert Images(modern).inspect("shop.example:5000/cart") is not None
    assert kitchen.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split() == [name]
    assert not send_if_here(modern, f"cart@{identity}", Hearing(), "main")
    bench.docker("rmi", "shop.example:5000/cart:latest", "shop.example:5000/cart:old")


def test_an_image_that_is_not_on_the_workstation(
    modern: Engine, kitchen: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not send_if_here(modern, "absent:1", Hearing(), "main")
    with pytest.raises(ImageNotFound, match="neither a file absent:1 nor an image"):
        send_image(modern, "absent:1", Hearing(), "main")
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")
    assert not send_if_here(modern, "cart:1", Hearing(), "main")
    with pytest.raises(ImageNotFound, match="no engine on this workstation") as caught:
        send_image(modern, "cart:1", Hearing(), "main")
    assert "/no/such.sock" in caught.value.hint
    assert kitchen.docker("image", "ls", "--quiet") == ""


def test_an_image_for_another_architecture(modern: Engine, kitchen: StandIn, bench: StandIn) -> None:
    with connect_workstation() as local:
        with local.save("stand-in:latest") as stream:
            files = files_in(b"".join(iter(stream.read, b"")))
        name = json.loads(files["manifest.json"])[0]["Config"]
        files[name] = files[name].replace(b'"architecture":"amd64"', b'"architecture":"arm"')
        files["manifest.json"] = files["manifest.json"].replace(b"stand-in:latest", b"other:1")
        list(local.client.load_image(tar_of(files)))
    assert bench.docker("image", "inspect", "--format", "{{.Architecture}}", "other:1").strip() == "arm"
    listener = Hearing()
    assert not send_if_here(modern, "other:1", listener, "main")
    [notice] = listener.notices
    assert notice.code == "other-architecture"
    assert "other:1 on this workstation is built for arm, but kitchen" in notice.message
    with pytest.raises(BadValue, match="is for arm, but kitchen"):
        send_image(modern, "other:1", Hearing(), "main")
    assert kitchen.docker("image", "ls", "--quiet") == ""


def test_abandoned_partial_images_are_removed(modern: Engine, kitchen: StandIn) -> None:
    send_image(modern, "stand-in", Hearing(), "main")
    details = Images(modern).inspect("stand-in")
    assert details is not None
    for seconds in (3600, 8 * 24 * 3600):
        labels = f"LABEL {PART_LABEL}=sha256:of-another {TIME_LABEL}={int(time.time()) - seconds}"
        kitchen.run("sh", "-c", f"printf 'FROM stand-in\\n{labels}\\n' | docker build -")
    assert len(parts(kitchen)) == 2
    made("cup:1", "stand-in", [100])
    send_image(modern, "cup:1", Hearing(), "main")
    assert len(parts(kitchen)) == 1


@pytest.mark.parametrize("tells", [True, False])
def test_an_engine_that_accepts_only_complete_images(kitchen: StandIn, bench: StandIn, tells: bool) -> None:
    choosy = Choosy((kitchen.address, 2377), tells=tells)
    listener = Hearing()
    with (
        serving(choosy.serve) as place,
        connect(
            Device("new.local", (place.address,), engine_ports=(place.port,), access_method=AccessMethod.TCP)
        ) as engine,
    ):
        assert send_image(engine, "cart:1", listener, "main") == "cart:1"
        assert send_image(engine, "cart:2", listener, "main") == "cart:2"
    assert choosy.loads[-1]
    assert choosy.loads.count(True) == (2 if tells else 3)
    assert shown(kitchen, "cart:2") == shown(bench, "cart:2")
    assert parts(kitchen) == []


def test_a_layer_that_is_removed_during_the_transfer(modern: Engine, kitchen: StandIn) -> None:
    """An engine that refuses a part for another reason is not sent all of it."""
    is_done = False

    def lose(sent: int) -> None:
        nonlocal is_done
        if sent > 24 * MIB and not is_done:
            is_done = True
            kitchen.docker("image", "prune", "--all", "--force")

    send_image(modern, "stand-in", Hearing(), "main")
    listener = Hearing(lose)
    with pytest.raises(EngineFailed):
        send_image(modern, "cart:1", listener, "main")
    assert len(listener.totals) == 1
    assert send_image(modern, "cart:1", Hearing(), "main") == "cart:1"
