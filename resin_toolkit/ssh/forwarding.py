"""Local port forwarding: ports of this machine that connect through the device (-L of ssh(1))."""

from __future__ import annotations

import errno
import re
import selectors
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from resin_toolkit.errors import BadValue, Refused, ResinError, from_os_error
from resin_toolkit.ssh.session import Shell, Stream

_PATTERN = re.compile(
    r"(?:(?P<bind>\[[^\]]*\]|[^:\[\]]*):)?(?P<port>\d+):(?P<host>\[[^\]]+\]|[^:\[\]]+):(?P<host_port>\d+)"
)


@dataclass(frozen=True)
class Forward:
    """Forwards connections to `bind`:`port` to `host`:`host_port`, which the device resolves."""

    bind: str
    port: int
    host: str
    host_port: int


def parse_forward(word: str) -> Forward:
    """Parse `[BIND:]PORT:HOST:HOSTPORT`. Raises BadValue."""
    match = _PATTERN.fullmatch(word)
    if match is None or not 0 < int(match["host_port"]) < 65536 or int(match["port"]) > 65535:
        raise BadValue(
            f"Invalid port forwarding: {word!r}.", hint="Use [BIND:]PORT:HOST:HOSTPORT, as for ssh."
        )
    bind = {None: "127.0.0.1", "": "", "*": ""}.get(match["bind"], (match["bind"] or "").strip("[]"))
    return Forward(bind, int(match["port"]), match["host"].strip("[]"), int(match["host_port"]))


@contextmanager
def forward_ports(
    shell: Shell, forwards: Sequence[Forward], warn: Callable[[str], object]
) -> Iterator[list[tuple[str, int]]]:
    """Forward ports while the block runs; yields the local addresses.

    `warn` is called when the device cannot make a connection. Raises Refused if a port is in use, and other
    ResinErrors if it cannot be bound.
    """
    with ExitStack() as opened:
        listeners = [opened.enter_context(_listen(forward)) for forward in forwards]
        forwarder = _Forwarder(shell, warn)
        opened.callback(forwarder.close)
        for listener, forward in zip(listeners, forwards, strict=True):
            forwarder.start(listener, forward)
        yield [listener.getsockname()[:2] for listener in listeners]


def _listen(forward: Forward) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in forward.bind else socket.AF_INET
        return socket.create_server((forward.bind, forward.port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Refused(
                f"Port {forward.port} of this machine is already in use.",
                hint="Forward another local port: the first number of -L.",
            ) from None
        raise from_os_error(error, f"port {forward.port}") from error


class _Forwarder:
    """The threads of all forwards: one for each listener, and two for each connection."""

    def __init__(self, shell: Shell, warn: Callable[[str], object]) -> None:
        self._shell, self._warn = shell, warn
        self._ended, self._end = socket.socketpair()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket | Stream] = set()
        self._lock = threading.Lock()
        self._closed = False

    def start(self, listener: socket.socket, forward: Forward) -> None:
        self._start_thread(self._accept, listener, forward)

    def close(self) -> None:
        self._end.close()
        with self._lock:
            self._closed = True
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        while True:
            with self._lock:
                if not self._threads:
                    break
                thread = self._threads.pop()
            thread.join()
        self._ended.close()

    def _start_thread(self, target: Callable[..., object], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        with self._lock:
            self._threads = [other for other in self._threads if other.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _accept(self, listener: socket.socket, forward: Forward) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(self._ended, selectors.EVENT_READ)
            while all(key.fileobj is listener for key, _ in selector.select()):
                with suppress(OSError):
                    local, _ = listener.accept()
                    self._start_thread(self._join, local, forward)

    def _join(self, local: socket.socket, forward: Forward) -> None:
        try:
            remote = self._shell.open_tcp(forward.host, forward.host_port)
        except ResinError as error:
            local.close()
            self._warn(f"Cannot connect to {forward.host}:{forward.host_port}: {error.message}")
            return
        with self._lock:
            self._open |= {local, remote}
            ends = () if not self._closed else (local, remote)
        for end in ends:  # Opened while `close` was running.
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        back = threading.Thread(target=_pump, args=(remote, local))
        back.start()
        _pump(local, remote)
        back.join()
        with self._lock:
            self._open -= {local, remote}
        local.close()
        remote.close()


def _pump(source: socket.socket | Stream, target: socket.socket | Stream) -> None:
    """Copy until the source ends. If either end breaks, shut down both."""
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
