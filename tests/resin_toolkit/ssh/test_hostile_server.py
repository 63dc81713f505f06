"""A server, or somebody between, that breaks the protocol: the connection ends, and nothing false is read."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest
from support.left_threads import no_thread_is_left  # noqa: F401 - fixture
from support.ssh_servers import home_with_key, sshd  # noqa: F401 - fixtures

from resin_toolkit.device.record import Device
from resin_toolkit.errors import Unreachable
from resin_toolkit.ssh import Stream, channels, connect


class Tamperer:
    """A proxy on loopback. Once armed, it flips one bit of what the server sends, `after` bytes later."""

    def __init__(self, listener: socket.socket, port: int, after: int) -> None:
        self._listener, self._port, self._left = listener, port, after
        self.is_armed = self.has_flipped = False

    def serve(self) -> None:
        near, _ = self._listener.accept()
        with near, socket.create_connection(("127.0.0.1", self._port)) as far:
            upward = threading.Thread(target=self._copy, args=(near, far, False))
            upward.start()
            self._copy(far, near, True)
            upward.join()

    def _copy(self, source: socket.socket, target: socket.socket, is_downward: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(self._changed(data) if is_downward and self.is_armed else data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def _changed(self, data: bytes) -> bytes:
        at, self._left = self._left, self._left - len(data)
        if self.has_flipped or at >= len(data):
            return data
        self.has_flipped = True
        return data[:at] + bytes((data[at] ^ 0x10,)) + data[at + 1 :]


@contextmanager
def tampering(device: Device, after: int) -> Iterator[tuple[Device, Tamperer]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Tamperer(listener, device.ssh_port, after)
        thread = threading.Thread(target=proxy.serve)
        thread.start()
        yield Device("127.0.0.1", ("127.0.0.1",), ssh_port=listener.getsockname()[1]), proxy
        thread.join()


def read_to_the_end(stream: Stream, received: bytearray) -> None:
    while piece := stream.recv(1 << 16):
        received += piece


@pytest.mark.root
@pytest.mark.parametrize(
    ("ciphers", "macs"),
    [
        ("aes128-gcm@openssh.com", "hmac-sha2-256"),
        ("aes128-ctr", "hmac-sha2-256-etm@openssh.com"),
        ("aes128-ctr", "hmac-sha2-256"),
        ("aes256-ctr", "hmac-sha1"),
    ],
)
def test_a_packet_that_was_tampered_with_ends_the_connection(home: Path, ciphers: str, macs: str) -> None:
    """The bit is one of the data, 100,000 bytes into it: without a check, it would be read as it came."""
    data = os.urandom(4096) * 256
    (home / "data").write_bytes(data)
    with (
        sshd(home, f"Ciphers {ciphers}", f"MACs {macs}") as server,
        tampering(server, 100_000) as (device, proxy),
        connect(device) as shell,
    ):
        assert shell.run(f"cat {home}/data", at_most=1 << 30).out == data
        stream = shell.open_command(f"read line; cat {home}/data")
        proxy.is_armed = True
        stream.sendall(b"go\n")
        received = bytearray()
        with pytest.raises(ConnectionResetError):
            read_to_the_end(stream, received)
        assert proxy.has_flipped
        assert len(received) < len(data)
        assert data.startswith(received)
        with pytest.raises(Unreachable):
            shell.run("true")


class Flooder(paramiko.ServerInterface):
    """Lets anybody log in and run a command, whose output is sent without regard to the window."""

    def __init__(self, is_stderr: bool) -> None:
        self.is_stderr = is_stderr
        self.has_command = threading.Event()

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "none"

    def check_auth_none(self, username: str) -> int:  # noqa: ARG002
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:  # noqa: ARG002
        self.has_command.set()
        return True


@pytest.mark.parametrize("is_stderr", [False, True])
@pytest.mark.parametrize("is_stream", [False, True])
def test_a_server_that_ignores_the_window_is_cut_off(home: Path, is_stderr: bool, is_stream: bool) -> None:  # noqa: ARG001
    sent = 0
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            nonlocal sent
            transport = paramiko.Transport(listener.accept()[0])
            transport.add_server_key(paramiko.ECDSAKey.generate())
            flooder = Flooder(is_stderr)
            transport.start_server(event=threading.Event(), server=flooder)
            channel = transport.accept(30)
            assert channel is not None
            assert flooder.has_command.wait(30)
            send = channel.send_stderr if is_stderr else channel.send
            while transport.is_active() and sent < 8 * channels.WINDOW:
                channel.out_window_size = 1 << 30  # type: ignore[attr-defined]
                try:
                    sent += send(bytes(30_000))
                except (EOFError, OSError, paramiko.SSHException):
                    break  # The client has closed the connection.
            transport.close()
            transport.join(30)

        thread = threading.Thread(target=serve)
        thread.start()
        device = Device("127.0.0.1", ("127.0.0.1",), ssh_port=listener.getsockname()[1])
        with connect(device) as shell:
            if is_stream:
                shell.open_command("yes")
            else:
                shell.start("yes")
            with pytest.raises(Unreachable):
                shell.wait()
        thread.join()
    assert channels.WINDOW < sent < 8 * channels.WINDOW
