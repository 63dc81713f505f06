"""Attaching stdin, stdout and stderr of this process, a terminal or not, to a remote command."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from resin_toolkit.errors import Refused, ResinError, from_os_error
from resin_toolkit.terminal.modes import TerminalModes
from resin_toolkit.terminal.screen import format_size

_READ_SIZE = 1 << 18
MAX_CAPTURED = 16 << 20
"""Bytes of output that are kept for --json."""
_DISCONNECTED = 255
"""The exit code of OpenSSH when its user disconnects with `~.`."""

Chunk = tuple[int, bytes | memoryview]


class RemoteCommand(Protocol):
    """A running command on a device, or a serial line."""

    def read(self) -> Sequence[Chunk]:
        """Wait for output: (1, stdout) and (2, stderr), in order. Empty at the end."""

    def sendall(self, data: bytes, /) -> None: ...
    def end_input(self) -> None: ...
    def resize(self, rows: int, columns: int, /) -> None: ...
    def exit_code(self) -> int: ...
    def close(self) -> None: ...


def terminal_size() -> tuple[int, int]:
    """Rows and columns of the terminal on stdin; 24 and 80 without one."""
    try:
        columns, rows = os.get_terminal_size(sys.stdin.fileno())
    except OSError:
        return 24, 80
    return rows, columns


def stdin_is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def terminal_type() -> str:
    """$TERM, by default `dumb`."""
    return os.environ.get("TERM") or "dumb"


def attach(
    remote: RemoteCommand,
    *,
    raw: bool,
    acknowledge: Callable[[int], object] = int,
    interrupt: Callable[[], object] = int,
) -> int:
    """Connect stdin, stdout and stderr to `remote` until it ends, and return its exit code.

    `raw` is for a remote terminal: every key is sent, except `~.` at the start of a line, which disconnects.
    `acknowledge` is called with the number of bytes written, `interrupt` when Ctrl-C ends this process.
    Raises BrokenPipeError if the reader of stdout is gone, NoSpace and other errors of writing to stdout or
    stderr, and what `remote` raises.
    """
    modes = TerminalModes() if raw else None
    with _raw_terminal(raw), _restored_modes(modes):
        sender = _InputSender(remote, raw=raw)
        with sender.running():
            try:
                _copy_output(remote, acknowledge, modes)
            except KeyboardInterrupt:
                with suppress(OSError, ResinError):
                    interrupt()
                raise
    return _DISCONNECTED if sender.disconnected else remote.exit_code()


def capture(remote: RemoteCommand) -> tuple[int, bytes, bytes]:
    """Run `remote` to its end without input. Returns its exit code, stdout and stderr.

    Raises Refused if it prints more than `MAX_CAPTURED` bytes.
    """
    remote.end_input()
    output = {1: bytearray(), 2: bytearray()}
    while chunks := remote.read():
        for stream, data in chunks:
            output[stream] += data
        if len(output[1]) + len(output[2]) > MAX_CAPTURED:
            remote.close()
            raise Refused(
                f"The output of the command exceeds {format_size(MAX_CAPTURED)}.",
                hint="Without --json, `resin ssh` prints output of any size as it arrives.",
            )
    return remote.exit_code(), bytes(output[1]), bytes(output[2])


def _copy_output(
    remote: RemoteCommand, acknowledge: Callable[[int], object], modes: TerminalModes | None
) -> None:
    while chunks := remote.read():
        size = 0
        for stream, data in chunks:
            # Observed before it is written: after an interrupt between the two, the mode must be reset too.
            if modes is not None:
                modes.observe(data)
            _write(stream, data)
            size += len(data)
        acknowledge(size)


def _write(stream: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while len(view):
        try:
            view = view[os.write(stream, view) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise from_os_error(error, "stdout" if stream == 1 else "stderr") from error


@contextmanager
def _raw_terminal(raw: bool) -> Iterator[None]:
    """Put the terminal into raw mode while the block runs."""
    if not raw:
        yield
        return
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        # TCSADRAIN keeps what was typed ahead.
        tty.setraw(terminal, termios.TCSADRAIN)
        yield
    finally:
        # The terminal may be gone.
        with suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextmanager
def _restored_modes(modes: TerminalModes | None) -> Iterator[None]:
    """Reset the modes that a remote program set and could not reset, at the end of the block."""
    try:
        yield
    finally:
        sequence = modes.reset_sequence() if modes is not None else b""
        if sequence and os.isatty(1):
            with suppress(OSError, ResinError):
                _write(1, sequence)


class _InputSender:
    """A thread that sends stdin, and the size of the terminal whenever it changes."""

    def __init__(self, remote: RemoteCommand, *, raw: bool) -> None:
        self.disconnected = False
        """Whether the user typed `~.`."""
        self._remote = remote
        self._escapes = EscapeFilter() if raw else None
        self._woken, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run)

    @contextmanager
    def running(self) -> Iterator[None]:
        before = None
        if self._escapes is not None and threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGWINCH, self._resized)
        self._thread.start()
        try:
            yield
        finally:
            if before is not None:
                signal.signal(signal.SIGWINCH, before)
            os.write(self._wake, b"x")
            self._remote.close()
            self._thread.join()
            os.close(self._woken)
            os.close(self._wake)

    def _resized(self, number: int, frame: object) -> None:  # noqa: ARG002
        os.write(self._wake, b"w")

    def _run(self) -> None:
        try:
            self._send_input()
        except (OSError, ResinError):
            return  # The remote end accepts no more input; reading from it raises the reason.

    def _send_input(self) -> None:
        stdin = sys.stdin.fileno() if sys.stdin is not None else -1
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if stdin >= 0:
            poll.register(stdin, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._woken in ready:
                if b"x" in os.read(self._woken, 64):
                    return
                self._remote.resize(*terminal_size())
            if stdin in ready and not self._send_available(stdin):
                poll.unregister(stdin)

    def _send_available(self, stdin: int) -> bool:
        """Send what can be read; returns whether there may be more."""
        data = os.read(stdin, _READ_SIZE)
        if not data:
            self._remote.end_input()
            return False
        if self._escapes is not None:
            data, self.disconnected = self._escapes.filter(data)
        if data:
            self._remote.sendall(data)
        if self.disconnected:
            self._remote.close()
        return not self.disconnected


class EscapeFilter:
    """Filters escape sequences out of typed input, as ssh(1) does ("ESCAPE CHARACTERS").

    At the start of a line, `~.` disconnects and `~~` is a `~`.
    """

    def __init__(self) -> None:
        self._at_line_start, self._pending = True, False

    def filter(self, typed: bytes) -> tuple[bytes, bool]:
        """Return the input to send, and whether to disconnect."""
        out = bytearray()
        for key in typed:
            if self._pending:
                self._pending = False
                if key == ord("."):
                    return bytes(out), True
                if key != ord("~"):
                    out += b"~"
                out.append(key)
                self._at_line_start = key in b"\r\n"
            elif self._at_line_start and key == ord("~"):
                self._pending = True
            else:
                out.append(key)
                self._at_line_start = key in b"\r\n"
        return bytes(out), False
