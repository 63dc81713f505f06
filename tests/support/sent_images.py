"""What the tests of sending images share: two real engines, images in layers, and who counts what is sent."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from device.stand_in import StandIn, desk, stand_in

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.engine import Engine
from resin_toolkit.engine.workstation_engine import connect_workstation
from resin_toolkit.errors import Notice
from resin_toolkit.progress import SilentStep
from resin_toolkit.push.transfer.partial_archive import PART_LABEL
from support.deployment_listeners import SilentListener
from support.engine_parts import tar_of

MIB = 1024 * 1024
_OF_THE_ENGINE = ("Parent", "GraphDriver", "Metadata", "Size", "VirtualSize")


class Counting(SilentStep):
    """A progress that counts the bytes of layers that are sent; `at` is called with their sum so far."""

    def __init__(self, at: Callable[[int], None]) -> None:
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


class Hearing(SilentListener):
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

    @property
    def totals(self) -> list[int | None]:
        return self.counting.totals


@contextmanager
def two_engines(home: Path) -> Iterator[tuple[StandIn, StandIn]]:
    """A device, and one whose engine is found as the workstation's; that one has the image `stand-in`."""
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
            yield kitchen, bench


def emptied(device: StandIn) -> None:
    """Take a device all of its containers and images."""
    for container in device.docker("ps", "--all", "--quiet").split():
        device.docker("rm", "--force", container)
    device.docker("image", "prune", "--all", "--force")
    assert device.docker("image", "ls", "--quiet") == ""


def made(tag: str, base: str, sizes: Sequence[int], *, first: int = 0, more: str = "") -> None:
    """Build an image on the workstation: on `base`, a layer of each size that nothing can compress."""
    content = {f"file{n}": random.Random(n).randbytes(size) for n, size in enumerate(sizes, first)}
    lines = [f"FROM {base}", *(f"COPY {name} /{name}" for name in content), "ENV A=b", more]
    archive = tar_of({"Dockerfile": "\n".join(lines).encode(), **content})
    with connect_workstation() as local:
        steps = local.client.build(fileobj=io.BytesIO(archive), custom_context=True, tag=tag, decode=True)
        assert [step["error"] for step in steps if "error" in step] == []


def shown(device: StandIn, image: str) -> dict[str, object]:
    """What `docker inspect` tells of an image, but for how an engine keeps it."""
    [told] = json.loads(device.docker("image", "inspect", image))
    return {key: value for key, value in told.items() if key not in _OF_THE_ENGINE}


def parts(device: StandIn) -> list[str]:
    """The images on a device that are parts of one that is on its way."""
    return device.docker("image", "ls", "--quiet", "--filter", f"label={PART_LABEL}").split()


def received(device: StandIn) -> int:
    """Bytes that have come in at the device's cable."""
    for line in Path(f"/proc/{device.pid}/net/dev").read_text().splitlines():
        name, _, figures = line.partition(":")
        if name.strip() == "eth0":
            return int(figures.split()[0])
    raise AssertionError("no cable")


def connection_port(device: StandIn, engine: Engine) -> int:
    """The port of the device by which its engine is reached."""
    return device.ssh_port if engine.access_method is AccessMethod.SSH else 2377
