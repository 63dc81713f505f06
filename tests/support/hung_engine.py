"""An engine on loopback with one running container, which hangs at one request, in one of several ways."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable

from support.loopback_server import Serve, http, read_request

ID = "ab" * 32
_VERSION = {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10.7", "Arch": "arm"}
_INFO = {
    "ID": "ENGINE",
    "Name": "board",
    "OperatingSystem": "balenaOS 2.98",
    "Architecture": "armv7l",
    "SystemTime": "2026-11-29T12:00:00.000000000Z",
    "MemTotal": 1 << 30,
    "NCPU": 4,
}
_CONTAINER = {
    "Id": ID,
    "Names": ["/web"],
    "Image": "web:latest",
    "State": "running",
    "Status": "Up 3 hours",
    "Created": 1,
    "Labels": {"io.resin-toolkit.app": "app", "io.resin-toolkit.service": "web"},
}
_DETAILS = {
    "Id": ID,
    "Name": "/web",
    "Created": "2026-11-29T12:00:00Z",
    "State": {"Running": True, "Status": "running", "StartedAt": "2026-11-29T12:00:00Z"},
    "Config": {"Tty": False},
    "HostConfig": {"LogConfig": {"Type": "json-file", "Config": {}}},
}
ANSWERS: dict[str, object] = {
    r"/version": _VERSION,
    r"/info": _INFO,
    r"/_ping": "OK",
    r"/containers/json": [_CONTAINER],
    r"/containers/[^/]+/json": _DETAILS,
    r"/images/json": [],
    r"/networks": [],
    r"/volumes": {"Volumes": []},
}

Hang = Callable[[socket.socket, threading.Event], object]


def silent(connection: socket.socket, over: threading.Event) -> None:  # noqa: ARG001
    """Send nothing."""
    over.wait(60)


def drip(connection: socket.socket, over: threading.Event) -> None:
    """Send a byte of a header now and then."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Padding: ")
    while not over.wait(0.2):
        connection.sendall(b"x")


def continue_forever(connection: socket.socket, over: threading.Event) -> None:
    """Send only informational answers."""
    while not over.wait(0.2):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def silent_after_headers(connection: socket.socket, over: threading.Event) -> None:
    """Send the headers, and no body."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    over.wait(60)


def drip_body(connection: socket.socket, over: threading.Event) -> None:
    """Send a body of single bytes."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not over.wait(0.2):
        connection.sendall(b"1\r\n \r\n")


HANGS: tuple[Hang, ...] = (silent, drip, continue_forever, silent_after_headers, drip_body)


def hung_engine(at: str, how: Hang, *, answers_pings: bool = True) -> Serve:
    """An engine that hangs at requests whose method and path match `at`.

    Unless it `answers_pings`, no other request is answered from then on.
    """
    is_hung = threading.Event()

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.settimeout(60)
        while not over.is_set():
            request = read_request(connection)
            if not request:
                return
            method, path, _ = request.decode(errors="replace").split(" ", 2)
            path = re.sub(r"^/v[\d.]+", "", path).partition("?")[0]
            if is_hung.is_set() or re.fullmatch(at, f"{method} {path}"):
                if not answers_pings:
                    is_hung.set()
                how(connection, over)
                return
            connection.sendall(_answer(path))

    return serve


def _answer(path: str) -> bytes:
    for pattern, answer in ANSWERS.items():
        if re.fullmatch(pattern, path):
            return http(json.dumps(answer).encode())
    if path.endswith("/logs"):
        line = b"2026-11-29T12:00:00.000000000Z hello\n"
        return http(b"\1\0\0\0" + len(line).to_bytes(4, "big") + line)
    return http(b"", "204 No Content")
