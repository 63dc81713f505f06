"""A TCP server on loopback that answers as it is told to: what is no engine, or a bad one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from resin_toolkit.tcp import Endpoint

Serve = Callable[[socket.socket, threading.Event], None]


@contextmanager
def serving(serve: Serve) -> Iterator[Endpoint]:
    """A server that hands each connection to `serve`, in a thread, with the event that ends the test."""
    over = threading.Event()
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        taking = threading.Thread(target=_take, args=(server, serve, over, threads))
        taking.start()
        try:
            yield Endpoint("127.0.0.1", server.getsockname()[1])
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
            for thread in (taking, *threads):
                thread.join()


def _take(
    server: socket.socket, serve: Serve, over: threading.Event, threads: list[threading.Thread]
) -> None:
    while not over.is_set():
        try:
            connection, _ = server.accept()
        except OSError:
            return
        thread = threading.Thread(target=_serve_one, args=(connection, serve, over))
        threads.append(thread)
        thread.start()


def _serve_one(connection: socket.socket, serve: Serve, over: threading.Event) -> None:
    with connection, suppress(OSError):
        connection.settimeout(10)
        serve(connection, over)


def saying(answer: bytes) -> Serve:
    """Take a request, say this, and wait for the other side to go."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(answer)
        over.wait(10)

    return serve


def read_request(connection: socket.socket) -> bytes:
    """The head of a request and what came with it; empty at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    return data


def http(body: bytes, status: str = "200 OK", kind: str = "application/json") -> bytes:
    """A whole answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def routes(answers: Callable[[str, str], bytes]) -> Serve:
    """An HTTP server that keeps connections: `answers` makes, of a method and a path, what is sent."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        while not over.is_set():
            request = read_request(connection)
            if not request:
                return
            method, path, _ = request.split(b" ", 2)
            connection.sendall(answers(method.decode(), path.decode()))

    return serve
