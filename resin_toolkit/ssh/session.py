"""An open SSH connection to a device: its commands and streams."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TypeVar

from resin_toolkit.device.record import Device
from resin_toolkit.errors import NotSupported, Refused, Unreachable
from resin_toolkit.ssh.host_keys import HostKey
from resin_toolkit.terminal.screen import format_size

if TYPE_CHECKING:
    from resin_toolkit.ssh.channels import CommandChannel, StreamChannel
    from resin_toolkit.ssh.transport import Transport

C = TypeVar("C", bound="StreamChannel")

UNKNOWN_EXIT_CODE = 255
"""The exit code of OpenSSH when the remote command is killed by a signal, or its exit status is unknown."""
COMMAND_TIMEOUT = 10.0
"""Seconds that a short command of this program takes at most on a device."""
_MAX_OUTPUT = 1024 * 1024
"""Bytes that such a command prints at most."""


@dataclass(frozen=True)
class Completed:
    """The exit code of a remote command, and its output."""

    code: int
    out: bytes
    err: bytes


class Stream(Protocol):
    """A two-way stream with the methods of a socket, which raise OSError as those of a socket do."""

    def recv(self, nbytes: int, /) -> bytes: ...
    def recv_into(self, buffer: bytearray | memoryview, nbytes: int = 0, /) -> int: ...
    def send(self, data: bytes | memoryview, /) -> int: ...
    def sendall(self, data: bytes | memoryview, /) -> None: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def shutdown(self, how: int, /) -> None: ...
    def close(self) -> None: ...
    def fileno(self) -> int: ...


class Shell:
    """A logged-in connection to a device. Each command and stream is a channel, usable from any thread.

    A context manager; `close` ends all channels and threads.
    """

    def __init__(
        self, device: Device, user: str, host_key: HostKey, chain: list[Transport], address: str = ""
    ) -> None:
        self.device = device
        self.user = user
        self.host_key = host_key
        self.address = address
        """The address of the SSH server; empty if it was reached through a jump host."""
        self._chain = chain
        """The connections to the jump hosts, then the one to the device."""

    def __enter__(self) -> Shell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for transport in reversed(self._chain):
            transport.close()

    def wait(self) -> None:
        """Wait until the connection is lost. Raises Unreachable then."""
        while self._chain[-1].is_alive():
            self._chain[-1].join(1.0)
        raise self.connection_lost()

    def run(
        self,
        command: str,
        *,
        stdin: bytes = b"",
        within: float | None = COMMAND_TIMEOUT,
        at_most: int = _MAX_OUTPUT,
    ) -> Completed:
        """Run a shell command to its end.

        Raises NotSupported, Refused if it prints more than `at_most` bytes, and Unreachable, also if it takes
        longer than `within` seconds.
        """
        with self.raising_unreachable(), self._command(command) as channel:
            done = _run_to_end(self.device, command, channel, stdin, within, at_most)
        if done is None:
            raise self.connection_lost()
        return done

    def open_command(self, command: str) -> Stream:
        """Start a shell command; the stream is its stdin and stdout. Raises Unreachable, NotSupported."""
        from resin_toolkit.ssh.channels import StreamChannel

        with self.raising_unreachable():
            channel = self._open("session", StreamChannel)
            channel.request_start(command)
        return channel

    def open_unix_socket(self, path: str) -> Stream:
        """Connect to a Unix socket of the device (OpenSSH's PROTOCOL, section 2.4).

        Raises NotSupported if the server does not support it or nothing listens there; Unreachable.
        """
        from resin_toolkit.ssh.channels import StreamChannel

        name = path.encode()
        extra = len(name).to_bytes(4, "big") + name + bytes(8)
        with self.raising_unreachable():
            return self._open("direct-streamlocal@openssh.com", StreamChannel, extra)

    def open_tcp(self, host: str, port: int) -> Stream:
        """Connect to a TCP port from the device (RFC 4254, section 7.2).

        Raises NotSupported, Unreachable.
        """
        from resin_toolkit.ssh.channels import StreamChannel

        name, origin = host.encode(), b"127.0.0.1"
        extra = len(name).to_bytes(4, "big") + name + port.to_bytes(4, "big")
        extra += len(origin).to_bytes(4, "big") + origin + bytes(4)
        with self.raising_unreachable():
            return self._open("direct-tcpip", StreamChannel, extra)

    def start(self, command: str | None, terminal: tuple[str, int, int] | None = None) -> RemoteCommand:
        """Start an interactive command, or a login shell if it is None.

        `terminal` is $TERM, rows and columns of the terminal that the command gets; None for no terminal.
        Raises Unreachable, NotSupported.
        """
        from resin_toolkit.ssh.channels import CommandChannel

        with self.raising_unreachable():
            channel = self._open("session", CommandChannel)
            if terminal is not None:
                channel.request_terminal(*terminal)
            channel.request_start(command)
        return RemoteCommand(self, channel)

    def _command(self, command: str) -> CommandChannel:
        from resin_toolkit.ssh.channels import CommandChannel

        channel = self._open("session", CommandChannel)
        channel.request_start(command)
        return channel

    def _open(self, kind: str, channel_type: type[C], extra: bytes = b"") -> C:
        from resin_toolkit.ssh.transport import ChannelRefused

        try:
            return self._chain[-1].open(kind, channel_type, extra)
        except ChannelRefused as error:
            raise NotSupported(
                f"The SSH server of {self.device.host} {_REFUSALS.get(error.reason, 'refuses this')}.",
                hint="The operating system is too old, its settings forbid it, or nothing listens there.",
                reason=error.reason,
            ) from error

    @contextmanager
    def raising_unreachable(self) -> Iterator[None]:
        """Raise Unreachable for the exceptions of a broken connection."""
        from paramiko.ssh_exception import SSHException

        try:
            yield
        except (EOFError, OSError, SSHException) as error:
            if isinstance(error, TimeoutError) and error.errno is None:
                raise _not_responding(self.device) from error
            raise self.connection_lost() from error

    def connection_lost(self) -> Unreachable:
        """The error for a connection that has ended."""
        return connection_lost(self.device, self._chain[-1].failure)


class RemoteCommand:
    """A running remote command. One thread reads; others may send, resize and close."""

    def __init__(self, shell: Shell, channel: CommandChannel) -> None:
        self._shell, self._channel = shell, channel

    def read(self) -> list[tuple[int, bytes]]:
        """Wait for output: (1, stdout) and (2, stderr), in order. Empty at the end."""
        return self._channel.read_output()

    def acknowledge(self, size: int) -> None:
        """Let the device send `size` more bytes, as many as were processed."""
        self._channel.acknowledge(size)

    def sendall(self, data: bytes | memoryview) -> None:
        """Send input. Raises BrokenPipeError if the command reads no more, Unreachable."""
        try:
            self._channel.sendall(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._shell.connection_lost() from error

    def end_input(self) -> None:
        self._channel.shutdown_write()

    def resize(self, rows: int, columns: int) -> None:
        self._channel.request_size(rows, columns)

    def interrupt(self) -> None:
        """Request SIGINT for a command without a terminal; not every server complies."""
        self._channel.send_signal("INT")

    def exit_code(self) -> int:
        """The exit code, once the output has ended; 255 after a signal. Raises Unreachable."""
        if self._channel.exit_status < 0 and self._channel.lost:
            raise self._shell.connection_lost()
        return self._channel.exit_status if self._channel.exit_status >= 0 else UNKNOWN_EXIT_CODE

    def close(self) -> None:
        self._channel.close()


_REFUSALS = {
    1: "forbids the connection",
    2: "cannot connect to that address",
    3: "does not support this kind of connection",
    4: "is out of resources",
}
"""RFC 4254, section 5.1."""


def _not_responding(device: Device) -> Unreachable:
    return Unreachable(
        f"The SSH server of {device.host} accepts the login, but does not respond.",
        hint="The device is overloaded, or its SSH server hangs. Try again.",
        cause="no-answer",
    )


def connection_lost(device: Device, failure: Exception | None = None) -> Unreachable:
    """The error for a connection that ended; `failure` is what ended it."""
    from resin_toolkit.ssh.packetizer import ProtocolViolation

    if isinstance(failure, ProtocolViolation):
        return Unreachable(
            f"The SSH server of {device.host} breaks the protocol: {failure}.",
            hint="It is faulty, or another machine is impersonating the device.",
            cause="lost",
        )
    return Unreachable(
        f"The SSH connection to {device.host} was lost.",
        hint="Check that the device is on and on the network. `resin wait` waits until it is back.",
        cause="lost",
    )


def _run_to_end(
    device: Device,
    command: str,
    channel: CommandChannel,
    stdin: bytes,
    within: float | None,
    at_most: int,
) -> Completed | None:
    """Return the exit code and output of a command; None if the connection ended before it did."""
    deadline = None if within is None else time.monotonic() + within
    feeder = threading.Thread(target=_feed, args=(channel, stdin))
    feeder.start()
    written = {1: bytearray(), 2: bytearray()}
    try:
        while chunks := channel.read_output(
            None if deadline is None else max(0.0, deadline - time.monotonic())
        ):
            for stream, data in chunks:
                written[stream] += data
            if len(written[1]) + len(written[2]) > at_most:
                raise Refused(
                    f"The output of a command on {device.host} exceeds {format_size(at_most)}: "
                    f"{command.split()[0]}.",
                    hint="Without --json, `resin ssh` prints output of any size as it arrives.",
                )
            channel.acknowledge(sum(len(data) for _, data in chunks))
    except TimeoutError as error:
        raise Unreachable(
            f"A command on {device.host} timed out: {command.split()[0]}.",
            hint="The device may be overloaded. Try again.",
            cause="no-answer",
        ) from error
    finally:
        channel.close()
        feeder.join()
    if channel.exit_status < 0 and channel.lost:
        return None
    code = channel.exit_status if channel.exit_status >= 0 else UNKNOWN_EXIT_CODE
    return Completed(code, bytes(written[1]), bytes(written[2]))


def _feed(channel: CommandChannel, stdin: bytes) -> None:
    try:
        channel.sendall(stdin)
        channel.shutdown_write()
    except OSError:
        return  # The command reads no more input; its exit code says whether that is an error.
