"""An SSH server on loopback that lets anybody log in, and then breaks the protocol as a test tells it to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import paramiko
from paramiko.common import (
    MSG_CHANNEL_OPEN,
    MSG_CHANNEL_REQUEST,
    MSG_KEXINIT,
    MSG_SERVICE_REQUEST,
    MSG_USERAUTH_REQUEST,
)

from resin_toolkit.device.record import Device

PATIENCE = 30
NOISE = 0.1
"""Seconds between two messages of a server that says everything but what it was asked."""

IGNORE, DEBUG, SERVICE_ACCEPT, EXT_INFO, KEX_INIT = 2, 4, 6, 7, 30
AUTH_FAILURE, AUTH_BANNER, INFO_REQUEST = 51, 53, 60
GLOBAL_REQUEST = 80
OPEN, WINDOW_ADJUST, DATA, EXTENDED_DATA, REQUEST, CHANNEL_SUCCESS = 90, 93, 94, 95, 98, 99

PHASES = {
    "key exchange": {MSG_KEXINIT, KEX_INIT},
    "service request": {MSG_SERVICE_REQUEST},
    "login": {MSG_USERAUTH_REQUEST},
    "channel": {MSG_CHANNEL_OPEN},
    "command": {MSG_CHANNEL_REQUEST},
}
"""The messages that a server ignores to hang in a phase."""


class Server(paramiko.ServerInterface):
    """Accepts every login without credentials, every channel and every command."""

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "none"

    def check_auth_none(self, username: str) -> int:  # noqa: ARG002
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:  # noqa: ARG002
        return True

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:  # noqa: ARG002
        return True

    def check_channel_pty_request(self, *_: object) -> bool:
        return True


class Peer:
    """The server's end of one connection. `transport` is paramiko's; messages can be sent past it."""

    def __init__(self, connection: socket.socket, key: paramiko.PKey) -> None:
        self.connection = connection
        self.server = Server()
        self._has_answered = threading.Event()
        self.transport: Any = paramiko.Transport(connection)
        self.transport.add_server_key(key)
        # paramiko's timer is a thread that outlives a handshake that fails.
        self.transport.packetizer.start_handshake = lambda timeout: None  # noqa: ARG005
        self.sent = 0
        """Bytes of data sent."""

    def start(self, *, silent_about: Collection[int] = ()) -> None:
        """Answer everything in a thread, but no message of these kinds."""
        read = self.transport.packetizer.read_message

        def read_message() -> Any:
            while True:
                kind, message = read()
                if kind not in silent_about:
                    return kind, message

        self.transport.packetizer.read_message = read_message
        send = self.transport._send_user_message

        def send_message(message: paramiko.Message) -> None:
            send(message)
            if message.asbytes()[0] == CHANNEL_SUCCESS:
                self._has_answered.set()

        self.transport._send_user_message = send_message
        self.transport.start_server(event=threading.Event(), server=self.server)

    def channel(self) -> Any:
        """The channel of the first command, once it was started."""
        channel = self.transport.accept(PATIENCE)
        assert channel is not None
        assert self._has_answered.wait(PATIENCE)
        return channel

    def send(self, kind: int, *fields: bytes | int | bool) -> None:
        """Send a message of these fields: an integer of 32 bits, a boolean, or a string."""
        message = paramiko.Message()
        message.add_byte(bytes([kind]))
        for each in fields:
            if isinstance(each, bool):
                message.add_boolean(each)
            elif isinstance(each, int):
                message.add_int(each)
            else:
                message.add_string(each)
        self.transport._send_message(message)

    def flood(self, channel: Any, data: bytes, at_most: int, *, is_stderr: bool = False) -> None:
        """Send output without regard to the window."""
        while self.is_connected() and self.sent < at_most:
            if is_stderr:
                self.send(EXTENDED_DATA, channel.remote_chanid, 1, data)
            else:
                self.send(DATA, channel.remote_chanid, data)
            self.sent += len(data)

    def is_connected(self) -> bool:
        return bool(self.transport.is_active())

    def make_noise(self) -> None:
        """Send messages that the other side has to ignore, until it goes."""
        while self.is_connected():
            if self.transport.initial_kex_done:
                self.send(IGNORE, b"x")
            self.transport.join(NOISE)

    def close(self) -> None:
        self.transport.close()
        if self.transport.is_alive():
            self.transport.join(PATIENCE)
        self.connection.close()


@contextmanager
def hostile_ssh(
    attack: Callable[[Peer], object], *, address: tuple[str, int] = ("127.0.0.1", 0)
) -> Iterator[Device]:
    """A server that hands each connection to `attack`, in a thread of its own."""
    key = paramiko.ECDSAKey.generate()
    threads: list[threading.Thread] = []
    peers: list[Peer] = []
    with socket.create_server(address) as listener:

        def serve_one(connection: socket.socket) -> None:
            peer = Peer(connection, key)
            peers.append(peer)
            with suppress(EOFError, OSError, paramiko.SSHException):
                attack(peer)
            peer.close()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    thread = threading.Thread(target=serve_one, args=listener.accept()[:1])
                    threads.append(thread)
                    thread.start()

        serving = threading.Thread(target=serve)
        serving.start()
        host, port = listener.getsockname()[:2]
        try:
            yield Device(host, (host,), ssh_port=port)
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            serving.join()
            for peer in peers:
                with suppress(OSError):
                    peer.connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def hanging(phase: str) -> Callable[[Peer], object]:
    """Answers up to a phase; from then on it answers keepalives, and sends what has to be ignored."""

    def attack(peer: Peer) -> None:
        peer.start(silent_about=PHASES[phase])
        peer.make_noise()

    return attack
