"""Which algorithms are offered, and what is said of old ones."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

import paramiko
import pytest
from support.ssh_servers import home_with_key, keygen, sshd  # noqa: F401 - fixtures

from resin_toolkit.device.record import Device
from resin_toolkit.errors import HostKeyInvalid, StateDamaged, Unreachable
from resin_toolkit.ssh import connect, fetch_host_key
from resin_toolkit.ssh.host_keys import FILE, forget_key, pinned_key
from resin_toolkit.state import state_folder

OLD = (
    "KexAlgorithms diffie-hellman-group14-sha1",
    "HostKeyAlgorithms ssh-rsa",
    "Ciphers aes128-ctr",
    "MACs hmac-sha1",
)


@pytest.mark.root
def test_an_old_server_is_warned_of_once(home: Path) -> None:
    keygen(home / "rsa", "-t", "rsa", "-b", "2048")
    told: list[str] = []
    with sshd(home, *OLD, key=home / "rsa") as device:
        for _ in range(2):
            connect(device, tell=told.append).close()
    added, warned = told
    assert "added the host key" in added
    assert "diffie-hellman-group14-sha1, hmac-sha1, ssh-rsa" in warned


@pytest.mark.root
def test_what_is_better_is_used_where_both_know_it(home: Path) -> None:
    told: list[str] = []
    with sshd(home, "KexAlgorithms +diffie-hellman-group14-sha1", "MACs +hmac-sha1") as device:
        connect(device, tell=told.append).close()
    assert len(told) == 1


@pytest.mark.root
@pytest.mark.parametrize(
    "option",
    [
        "KexAlgorithms diffie-hellman-group1-sha1",
        "KexAlgorithms diffie-hellman-group-exchange-sha256",
        "Ciphers 3des-cbc",
        "Ciphers aes256-cbc",
        "MACs hmac-md5-96",
    ],
)
def test_a_broken_algorithm_is_not_offered(home: Path, option: str) -> None:
    options = [option] if option.startswith("Kex") else [option, "Ciphers aes128-ctr"]
    with sshd(home, *options) as device, pytest.raises(Unreachable) as raised:
        connect(device)
    assert raised.value.facts["cause"] == "algorithms"
    assert option.split()[1] in raised.value.message


class WrongSignature(paramiko.ECDSAKey):
    """Signs something else than it is asked to."""

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> Any:
        return super().sign_ssh_data(data + b"x", algorithm)


def test_a_wrong_signature_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                transport = paramiko.Transport(listener.accept()[0])
                generated = paramiko.ECDSAKey.generate()
                transport.add_server_key(
                    WrongSignature(vals=(generated.signing_key, generated.verifying_key))
                )
                transport.start_server(event=threading.Event(), server=paramiko.ServerInterface())
                transport.join(30)

        thread = threading.Thread(target=serve)
        thread.start()
        device = Device("127.0.0.1", ("127.0.0.1",), ssh_port=listener.getsockname()[1])
        for contact in (connect, fetch_host_key):
            with pytest.raises(HostKeyInvalid, match="cannot prove"):
                contact(device)
        thread.join()
    assert pinned_key(device) is None


@pytest.mark.root
@pytest.mark.parametrize("damage", ["cut", "list", "link", "entry"])
def test_damaged_pins_are_an_error_and_not_a_new_device(home: Path, damage: str) -> None:
    with sshd(home) as device:
        connect(device).close()
        path = state_folder() / FILE
        text = path.read_text()
        if damage == "cut":
            path.write_text(text[:-3])
        elif damage == "list":
            path.write_text("[]")
        elif damage == "link":
            path.unlink()
            (home / "elsewhere").write_text("{}")
            path.symlink_to(home / "elsewhere")
        else:
            path.write_text(
                json.dumps({name: {"type": "ssh-ed25519", "key": "!"} for name in json.loads(text)})
            )
        before = path.read_text()
        with pytest.raises(StateDamaged) as raised:
            connect(device)
        assert str(path) in raised.value.message
        assert path.read_text() == before
        if damage == "entry":
            assert "--forget-key" in raised.value.hint
            forget_key(device)
            connect(device).close()
