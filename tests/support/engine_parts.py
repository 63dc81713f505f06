"""What the tests of the engine's parts share: a device, its engine, one of API 1.22, and archives."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from device.stand_in import StandIn, desk, stand_in

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.record import Device
from resin_toolkit.engine import Engine, connect
from support.loopback_server import serving
from support.old_engine import old_engine


@contextmanager
def device_with_image(home: Path) -> Iterator[StandIn]:
    """A stand-in device whose engine has the image `stand-in`, with none of the caller's own settings."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        table = stack.enter_context(desk())
        stack.enter_context(table.entered())
        device = stack.enter_context(stand_in(table, "kitchen", announces=False))
        device.start("first", "true")
        device.docker("rm", "-f", "first")
        yield device


@contextmanager
def connected(device: StandIn, way: str) -> Iterator[Engine]:
    """Its engine: by `tcp` or `ssh`, or as one of `1.22`."""
    with ExitStack() as stack:
        if way == "1.22":
            place = stack.enter_context(serving(old_engine((device.address, 2377))))
            known = Device(
                "old.local", (place.address,), engine_ports=(place.port,), access_method=AccessMethod.TCP
            )
        else:
            known = Device(
                device.hostname,
                (device.address,),
                access_method=AccessMethod.SSH if way == "ssh" else AccessMethod.TCP,
            )
        yield stack.enter_context(connect(known, within=5.0))


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """A tar archive with these files."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def files_in(archive: bytes) -> dict[str, bytes]:
    """The files in a tar archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        found = {entry.name: opened.extractfile(entry) for entry in opened if entry.isfile()}
    return {name: file.read() for name, file in found.items() if file}
