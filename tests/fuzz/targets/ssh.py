"""An SSH server that sends anything: before there are keys, while logging in, and with channels open."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fuzz.targets.script import Script
from resin_toolkit.errors import NotSupported, ResinError

_WAIT = 0
"""A message of this type is not sent: what follows it is, once the client has sent something."""
_TICK = 0.01
_LONGEST_WAIT = 0.02
"""Seconds to wait for the client, which may wait for the server."""


def ssh_version(data: bytes) -> None:
    """The lines with which a server begins."""
    from resin_toolkit.ssh.version_exchange import read_version

    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data[:65536])
        theirs.shutdown(socket.SHUT_WR)
        read_version(ours, "kitchen.local", "192.0.2.7:22222", 10)


def ssh_handshake(data: bytes) -> None:
    """The key exchange: packets without encryption, each with two bytes of length in front."""
    from resin_toolkit.ssh.algorithms import host_key_algorithms, negotiate

    script = Script(data)
    sent = b"SSH-2.0-dropbear\r\n"
    while script and len(sent) < 50_000:
        content = script.take(script.number(2) & 0x3FFF)
        padding = 4 + -(len(content) + 9) % 8
        sent += (len(content) + padding + 1).to_bytes(4, "big") + bytes([padding]) + content + bytes(padding)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        transport = negotiate(
            "kitchen.local", "192.0.2.7:22222", ours, host_key_algorithms(""), 10, None, str
        )
        transport.close()


class _Server:
    """Stands in for the packets of a connection whose keys were exchanged."""

    def __init__(self, script: Script, is_closed: Callable[[], bool]) -> None:
        self._script = script
        self._is_closed = is_closed
        self._heard = threading.Event()
        self._number = 0

    def read_message(self) -> tuple[int, Any]:
        from paramiko.message import Message

        while True:
            content = self._script.block()
            if not content:
                raise EOFError
            if content[0] != _WAIT:
                message = Message(content[1:])
                message.seqno = self._number
                self._number += 1
                return content[0], message
            self._heard.wait(_LONGEST_WAIT)
            self._heard.clear()

    def send_message(self, _: object) -> None:
        if self._is_closed():
            raise EOFError
        self._heard.set()


@contextmanager
def _connection(data: bytes) -> Iterator[Any]:
    """A transport whose keys were exchanged, and whose server sends `data`. It notices an end at once."""
    from resin_toolkit.ssh import transport

    tick = transport.TICK
    transport.TICK = _TICK
    ours, theirs = socket.socketpair()
    try:
        with ours, theirs:
            yield _transport(ours, Script(data))
    finally:
        transport.TICK = tick


def _transport(ours: socket.socket, script: Script) -> Any:
    from resin_toolkit.ssh.transport import Transport

    transport: Any = Transport(ours, "SSH-2.0-a", "SSH-2.0-b")
    server = _Server(script, lambda: bool(transport.packetizer.closed))
    transport.packetizer.read_message = server.read_message
    transport.packetizer.send_message = server.send_message
    transport._send_kex_init = lambda: None
    transport._expect_packet = lambda *_: None
    transport.active = transport.initial_kex_done = True
    transport.session_id = b"x"
    transport.clear_to_send.set()
    return transport


def ssh_login(data: bytes) -> None:
    """Messages while logging in: a byte of length, then the message."""
    from paramiko.ssh_exception import SSHException

    from resin_toolkit.ssh.authentication import log_in
    from resin_toolkit.ssh.config import HostConfig

    with _connection(data) as transport:
        os.environ.pop("SSH_AUTH_SOCK", None)
        transport.start()
        try:
            log_in(transport, "kitchen.local", "root", HostConfig("kitchen", "kitchen"), lambda _: "x")
        except (SSHException, EOFError, OSError):
            pass
        finally:
            transport.close()


def ssh_messages(data: bytes) -> None:
    """Messages while channels are open: a byte of length, then the message."""
    from paramiko.ssh_exception import SSHException

    from resin_toolkit.ssh.channels import CommandChannel, StreamChannel
    from resin_toolkit.ssh.userauth import UserAuthentication

    with _connection(data) as transport:
        transport.authenticated = True
        transport.auth_handler = UserAuthentication(transport, "root", 1.0)
        for number, channel in enumerate((StreamChannel(0), CommandChannel(1))):
            transport._channels.put(number, channel)
            channel._set_transport(transport)
            channel._set_window(1 << 20, 1 << 15)
        transport.run()
        try:
            transport.require_alive()
        except (SSHException, EOFError, OSError):
            return


def ssh_commands(data: bytes) -> None:
    """Messages while a command runs and a stream is opened: a byte of length, then the message."""
    from resin_toolkit.device.record import Device
    from resin_toolkit.ssh.host_keys import HostKey
    from resin_toolkit.ssh.session import Shell
    from resin_toolkit.ssh.userauth import UserAuthentication

    with _connection(data) as transport:
        transport.authenticated = True
        transport.auth_handler = UserAuthentication(transport, "root", 1.0)
        transport.start()
        device = Device("kitchen.local", ("192.0.2.7",))
        with Shell(device, "root", HostKey.of("ssh-ed25519", b"key"), [transport]) as shell:
            for use in (
                lambda: shell.run("true", stdin=b"x", within=5),
                lambda: shell.open_unix_socket("/run/docker.sock").close(),
                lambda: shell.start(None, ("xterm", 24, 80)).read(),
            ):
                try:
                    use()
                except NotSupported:
                    continue
                except ResinError:
                    break


TARGETS = (ssh_version, ssh_handshake, ssh_login, ssh_messages, ssh_commands)
