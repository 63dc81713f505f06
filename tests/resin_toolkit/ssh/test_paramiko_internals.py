"""The overridden and undocumented names of paramiko still exist, and the list of them is complete."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from resin_toolkit.ssh import paramiko_internals
from resin_toolkit.ssh.channels import CommandChannel, StreamChannel
from resin_toolkit.ssh.keys import Agent
from resin_toolkit.ssh.packetizer import Packetizer
from resin_toolkit.ssh.transport import Transport
from resin_toolkit.ssh.userauth import UserAuthentication

OURS: dict[str, tuple[type, ...]] = {
    "packet.Packetizer": (Packetizer,),
    "transport.Transport": (Transport,),
    "channel.Channel": (StreamChannel, CommandChannel),
    "auth_handler.AuthHandler": (UserAuthentication,),
    "agent.AgentSSH": (Agent,),
}


def of_paramiko(path: str) -> Any:
    module, name = path.split(".")
    return getattr(importlib.import_module(f"paramiko.{module}"), name)


@pytest.fixture
def instances() -> Iterator[dict[str, object]]:
    """One object of each class: some names are attributes that a constructor sets."""
    connection = socket.socket()
    transport = of_paramiko("transport.Transport")(connection)
    yield {
        "packet.Packetizer": transport.packetizer,
        "transport.Transport": transport,
        "channel.Channel": of_paramiko("channel.Channel")(0),
        "auth_handler.AuthHandler": of_paramiko("auth_handler.AuthHandler")(transport),
        "agent.AgentSSH": of_paramiko("agent.AgentSSH")(),
    }
    connection.close()


@pytest.mark.parametrize("path", OURS)
def test_every_name_still_exists(path: str, instances: dict[str, object]) -> None:
    for name in (*paramiko_internals.OVERRIDDEN[path], *paramiko_internals.USED[path]):
        assert hasattr(instances[path], name), (
            f"paramiko has no {path}.{name} any more, which resin_toolkit/ssh overrides or uses: "
            "find out what replaced it, and change the subclass and paramiko_internals.py"
        )


@pytest.mark.parametrize("path", OURS)
def test_every_override_is_listed(path: str) -> None:
    base = of_paramiko(path)
    overridden = {
        name
        for ours in OURS[path]
        for name in vars(ours)
        if hasattr(base, name) and not name.startswith("__")
    }
    listed = set(paramiko_internals.OVERRIDDEN[path])
    assert overridden <= listed, f"list them in paramiko_internals.py: {sorted(overridden - listed)}"
    unused = {name for name in listed - overridden if callable(getattr(base, name))}
    assert not unused, f"no longer overridden; remove them from paramiko_internals.py: {sorted(unused)}"
