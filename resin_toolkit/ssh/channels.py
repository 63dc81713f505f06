"""Channels of an SSH connection (RFC 4254): streams with the methods of a socket, and running commands."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from paramiko import channel as paramiko_channel
from paramiko.common import cMSG_CHANNEL_REQUEST, cMSG_CHANNEL_WINDOW_ADJUST
from paramiko.message import Message

from resin_toolkit.errors import NotSupported
from resin_toolkit.interruptible import TICK
from resin_toolkit.ssh.packetizer import ProtocolViolation

if TYPE_CHECKING:
    from resin_toolkit.ssh.transport import Transport

# The type stubs of paramiko leave out much of what is used here.
_Channel: Any = paramiko_channel.Channel

WINDOW = 4 << 20
"""Bytes that the server may send ahead of what was read."""
PACKET = 128 << 10
"""Bytes of data in the longest packet that the server may send."""
ANSWER_TIMEOUT = 10.0
"""Seconds within which the server must answer a request: open a channel, or start a command."""
_MAX_WINDOW = 0xFFFFFFFF
"""RFC 4254, section 5.2."""
_SMALL = 4096
"""Bytes up to which pieces of output are joined, and bytes of a joined piece."""
_MAX_PIECES = 20_000
"""Unread pieces whose order is kept. If a command alternates between stdout and stderr more often before it
is read, the order between the two is lost, never that within one."""


class StreamChannel(_Channel):  # type: ignore[misc]
    """A two-way stream with the methods of a socket.

    Reading ends with b"" when the other end closes the stream, and raises ConnectionResetError when the
    connection is lost.
    """

    transport: Transport

    def __init__(self, chanid: int) -> None:
        super().__init__(chanid)
        self.lost = False
        """Whether the channel ended because the connection did."""

    def recv(self, nbytes: int) -> bytes:
        data: bytes = super().recv(nbytes)
        if not data and self.lost:
            raise _reset()
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0) -> int:
        """As socket.recv_into."""
        view = memoryview(buffer)
        data = self.recv(nbytes or len(view))
        view[: len(data)] = data
        return len(data)

    def send(self, s: Any) -> int:
        """Send some of the data, as much as one packet holds. Raises OSError; paramiko returns 0 instead."""
        if not len(s):
            return 0
        try:
            sent: int = super().send(bytes(memoryview(s)[: self.out_max_packet_size]))
        except TimeoutError:
            raise
        except OSError:  # paramiko raises it without an errno.
            sent = 0
        if not sent:
            raise _reset() if self.lost else BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        return sent

    def sendall(self, s: Any) -> None:
        """Send all of the data within the timeout, if there is one. Raises OSError."""
        view, timeout = memoryview(s), self.timeout
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while len(view):
                view = view[self.send(view) :]
                if len(view) and deadline is not None:
                    self.settimeout(max(0.001, deadline - time.monotonic()))
        finally:
            self.settimeout(timeout)

    def shutdown(self, how: int) -> None:
        """As socket.shutdown. paramiko would not wake a thread that waits for data."""
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            self.in_buffer.close()
            self.in_stderr_buffer.close()
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            super().shutdown(socket.SHUT_WR)

    def request_start(self, command: str | None) -> None:
        """Start a command, None for the login shell. Raises NotSupported, OSError."""
        message = self._request("shell" if command is None else "exec", answered=True)
        if command is not None:
            message.add_string(command)
        self._event_pending()
        self.transport._send_user_message(message)
        if not self.event.wait(ANSWER_TIMEOUT):
            raise TimeoutError("timed out")
        if self.lost:
            self.transport.require_alive()
            raise _reset()
        if not self.event_ready:
            raise NotSupported("The SSH server of the device does not allow commands to be run.")

    def send_signal(self, name: str) -> None:
        """Request that a signal such as `INT` is sent to the remote command (RFC 4254, section 6.9).

        Dropbear does; OpenSSH ignores the request for commands of root, and before 7.9 for all.
        """
        message = self._request("signal", answered=False)
        message.add_string(name)
        self.transport._send_user_message(message)

    def _request(self, kind: str, *, answered: bool) -> Message:
        message = Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(self.remote_chanid)
        message.add_string(kind)
        message.add_boolean(answered)
        return message

    def _feed(self, m: Any) -> None:
        super()._feed(m)
        self._require_window(len(self.in_buffer) + len(self.in_stderr_buffer))

    def _feed_extended(self, m: Message) -> None:
        super()._feed_extended(m)
        self._require_window(len(self.in_buffer) + len(self.in_stderr_buffer))

    def _require_window(self, unread: int) -> None:
        """paramiko buffers whatever a server sends; one that ignores the window would fill the memory."""
        if unread > WINDOW:
            raise ProtocolViolation("it sends more than the window allows")

    def _window_adjust(self, m: Message) -> None:
        super()._window_adjust(m)
        if self.out_window_size > _MAX_WINDOW:
            raise ProtocolViolation("it grants a window of more than 4 GiB")

    def __del__(self) -> None:
        """paramiko sends a close from here, at any moment and in any thread. Callers close channels."""

    def _unlink(self) -> None:
        if not self.closed:
            self.lost = True
        super()._unlink()


class CommandChannel(StreamChannel):
    """A running command. Its stdout and stderr are kept apart, in the order in which they arrived."""

    def __init__(self, chanid: int) -> None:
        super().__init__(chanid)
        self._arrived: deque[tuple[int, bytes | bytearray]] = deque()
        self._excess: dict[int, bytearray] = {}
        """What arrived beyond `_MAX_PIECES`, by stream."""
        self._unprocessed = 0
        """Bytes that were not acknowledged yet."""
        self._arrival = threading.Condition()

    def read_output(self, within: float | None = None) -> list[tuple[int, bytes]]:
        """The output since the last call: (1, stdout) and (2, stderr). Empty at the end.

        Waits for some, at most `within` seconds. Raises TimeoutError.
        """
        deadline = None if within is None else time.monotonic() + within
        with self._arrival:
            while not (self._arrived or self.closed):
                left = TICK if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("timed out")
                self._arrival.wait(min(left, TICK))
            output = [(stream, bytes(data)) for stream, data in (*self._arrived, *self._excess.items())]
            self._arrived.clear()
            self._excess.clear()
        return output

    def acknowledge(self, size: int) -> None:
        """Let the server send `size` more bytes, as many as were processed."""
        with self._arrival:
            self._unprocessed -= size
        more = self._check_add_window(size)
        if more:
            message = Message()
            message.add_byte(cMSG_CHANNEL_WINDOW_ADJUST)
            message.add_int(self.remote_chanid)
            message.add_int(more)
            self.transport._send_user_message(message)

    def request_terminal(self, kind: str, rows: int, columns: int) -> None:
        """Request a terminal of the kind $TERM for the command (RFC 4254, section 6.2)."""
        message = self._request("pty-req", answered=False)
        message.add_string(kind)
        for number in (columns, rows, 0, 0):
            message.add_int(number)
        message.add_string(b"")
        self.transport._send_user_message(message)

    def request_size(self, rows: int, columns: int) -> None:
        message = self._request("window-change", answered=False)
        for number in (columns, rows, 0, 0):
            message.add_int(number)
        self.transport._send_user_message(message)

    def _feed(self, m: Any) -> None:
        self._arrive(1, m if isinstance(m, bytes) else m.get_binary())

    def _feed_extended(self, m: Message) -> None:
        """Stderr; RFC 4254, section 5.2, defines no other kind."""
        if m.get_int() == 1:
            self._arrive(2, m.get_binary())

    def _arrive(self, stream: int, data: bytes) -> None:
        if not data:
            return
        with self._arrival:
            self._store(stream, data)
            self._unprocessed += len(data)
            self._arrival.notify()
            self._require_window(self._unprocessed)

    def _store(self, stream: int, data: bytes) -> None:
        """Keep data to be read. A server may send each byte in a packet of its own."""
        last_stream, last = self._arrived[-1] if self._arrived and not self._excess else (0, b"")
        if stream == last_stream and isinstance(last, bytearray) and len(last) + len(data) <= _SMALL:
            last += data
        elif len(self._arrived) < _MAX_PIECES and not self._excess:
            self._arrived.append((stream, data if len(data) >= _SMALL else bytearray(data)))
        else:
            self._excess.setdefault(stream, bytearray()).extend(data)

    def _set_closed(self) -> None:
        super()._set_closed()
        with self._arrival:
            self._arrival.notify_all()


def _reset() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
