"""An SSH server that lets everybody in, and keeps what it is told: logins, keys, commands, what is typed."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import logging
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

import paramiko

from support.recording_engine import RecordingEngine

_PATIENCE = 30.0
_STREAM = "direct-streamlocal@openssh.com"
logging.getLogger(__name__).disabled = True


@dataclass
class RecordingSsh:
    """An SSH server with a host key of its own, and the engine behind it, if there is one."""

    engine: RecordingEngine | None = None
    key: paramiko.PKey = field(default_factory=lambda: paramiko.ECDSAKey.generate())
    passwords: list[str] = field(default_factory=list)
    """The passwords that it was sent."""
    logins: list[str] = field(default_factory=list)
    """The methods of the attempts to log in, other than `none`, which tells nothing."""
    commands: list[str] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    """The sockets and ports that were to be connected to."""
    typed: bytearray = field(default_factory=bytearray)
    connections: int = 0
    needs_password: bool = False
    """Whether it asks for a password, as an impostor does who wants it."""

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.key.asbytes()).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def clear(self) -> None:
        for kept in (self.passwords, self.logins, self.commands, self.streams, self.typed):
            kept.clear()
        self.connections = 0

    @property
    def was_trusted(self) -> bool:
        """Whether somebody showed a key or a password, or asked for anything beyond the host key."""
        return bool(self.passwords or self.logins or self.commands or self.streams or self.typed)

    def serve(self, connection: socket.socket) -> None:
        """One connection, to its end."""
        self.connections += 1
        transport = paramiko.Transport(connection)
        transport.daemon = True
        transport.set_log_channel(__name__)
        transport.add_server_key(self.key)
        session = _Session(self)
        try:
            transport.start_server(event=threading.Event(), server=session)
            while transport.is_active():
                channel = transport.accept(0.2)
                if channel is not None:
                    threading.Thread(target=self._serve_channel, args=(channel, session), daemon=True).start()
        except (EOFError, OSError, paramiko.SSHException):
            return
        finally:
            transport.close()

    def _serve_channel(self, channel: paramiko.Channel, session: _Session) -> None:
        with suppress(EOFError, OSError, ValueError, paramiko.SSHException):
            if session.kinds.get(channel.get_id()) == _STREAM:
                if self.engine is not None:
                    self.engine.serve(channel.makefile("rb"), channel.makefile("wb"))
            elif session.asked.wait(_PATIENCE):
                channel.settimeout(0.2)
                with suppress(TimeoutError):
                    self.typed += channel.recv(65536)
                channel.sendall(_addresses_of(channel) if session.wants_addresses else b"hello\r\n")
                channel.send_exit_status(0)
        with suppress(EOFError, OSError, paramiko.SSHException):
            channel.close()


def _addresses_of(channel: paramiko.Channel) -> bytes:
    """What /proc/net/fib_trie and /proc/net/if_inet6 say of the address that the client is connected to."""
    address = ipaddress.ip_address(channel.get_transport().sock.getsockname()[0].partition("%")[0])
    if address.version == 4:
        return f"Local:\n     |-- {address}\n        /32 host LOCAL\n".encode()
    return f"{int(address):032x} 02 40 20 80     eth0\n".encode()


class _Session(paramiko.ServerInterface):
    def __init__(self, server: RecordingSsh) -> None:
        self.server = server
        self.asked = threading.Event()
        self.kinds: dict[int, str] = {}
        self.wants_addresses = False

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "publickey,password"

    def check_auth_none(self, username: str) -> int:  # noqa: ARG002
        return paramiko.AUTH_FAILED if self.server.needs_password else paramiko.AUTH_SUCCESSFUL

    def check_auth_password(self, username: str, password: str) -> int:
        self.server.logins.append(f"password of {username}")
        self.server.passwords.append(password)
        return paramiko.AUTH_SUCCESSFUL

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:  # noqa: ARG002
        self.server.logins.append(f"key of {username}")
        return paramiko.AUTH_FAILED if self.server.needs_password else paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self.kinds[chanid] = kind
        if kind == _STREAM:
            self.server.streams.append(kind)
            if self.server.engine is None:
                return paramiko.OPEN_FAILED_CONNECT_FAILED
        return paramiko.OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(
        self,
        chanid: int,  # noqa: ARG002
        origin: tuple[str, int],  # noqa: ARG002
        destination: tuple[str, int],
    ) -> int:
        self.server.streams.append(f"{destination[0]}:{destination[1]}")
        return paramiko.OPEN_FAILED_CONNECT_FAILED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:  # noqa: ARG002
        self.server.commands.append(command.decode(errors="replace"))
        self.wants_addresses = b"/proc/net/fib_trie" in command
        self.asked.set()
        return True

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:  # noqa: ARG002
        self.server.commands.append("a shell")
        self.asked.set()
        return True

    def check_channel_pty_request(self, *_: object) -> bool:
        return True
