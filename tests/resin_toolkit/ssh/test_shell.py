"""Commands, streams, ciphers, port forwarding and settings, against a real sshd on loopback."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from support.left_threads import no_thread_is_left  # noqa: F401 - fixture
from support.ssh_servers import home_with_key, sshd  # noqa: F401 - fixtures

from resin_toolkit.errors import BadValue, NotSupported, Unreachable
from resin_toolkit.ssh import Completed, connect
from resin_toolkit.ssh.config import find_host_config, host_config
from resin_toolkit.ssh.forwarding import Forward, forward_ports, parse_forward
from resin_toolkit.terminal.attachment import EscapeFilter


@pytest.mark.root
def test_commands(home: Path) -> None:
    with sshd(home) as device, connect(device) as shell:
        assert shell.run("echo out; echo err >&2; exit 9") == Completed(9, b"out\n", b"err\n")
        assert shell.run("kill -9 $$").code == 255
        data = os.urandom(12_000_000)
        assert shell.run("cat", stdin=data, at_most=1 << 30).out == data
        assert shell.run("true", stdin=data).code == 0
        with pytest.raises(Unreachable, match="timed out: sleep"):
            shell.run("sleep 60", within=0.3)


@pytest.mark.root
def test_streams(home: Path) -> None:
    path = home.parent / "socket"
    with socket.socket(socket.AF_UNIX) as listener, sshd(home) as device, connect(device) as shell:
        listener.bind(str(path))
        listener.listen()
        stream = shell.open_unix_socket(str(path))
        far, _ = listener.accept()
        with far:
            stream.sendall(b"there")
            assert far.recv(100) == b"there"
            far.sendall(b"and back")
            buffer = bytearray(3)
            assert stream.recv_into(buffer) == 3
            assert bytes(buffer) + stream.recv(100) == b"and back"
            stream.settimeout(0.05)
            with pytest.raises(TimeoutError):
                stream.recv(1)
            stream.shutdown(socket.SHUT_WR)
            assert far.recv(1) == b""
        stream.settimeout(10)
        assert stream.recv(1) == b""
        stream.close()
        with pytest.raises(NotSupported):
            shell.open_unix_socket("/nothing/here")
        command = shell.open_command("cat")
        command.sendall(b"round")
        assert command.recv(100) == b"round"
        command.close()


@pytest.mark.root
@pytest.mark.parametrize("limit", ["1M", "default"])
def test_rekey_while_data_flows_both_ways(home: Path, limit: str) -> None:
    """The server requests new keys repeatedly, or the client does, by RekeyLimit."""
    (home / ".ssh" / "config").write_text("Host 127.0.0.1\n  RekeyLimit 2M\n" if limit == "default" else "")
    data = os.urandom(1 << 20) * 48
    with sshd(home, f"RekeyLimit {limit}") as device, connect(device) as shell:
        assert shell.run("cat", stdin=data, within=120, at_most=1 << 30).out == data
        assert shell.run("echo still").out == b"still\n"


@pytest.mark.root
@pytest.mark.parametrize(
    ("ciphers", "macs"),
    [
        ("aes256-gcm@openssh.com", "hmac-sha2-256"),
        ("aes128-ctr", "hmac-sha2-256-etm@openssh.com"),
        ("aes192-ctr", "hmac-sha1"),
        ("aes256-ctr", "hmac-sha2-512"),
    ],
)
def test_every_cipher_and_mac(home: Path, ciphers: str, macs: str) -> None:
    data = os.urandom(3_000_000)
    options = (f"Ciphers {ciphers}", f"MACs {macs}", "RekeyLimit 1M")
    with sshd(home, *options) as device, connect(device) as shell:
        assert shell.run("cat", stdin=data, within=60, at_most=1 << 30).out == data


@pytest.mark.root
def test_port_forwarding(home: Path) -> None:
    with sshd(home) as device, connect(device) as shell, socket.create_server(("127.0.0.1", 0)) as there:
        warned: list[str] = []
        ports = [Forward("127.0.0.1", 0, "127.0.0.1", port) for port in (there.getsockname()[1], 1)]
        with forward_ports(shell, ports, warned.append) as at:
            near = socket.create_connection(at[0])
            far, _ = there.accept()
            with near, far:
                near.sendall(b"over")
                assert far.recv(100) == b"over"
                far.sendall(b"back")
                far.shutdown(socket.SHUT_WR)
                assert near.recv(100) == b"back"
                assert near.recv(100) == b""
            with socket.create_connection(at[1]) as refused:
                assert refused.recv(1) == b""
            left_open = socket.create_connection(at[0])
        left_open.close()
        assert len(warned) == 1


def test_host_config(home: Path) -> None:
    (home / ".ssh" / "config.d").mkdir()
    (home / ".ssh" / "config.d" / "lab").write_text(
        "Host lab* !lab9\n  User pi\n  Port 2200\n  HostName 10.0.0.7\n"
    )
    text = "Include config.d/*\nHost *\n  User alice\n  IdentityFile ~/.ssh/mine\n  IdentitiesOnly yes\n"
    (home / ".ssh" / "config").write_text(text)
    lab = find_host_config("lab1")
    assert lab is not None
    assert (lab.host, lab.user, lab.port) == ("10.0.0.7", "pi", 2200)
    assert find_host_config("lab9") is None
    assert find_host_config("kitchen.local") is None
    kitchen = host_config("kitchen.local")
    assert (kitchen.user, kitchen.identity_files, kitchen.identities_only) == (
        None,
        (home / ".ssh" / "mine",),
        True,
    )


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("8080:localhost:80", Forward("127.0.0.1", 8080, "localhost", 80)),
        ("*:1:a.b:2", Forward("", 1, "a.b", 2)),
        ("[::1]:1:[fe80::1]:2", Forward("::1", 1, "fe80::1", 2)),
    ],
)
def test_parse_forward(word: str, meaning: Forward) -> None:
    assert parse_forward(word) == meaning


@pytest.mark.parametrize(
    "word", ["", "80", "80:host", "x:host:1", "1:host:0", "99999:host:1", "1:host:99999"]
)
def test_an_invalid_forward_is_an_error(word: str) -> None:
    with pytest.raises(BadValue):
        parse_forward(word)


@pytest.mark.parametrize(
    ("typed", "through", "leaves"),
    [
        ([b"~."], b"", True),
        ([b"ls~.\r"], b"ls~.\r", False),
        ([b"ls\r", b"~", b"."], b"ls\r", True),
        ([b"\r~~."], b"\r~.", False),
        ([b"\r~x"], b"\r~x", False),
    ],
)
def test_escapes(typed: list[bytes], through: bytes, leaves: bool) -> None:
    escapes = EscapeFilter()
    taken = [escapes.filter(keys) for keys in typed]
    assert b"".join(data for data, _ in taken) == through
    assert any(left for _, left in taken) == leaves
