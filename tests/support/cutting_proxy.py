"""A way to an engine that is cut at a request, and stays so: as a cable that is pulled at that moment."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

_REQUEST = re.compile(rb"(?:GET|POST|PUT|DELETE|HEAD) /v[0-9.]+/\S* HTTP/1\.1\r\n")


class CuttingProxy:
    """Hands connections on to `target`, until request `cut_at`, counted from 1; nothing comes back from then.

    With `is_heard` that request itself still arrives, else not. Only those that change something are counted,
    and listed in `requests`.
    """

    def __init__(self, target: tuple[str, int], *, cut_at: int = 0, is_heard: bool = True) -> None:
        self.requests: list[str] = []
        self.is_cut = threading.Event()
        self._target = target
        self._cut_at = cut_at
        self._is_heard = is_heard
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._all: set[socket.socket] = set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    def close(self) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._end_all()
        for thread in self._threads:
            thread.join()
        self._server.close()
        for each in self._all:
            each.close()

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if self.is_cut.is_set():
                near.close()
                continue
            far = socket.create_connection(self._target)
            with self._lock:
                self._open |= {near, far}
                self._all |= {near, far}
            self._begin(self._there, near, far)
            self._begin(self._back, far, near)

    def _there(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(65536):
                cut = self._counted(data)
                if not cut or self._is_heard:
                    far.sendall(data)
                if cut:
                    self.is_cut.set()
                    self._end_all()
                    return
            far.shutdown(socket.SHUT_WR)

    def _back(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while data := far.recv(65536):
                near.sendall(data)
            near.shutdown(socket.SHUT_WR)

    def _counted(self, data: bytes) -> bool:
        """Whether the request at which it is cut is in what came."""
        with self._lock:
            for line in _REQUEST.findall(data):
                if not line.startswith(b"GET"):
                    self.requests.append(line.decode().split("HTTP")[0].strip())
            return bool(self._cut_at) and len(self.requests) >= self._cut_at

    def _end_all(self) -> None:
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            self._open.clear()
