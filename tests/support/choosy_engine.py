"""An engine that takes no archive in which a layer is missing, as one with containerd's image store does."""

from __future__ import annotations

import gzip
import io
import json
import socket
import tarfile
import threading

from support.loopback_server import Serve, http, read_request


class Choosy:
    """A server before the engine at `upstream`. `tells` whether it also says what kind of store it has.

    `loads` has, for each archive, whether it was taken.
    """

    def __init__(self, upstream: tuple[str, int], *, tells: bool) -> None:
        self.loads: list[bool] = []
        self._upstream = upstream
        self._tells = tells

    @property
    def serve(self) -> Serve:
        return self._serve

    def _serve(self, connection: socket.socket, _: threading.Event) -> None:
        head = read_request(connection)
        if not head:
            return
        if b"/images/load" not in head.split(b"\r\n", 1)[0]:
            connection.sendall(self._answer(head))
            return
        lines, _, begun = head.partition(b"\r\n\r\n")
        body = _dechunked(io.BufferedReader(_Body(begun, connection), 65536))
        self.loads.append(_is_whole(body))
        if not self.loads[-1]:
            connection.sendall(http(b'{"message": "content digest sha256:ab: not found"}', "404 Not Found"))
            return
        first = lines.split(b"\r\n", 1)[0]
        kind = b"\r\nContent-Type: application/x-tar\r\nHost: engine\r\nConnection: close"
        connection.sendall(self._asked(first + kind + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body))

    def _answer(self, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        # With HTTP 1.0 there are no chunks, and the connection ends with the answer.
        answer = self._asked(head.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1) + b"\r\n\r\n" + body)
        if self._tells and b"/info " in request.split(b"\r\n", 1)[0]:
            said = json.loads(answer.partition(b"\r\n\r\n")[2])
            said["DriverStatus"] = [["driver-type", "io.containerd.snapshotter.v1"]]
            return http(json.dumps(said).encode())
        return answer

    def _asked(self, request: bytes) -> bytes:
        with socket.create_connection(self._upstream, timeout=60) as far:
            far.sendall(request)
            return b"".join(iter(lambda: far.recv(65536), b""))


class _Body(io.RawIOBase):
    """What came together with the head of a request, and what comes after it."""

    def __init__(self, begun: bytes, connection: socket.socket) -> None:
        self._begun = io.BytesIO(begun)
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._begun.read(len(buffer)) or self._connection.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _dechunked(file: io.BufferedReader) -> bytes:
    pieces = []
    while size := int(file.readline(), 16):
        pieces.append(file.read(size))
        file.readline()
    file.readline()
    return b"".join(pieces)


def _is_whole(body: bytes) -> bool:
    data = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = set(tar.getnames())
        file = tar.extractfile("manifest.json")
        assert file is not None
        return all(layer in names for entry in json.load(file) for layer in entry["Layers"])
