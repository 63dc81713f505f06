"""An engine of API 1.22, as Docker 1.10 in resinOS 2.0 was: a proxy before one of today."""

from __future__ import annotations

import json
import re
import select
import socket
import threading
from contextlib import closing
from functools import cache
from http.client import HTTPConnection
from urllib.parse import parse_qs, urlsplit

from support.loopback_server import Serve, http, read_request

VERSION = (
    b'{"Version": "1.10.3", "ApiVersion": "1.22", "MinAPIVersion": "1.12", "Os": "linux", "Arch": "arm"}'
)


def old_engine(upstream: tuple[str, int]) -> Serve:
    """Serves what API 1.22 has by the engine at `upstream`, and refuses the rest in words of that time."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        request = read_request(connection)
        while request:
            path = request.split(b" ", 2)[1].decode()
            answer = _own_answer(path)
            if answer is None:
                _pass_on(connection, request, upstream, over)
                return
            connection.sendall(answer)
            request = read_request(connection)

    return serve


def _own_answer(path: str) -> bytes | None:
    """What the old engine would say by itself; None for what is passed on."""
    if path == "/version":
        return http(VERSION)
    version = re.match(r"/v1\.(\d+)/", path)
    if version is None or int(version[1]) > 22:
        words = b"client is newer than server (client API version: 1.41, server API version: 1.22)\n"
        return http(words, "400 Bad Request", "text/plain")
    query = parse_qs(urlsplit(path).query)
    if "/logs" in path and not query.get("since", ["0"])[0].isdigit():
        words = b'strconv.ParseInt: parsing "1.5": invalid syntax\n'
        return http(words, "500 Internal Server Error", "text/plain")
    if "/logs" in path and "until" in query:
        raise AssertionError("there is no `until` below 1.35")
    return None


@cache
def _understood(upstream: tuple[str, int]) -> str:
    """The API version by which it is asked: 1.22, or what a newer one takes at least, 1.24 of Docker 26."""
    with closing(HTTPConnection(*upstream, timeout=10)) as connection:
        connection.request("GET", "/version")
        least = json.load(connection.getresponse())["MinAPIVersion"]
    return max("1.22", least, key=lambda version: int(version.partition(".")[2]))


def _pass_on(
    connection: socket.socket, request: bytes, upstream: tuple[str, int], over: threading.Event
) -> None:
    """What came together, after which the connection ends; what is upgraded goes on both ways."""
    request = request.replace(b" /v1.22/", f" /v{_understood(upstream)}/".encode())
    if b"\r\nUpgrade:" not in request:
        first, line_end, rest = request.rpartition(b" HTTP/1.1\r\n")
        request = first + line_end + b"Connection: close\r\n" + rest
    with socket.create_connection(upstream, timeout=10) as far:
        far.sendall(request)
        others = {connection: far, far: connection}
        while others and not over.is_set():
            ready, _, _ = select.select(list(others), [], [], 0.1)
            for side in ready:
                data = side.recv(65536)
                if data:
                    others[side].sendall(data)
                elif side is far:
                    return
                else:
                    others.pop(side).shutdown(socket.SHUT_WR)
