"""Readers of what a device, or anybody on the network, sends: DNS, HTTP, logs, terminals, QEMU, archives."""

from __future__ import annotations

import io
import re
import socket
import time
from http.client import HTTPException
from typing import Any, cast

from fuzz.targets.script import Script
from resin_toolkit.errors import ResinError

_PIECE = 7
_MOST_SENT = 65536
"""Bytes that a socket takes without a reader."""
_MOST_READ = 8 * 1024 * 1024
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]|\x1b(?!\\[[0-9;:]*m)")
"""What moves the cursor of a terminal, or does anything to it but colour."""


class Stream:
    """A stream that yields an input in small pieces, with the methods of an SSH channel and of an answer."""

    def __init__(self, data: bytes, piece: int = _PIECE) -> None:
        self._file = io.BytesIO(data)
        self._piece = piece

    def recv(self, size: int) -> bytes:
        return self._file.read(min(size, self._piece))

    def read(self, size: int = _MOST_SENT) -> bytes:
        return self.recv(size)

    def settimeout(self, seconds: float | None) -> None:
        """Everything is there already."""

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def dns(data: bytes) -> None:
    """Datagrams from two senders, each with a byte of length and a byte of the sender in front."""
    from resin_toolkit.discovery import messages
    from resin_toolkit.discovery.interfaces import LocalAddress, LocalNetworks
    from resin_toolkit.discovery.responders import Responders, group_by_device
    from resin_toolkit.discovery.sockets import Datagram

    messages.read_answers(data)
    script, responders = Script(data), Responders()
    local = LocalNetworks(frozenset({"192.0.2.1"}), {"eth0": ("192.0.2.0/24",)})
    origin = cast(LocalAddress, _Interface())
    now = 0.0
    while script:
        now += 1
        length, source = script.number(2) & 0x3FF, "192.0.2.7" if script.number() & 1 else "fe80::1"
        responders.add(Datagram(origin, source, script.take(length)), now, local)
        responders.expire(now)
    for _, question in responders.missing_records():
        try:
            messages.query(question)
        except ValueError:
            continue
    group_by_device(responders.sightings())


class _Interface:
    interface = "eth0"


def http(data: bytes) -> None:
    """The response of an engine to one request, complete and as a stream."""
    from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket
    from resin_toolkit.engine.transport.http import exchange, receive
    from resin_toolkit.engine.transport.raw_stream import RawStream

    for streamed in (False, True):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(data[:_MOST_SENT])
            theirs.shutdown(socket.SHUT_WR)
            connection = DeadlineSocket(ours)
            connection.deadline = time.monotonic() + 10
            try:
                if not streamed:
                    exchange(connection, "GET", "/info", deadline=connection.deadline, limit=_MOST_SENT)
                    continue
                response = receive(connection, "GET")
                connection.budget = None
                with RawStream("device", connection, response) as stream:
                    size = sum(len(piece) for piece in iter(stream.read, b""))
                assert size <= len(data)
            except (OSError, HTTPException, ResinError):
                continue


def engine_version(data: bytes) -> None:
    """The first answer of whatever listens on the engine's port."""
    from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket
    from resin_toolkit.engine.version_negotiation import negotiate_version

    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data[:_MOST_SENT])
        theirs.shutdown(socket.SHUT_WR)
        negotiate_version("device", "port 2377", DeadlineSocket(ours), time.monotonic() + 10)


def chunked(data: bytes) -> None:
    """A body in chunks: the same content however its bytes arrive."""
    from resin_toolkit.engine.transport.raw_stream import ChunkDecoder, InvalidChunk

    found = []
    for step in (1, _PIECE, len(data) or 1):
        decoder, content = ChunkDecoder(), b""
        try:
            for start in range(0, len(data), step):
                content += decoder.take(data[start : start + step])
        except InvalidChunk:
            return
        found.append((content, decoder.ended))
    assert found[0] == found[1] == found[2]


def log_frames(data: bytes) -> None:
    """The log of a container, with and without a terminal: the same records however its bytes arrive."""
    from resin_toolkit.logs.records import record_reader

    for tty in (False, True):
        found = []
        for step in (_PIECE, len(data) or 1):
            frames = record_reader(tty=tty)
            try:
                records = [
                    record
                    for start in range(0, len(data), step)
                    for record in frames.feed(data[start : start + step])
                ]
                found.append([*records, *frames.end()])
            except ResinError:
                break
        assert len(found) < 2 or found[0] == found[1]


def log_views(data: bytes) -> None:
    """The log of a container, as it is shown: with times, as JSON, and filtered."""
    from resin_toolkit.engine.timestamps import local_time
    from resin_toolkit.logs.records import record_reader, stamp_of
    from resin_toolkit.logs.rendering import LogFormat, Renderer, ServiceLabels

    views = (LogFormat(timestamps=True), LogFormat(json=True), LogFormat(colour=True, grep=re.compile("a")))
    for tty in (False, True):
        reader = record_reader(tty=tty)
        try:
            records = [*reader.feed(data), *reader.end()]
        except ResinError:
            continue
        for view in views:
            renderer = Renderer(view, ServiceLabels(), "web", "app_web")
            shown = renderer.render_records(records).data + renderer.render(renderer.flush()).data
            assert not _UNSAFE.search(shown.decode())
        for record in records:
            local_time(stamp_of(record))


def log_lines(data: bytes) -> None:
    """Lines of a log, formatted for a terminal and as JSON."""
    from resin_toolkit.logs.records import make_record
    from resin_toolkit.terminal.ansi import strip_colours, strip_control_sequences

    cleaned = strip_control_sequences(data)
    text = strip_colours(cleaned.decode())
    assert not any(character < " " and character not in "\t\n" for character in text)
    assert not set(text) & set(
        "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
    assert strip_control_sequences(cleaned) == cleaned
    make_record(1, b"2026-01-02T03:04:05.000000000Z", data)


def exec_frames(data: bytes) -> None:
    """The output of a command in a container: the same however its bytes arrive."""
    from resin_toolkit.engine.container_exec import Frames, Output

    found = []
    for step in (_PIECE, len(data) or 1):
        frames, outputs = Frames(), {Output.STDOUT: b"", Output.STDERR: b""}
        for start in range(0, len(data), step):
            for output, piece in frames.take(data[start : start + step]):
                outputs[output] += piece
        found.append(outputs)
    assert found[0] == found[1]


def progress_messages(data: bytes) -> None:
    """The stream of JSON objects of a build or a pull, in pieces of 100 bytes."""
    from resin_toolkit.engine.build import Build

    for _ in Build("device", cast(Any, Stream(data, 100))):
        pass


def container_events(data: bytes) -> None:
    """The events of an engine, in pieces of 100 bytes."""
    from resin_toolkit.logs.container_events import started_containers

    stream = Stream(data, 100)
    for _ in started_containers(iter(stream.read, b"")):
        pass


def journal(data: bytes) -> None:
    """What journalctl prints on a device."""
    from resin_toolkit.device.record import Device
    from resin_toolkit.logs.journal import Journal, JournalQuery

    device = Device("kitchen.local", ("192.0.2.7",))
    read = Journal(device, lambda _: cast(Any, _Shell(data)), lambda *_: None)
    for _ in read.read_initial(JournalQuery(tail="10")):
        pass
    for _ in read.read_new(follow=False):
        pass


class _Shell:
    def __init__(self, output: bytes) -> None:
        self._output = output

    def __enter__(self) -> _Shell:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is open."""

    def raising_unreachable(self) -> _Shell:
        return self

    def open_command(self, _: str) -> Stream:
        return Stream(self._output, 100)


def device_facts(data: bytes) -> None:
    """What the files of a device say of it, as read over SSH."""
    from resin_toolkit.reach import device_info

    known = device_info._os_facts(data.decode(errors="replace"))
    assert all(str(value).isprintable() for value in known.values())
    device_info._software(data.decode("ascii", "replace"))


def terminal_text(data: bytes) -> None:
    """What a device prints, made safe for a terminal."""
    from resin_toolkit.terminal.screen import clean

    cleaned = clean(data.decode("utf-8", "surrogateescape"))
    assert not any(character in cleaned for character in "\x1b\r\x9b\u202e\u2066\u2028")


def qmp(data: bytes) -> None:
    """What QEMU answers."""
    from resin_toolkit.emulation.qmp import QmpClosed, QmpConnection

    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data[:_MOST_SENT])
        theirs.shutdown(socket.SHUT_WR)
        connection = QmpConnection(ours)
        try:
            connection.negotiate(10)
            while connection.next_event() is not None:
                continue
            connection.execute("query-status")
        except (QmpClosed, TimeoutError):
            return


def image_archive(data: bytes) -> None:
    """An archive for `push --image`: its manifests and layers; then the same as a stream."""
    from resin_toolkit.push.transfer.archive import Archive, read_saved_image
    from resin_toolkit.push.transfer.layer_content import open_spool

    try:
        archive = Archive(io.BytesIO(data), "image.tar")
        for image in archive.images[:4]:
            with archive.open(image, frozenset()) as (_, layers):
                for layer in image.layers[:4]:
                    _read_all(layers, layer)
    except ResinError:
        pass
    with open_spool() as spool:
        read_saved_image(cast(Any, io.BytesIO(data)), spool, "image", (), frozenset())


def _read_all(layers: Any, layer: str) -> None:
    size = 0
    try:
        layers.size(layer)
        for piece in layers.read(layer):
            size += len(piece)
            if size > _MOST_READ:
                break
    except ResinError:
        return


def image_documents(data: bytes) -> None:
    """An archive whose members are any: each has a line with its name in front, and two bytes of length."""
    import tarfile

    script, file = Script(data), io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        while script:
            name = script.line().decode("utf-8", "surrogateescape")
            name, _, link = name.partition("->")
            entry = tarfile.TarInfo(name)
            if link:
                entry.type, entry.linkname = tarfile.SYMTYPE, link
                archive.addfile(entry)
                continue
            content = script.take(script.number(2))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    image_archive(file.getvalue())


TARGETS = (
    dns,
    http,
    engine_version,
    chunked,
    log_frames,
    log_views,
    log_lines,
    exec_frames,
    progress_messages,
    container_events,
    journal,
    device_facts,
    terminal_text,
    qmp,
    image_archive,
    image_documents,
)
