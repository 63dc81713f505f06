"""A remote command, attached to this terminal, or to whatever stdin, stdout and stderr are."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from resin_toolkit.errors import ResinError, from_os_error
from resin_toolkit.terminal.modes import TerminalModes

_PIECE = 1 << 18
_LOST = 255
"""What OpenSSH ends with where its user ended the connection."""

Chunk = tuple[int, bytes | memoryview]


class RemoteCommand(Protocol):
    """A command that runs elsewhere."""

    def read(self) -> Sequence[Chunk]:
        """What it has put out, 1 for stdout and 2 for stderr; nothing at the end."""

    def sendall(self, data: bytes, /) -> None: ...
    def end_input(self) -> None: ...
    def resize(self, rows: int, columns: int, /) -> None: ...
    def exit_code(self) -> int: ...
    def close(self) -> None: ...


def terminal_size() -> tuple[int, int]:
    """Rows and columns of the terminal that stdin is."""
    try:
        columns, rows = os.get_terminal_size(sys.stdin.fileno())
    except OSError:
        return 24, 80
    return rows, columns


def attach(
    remote: RemoteCommand,
    *,
    raw: bool,
    done: Callable[[int], object] = int,
    interrupt: Callable[[], object] = int,
) -> int:
    """Connect stdin, stdout and stderr to `remote` until it ends, and return its exit code.

    `raw` is for a remote terminal: every key goes there, except `~.` at the start of a line, which detaches.
    `done` hears how many bytes were dealt with, `interrupt` of a Ctrl-C that ended this program. Raises
    BrokenPipeError where the reader of stdout has gone, NoSpace and the like where it takes no more, and what
    `remote` raises.
    """
    modes = TerminalModes() if raw else None
    with _raw_terminal(raw), _undone(modes):
        feeder = _Feeder(remote, raw=raw)
        with feeder.running():
            try:
                _show(remote, done, modes)
            except KeyboardInterrupt:
                with suppress(OSError, ResinError):
                    interrupt()
                raise
    if feeder.left:
        return _LOST
    return remote.exit_code()


def _show(remote: RemoteCommand, done: Callable[[int], object], modes: TerminalModes | None) -> None:
    while chunks := remote.read():
        size = 0
        for stream, data in chunks:
            # Noted first: an interrupt between the two must not leave the terminal as it wants it there.
            if modes is not None:
                modes.note(data)
            _write(stream, data)
            size += len(data)
        done(size)


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
    """The terminal as it was again at the end, whatever happens."""
    if not raw:
        yield
        return
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        # What was typed ahead is kept.
        tty.setraw(terminal, termios.TCSADRAIN)
        yield
    finally:
        # A terminal that has gone needs nothing any more.
        with suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextmanager
def _undone(modes: TerminalModes | None) -> Iterator[None]:
    """What a remote program that was cut off has left turned on at the terminal, turned off at the end."""
    try:
        yield
    finally:
        left = modes.undo() if modes is not None else b""
        if left and os.isatty(1):
            with suppress(OSError, ResinError):
                _write(1, left)


class _Feeder:
    """A thread that hands on what is typed, and the size of the window when it changes."""

    def __init__(self, remote: RemoteCommand, *, raw: bool) -> None:
        self.left = False
        """Whether the user has typed `~.`."""
        self._far = remote
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
            self._far.close()
            self._thread.join()
            os.close(self._woken)
            os.close(self._wake)

    def _resized(self, number: int, frame: object) -> None:  # noqa: ARG002
        os.write(self._wake, b"w")

    def _run(self) -> None:
        try:
            self._feed()
        except (OSError, ResinError):
            return  # The remote end takes no more; reading from it tells why.

    def _feed(self) -> None:
        stdin = sys.stdin.fileno() if sys.stdin is not None else -1
        waited = select.poll()
        waited.register(self._woken, select.POLLIN)
        if stdin >= 0:
            waited.register(stdin, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in waited.poll()}
            if self._woken in ready:
                if b"x" in os.read(self._woken, 64):
                    return
                self._far.resize(*terminal_size())
            if stdin in ready and not self._hand_on(stdin):
                waited.unregister(stdin)

    def _hand_on(self, stdin: int) -> bool:
        """Whether there may be more."""
        data = os.read(stdin, _PIECE)
        if not data:
            self._far.end_input()
            return False
        if self._escapes is not None:
            data, self.left = self._escapes.take(data)
        if data:
            self._far.sendall(data)
        if self.left:
            self._far.close()
        return not self.left


class EscapeFilter:
    """`~.` at the start of a line leaves, `~~` is a `~`; see "ESCAPE CHARACTERS" in ssh(1)."""

    def __init__(self) -> None:
        self._fresh, self._pending = True, False

    def take(self, typed: bytes) -> tuple[bytes, bool]:
        """What of it goes on, and whether to leave."""
        out = bytearray()
        for key in typed:
            if self._pending:
                self._pending = False
                if key == ord("."):
                    return bytes(out), True
                if key != ord("~"):
                    out += b"~"
                out.append(key)
                self._fresh = key in b"\r\n"
            elif self._fresh and key == ord("~"):
                self._pending = True
            else:
                out.append(key)
                self._fresh = key in b"\r\n"
        return bytes(out), False
