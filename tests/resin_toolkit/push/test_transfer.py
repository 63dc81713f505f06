"""Images of the workstation sent to a device: two real engines, and what passes between them is counted."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator

import pytest
from device.stand_in import StandIn, desk, stand_in
from engine_parts import connected, tar_of

from resin_toolkit.engine import Engine
from resin_toolkit.engine.building import BuildOptions, build
from resin_toolkit.engine.local import connect_local
from resin_toolkit.errors import Notice
from resin_toolkit.progress import SilentStep
from resin_toolkit.push.telling import Silence
from resin_toolkit.push.transfer import send_if_here
from resin_toolkit.push.transfer_parts import PART_LABEL

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: for network namespaces")

MIB = 1024 * 1024
SIZES = (3 * MIB, 20 * MIB, 18 * MIB, 5000)
"""What is put into the layers of the image, one each, above the base; none can be compressed."""
BASE = "stand-in"


class Counting(SilentStep):
    """A progress that counts the bytes of layers that are sent; `at` is called with their sum so far."""

    def __init__(self, at: Callable[[int], None] = lambda _: None) -> None:
        self.sent = 0
        self.totals: list[int | None] = []
        self._at = at

    def step(self, name: str, total: int | None, *, subject: str = "") -> SilentStep:
        assert subject == "main"
        if name != "sending":
            return SilentStep()
        self.totals.append(total)
        return self

    def advance(self, amount: int) -> None:
        self.sent += amount
        self._at(self.sent)


class Hearing(Silence):
    """Keeps what is told."""

    def __init__(self, at: Callable[[int], None] = lambda _: None) -> None:
        self.counting = Counting(at)
        super().__init__(self.counting)
        self.notices: list[Notice] = []

    def warn(self, notice: Notice) -> None:
        self.notices.append(notice)

    @property
    def sent(self) -> int:
        return self.counting.sent


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandIn, StandIn]]:
    """A device, and what stands for the workstation: its engine is that of the other stand-in."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch, desk() as table, table.entered():
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        with (
            stand_in(table, "kitchen", announces=False) as kitchen,
            stand_in(table, "bench", announces=False) as bench,
        ):
            patch.setenv("DOCKER_HOST", f"unix:///proc/{bench.pid}/root/run/docker.sock")
            bench.start("first", "true")
            bench.docker("rm", "-f", "first")
            with connect_local() as local:
                build_image(local, "cart:1")
            yield kitchen, bench


@pytest.fixture
def kitchen(both: tuple[StandIn, StandIn]) -> Iterator[StandIn]:
    yield both[0]
    for container in both[0].docker("ps", "--all", "--quiet").split():
        both[0].docker("rm", "--force", container)
    both[0].docker("image", "prune", "--all", "--force")


@pytest.fixture
def bench(both: tuple[StandIn, StandIn]) -> StandIn:
    return both[1]


@pytest.fixture(params=["tcp", "ssh", "1.22"])
def engine(request: pytest.FixtureRequest, kitchen: StandIn) -> Iterator[Engine]:
    with connected(kitchen, request.param) as found:
        yield found


@pytest.fixture
def modern(kitchen: StandIn) -> Iterator[Engine]:
    with connected(kitchen, "tcp") as found:
        yield found


def build_image(engine: Engine, tag: str, sizes: tuple[int, ...] = SIZES, more: str = "") -> None:
    content = {f"file{number}": random.Random(number).randbytes(size) for number, size in enumerate(sizes)}
    # The same layer twice: an empty folder of the same time is not to be had by COPY, an ENV makes none.
    lines = [f"FROM {BASE}", *(f"COPY {name} /{name}" for name in content), "ENV A=b", more]
    with build(
        engine, [tar_of({"Dockerfile": "\n".join(lines).encode(), **content})], BuildOptions(tags=(tag,))
    ) as going:
        for _ in going:
            pass


def shown(device: StandIn, image: str) -> dict[str, object]:
    """What `docker inspect` tells of an image, but for what an engine does with it."""
    [told] = json.loads(device.docker("image", "inspect", image))
    return {
        key: value
        for key, value in told.items()
        if key not in ("Parent", "GraphDriver", "Metadata", "Size", "VirtualSize")
    }


def parts(device: StandIn) -> list[str]:
    return device.docker("image", "ls", "--quiet", "--filter", f"label={PART_LABEL}").split()


def test_an_image_of_the_workstations_engine(engine: Engine, kitchen: StandIn, bench: StandIn) -> None:
    telling = Hearing()
    assert send_if_here(engine, "cart:1", telling, "main")
    assert shown(kitchen, "cart:1") == shown(bench, "cart:1")
    assert parts(kitchen) == []
    assert telling.counting.totals == [telling.sent]
    assert telling.sent > sum(SIZES)
    out = kitchen.docker("run", "--network", "host", "cart:1", "sh", "-c", "echo $A; sha256sum /file1")
    assert out == bench.docker(
        "run", "--rm", "--network", "host", "cart:1", "sh", "-c", "echo $A; sha256sum /file1"
    )
