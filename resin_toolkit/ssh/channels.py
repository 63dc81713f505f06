"""Channels of an SSH connection (RFC 4254): socket-like streams, and commands with their output in order."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from paramiko import channel as paramiko_channel
from paramiko.buffered_pipe import PipeTimeout
from paramiko.common import cMSG_CHANNEL_REQUEST, cMSG_CHANNEL_WINDOW_ADJUST
from paramiko.message import Message

from resin_toolkit.errors import NotSupported

# A great part of what is used here is not in the declarations of its types.
_Channel: Any = paramiko_channel.Channel

if TYPE_CHECKING:
    from resin_toolkit.ssh.sealing import Bytes
    from resin_toolkit.ssh.transport import Transport

WINDOW = 4 << 20
"""Bytes that the device may send before they are taken."""
PACKET = 128 << 10
"""Bytes of the longest data in one packet that is taken."""
_AT_ONCE = 8
"""Packets that are written at once."""


class Stream(_Channel):  # type: ignore[misc]
    """A two-way stream with the methods of a socket.

    Reading ends with b"" where the other end has closed it, and raises ConnectionResetError where the
    connection is lost.
    """

    transport: Transport

    def __init__(self, chanid: int) -> None:
        super().__init__(chanid)
        self.in_buffer = _Buffer()
        self.in_stderr_buffer = _Buffer()
        self.lost = False
        """Whether it ended because the connection did."""

    def recv(self, nbytes: int) -> bytes:
        data: bytes = super().recv(nbytes)
        if not data and self.lost:
            raise reset()
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0) -> int:
        """As socket.recv_into."""
        view = memoryview(buffer)
        data = self.recv(nbytes or len(view))
        view[: len(data)] = data
        return len(data)

    def send(self, s: Any) -> int:
        """Some of the data, as much as the other end takes now, at least one byte. Raises OSError."""
        view = memoryview(s)
        if not len(view):
            return 0
        granted = self._granted(len(view))
        most = self.out_max_packet_size
        parts = [view[at : min(at + most, granted)] for at in range(0, granted, most)]
        self.transport.send_data(self.remote_chanid, parts)
        return granted

    def sendall(self, s: Any) -> None:
        """All of the data. Raises OSError."""
        view = memoryview(s)
        while len(view):
            view = view[self.send(view) :]

    def shutdown(self, how: int) -> None:
        """As socket.shutdown; whoever waits for data hears of it."""
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            self.in_buffer.close()
            self.in_stderr_buffer.close()
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            super().shutdown(socket.SHUT_WR)

    def deliver(self, data: memoryview) -> None:
        """Data has come. The transport's thread calls this."""
        self.in_buffer.feed(data)

    def request_start(self, command: str | None) -> None:
        """Start a command, None for the login shell. Raises NotSupported, OSError."""
        message = self._request("shell" if command is None else "exec", answered=True)
        if command is not None:
            message.add_string(command)
        self._event_pending()
        self.transport._send_user_message(message)
        self.event.wait()
        if self.lost:
            raise reset()
        if not self.event_ready:
            raise NotSupported("The device does not let anyone start a command by SSH.")

    def send_signal(self, name: str) -> None:
        """Ask for a signal to the far command: `INT`. Old servers know no such request."""
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

    def _granted(self, size: int) -> int:
        """How much may be sent now, once that is anything."""
        until = None if self.timeout is None else time.monotonic() + self.timeout
        with self.lock:
            while not self.out_window_size or self.closed or self.eof_sent:
                if self.lost:
                    raise reset()
                if self.closed or self.eof_sent:
                    raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))
                left = None if until is None else until - time.monotonic()
                if (left is not None and left <= 0) or not self.out_buffer_cv.wait(left):
                    raise TimeoutError("timed out")
            granted: int = min(size, self.out_window_size, self.out_max_packet_size * _AT_ONCE)
            self.out_window_size -= granted
            return granted

    def __del__(self) -> None:
        """Nothing is sent from here: it may run in the middle of anything. Who opens a stream closes it."""

    def _unlink(self) -> None:
        if not self.closed:
            self.lost = True
        super()._unlink()


class Command(Stream):
    """A command of the device. What it writes comes in order, stdout and stderr told apart."""

    def __init__(self, chanid: int) -> None:
        super().__init__(chanid)
        self._arrived: deque[tuple[int, Bytes]] = deque()
        self._arrival = threading.Condition()

    def take(self, within: float | None = None) -> list[tuple[int, Bytes]]:
        """What has come since the last call: 1 and bytes of stdout, 2 and bytes of stderr.

        Waits for something; nothing is the end. Raises TimeoutError.
        """
        with self._arrival:
            if not self._arrival.wait_for(lambda: self._arrived or self.closed, within):
                raise TimeoutError("timed out")
            taken = list(self._arrived)
            self._arrived.clear()
        return taken

    def taken(self, size: int) -> None:
        """So many bytes are done with: the device may send as many more."""
        more = self._check_add_window(size)
        if more:
            message = Message()
            message.add_byte(cMSG_CHANNEL_WINDOW_ADJUST)
            message.add_int(self.remote_chanid)
            message.add_int(more)
            self.transport._send_user_message(message)

    def request_terminal(self, kind: str, rows: int, columns: int) -> None:
        """A terminal for what is started next (RFC 4254, section 6.2); one without any goes on."""
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

    def deliver(self, data: memoryview) -> None:
        self._arrive(1, data)

    def _feed(self, m: Any) -> None:
        self._arrive(1, m if isinstance(m, bytes) else m.get_binary())

    def _feed_extended(self, m: Message) -> None:
        """RFC 4254, section 5.2: stderr is the only kind there is."""
        if m.get_int() == 1:
            self._arrive(2, m.get_binary())

    def _arrive(self, stream: int, data: Bytes) -> None:
        with self._arrival:
            self._arrived.append((stream, data))
            self._arrival.notify()

    def _set_closed(self) -> None:
        super()._set_closed()
        with self._arrival:
            self._arrival.notify_all()


class _Buffer:
    """What has come and is not read yet, without copies; has the methods of paramiko's BufferedPipe."""

    def __init__(self) -> None:
        self._chunks: deque[Bytes] = deque()
        self._size = 0
        self._changed = threading.Condition()
        self._closed = False
        self._event: Any = None

    def __len__(self) -> int:
        return self._size

    def feed(self, data: Bytes) -> None:
        if not len(data):
            return
        with self._changed:
            self._chunks.append(data)
            self._size += len(data)
            if self._event is not None:
                self._event.set()
            self._changed.notify()

    def read(self, nbytes: int, timeout: float | None = None) -> bytes:
        """At most so many bytes, at least one; none at the end. Raises PipeTimeout."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._chunks or self._closed, timeout):
                raise PipeTimeout
            return self._cut(nbytes)

    def empty(self) -> bytes:
        with self._changed:
            return self._cut(self._size)

    def read_ready(self) -> bool:
        return self._size > 0

    def set_event(self, event: Any) -> None:
        """`event` is set as long as a read would not wait."""
        with self._changed:
            self._event = event
            if self._closed or self._chunks:
                event.set()
            else:
                event.clear()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            if self._event is not None:
                self._event.set()
            self._changed.notify_all()

    def _cut(self, most: int) -> bytes:
        cut: list[Bytes] = []
        left = most
        while self._chunks and left:
            chunk = self._chunks.popleft()
            if len(chunk) > left:
                self._chunks.appendleft(memoryview(chunk)[left:])
                chunk = memoryview(chunk)[:left]
            left -= len(chunk)
            cut.append(chunk)
        self._size -= most - left
        if not self._chunks and self._event is not None and not self._closed:
            self._event.clear()
        return b"".join(cut)


def reset() -> ConnectionResetError:
    """The connection is lost."""
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
