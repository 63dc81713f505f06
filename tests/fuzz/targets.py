"""What is fuzzed: for each reader of untrusted input, a function that takes bytes.

A target may raise ResinError, which a user sees as one sentence. Anything else is a fault.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

from resin_toolkit.errors import ResinError

Target = Callable[[bytes], object]
_MOST_BYTES = 4 * 1024 * 1024
_NOWHERE = Path("/nonexistent")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


# images


def partition_table(data: bytes) -> None:
    """MBR, extended boot records and GPT."""
    from image_tools.partitions import read_table

    read_table(io.BytesIO(data), len(data))
    read_table(io.BytesIO(data), len(data), tolerant=True)


def fat(data: bytes) -> None:
    """A FAT file system: list, read and check all of it, then change a file."""
    from image_tools.fat import FatFileSystem, Put

    filesystem = FatFileSystem.open(io.BytesIO(data), 0, len(data))
    for entry in filesystem.walk():
        if not entry.is_directory and entry.size < _MOST_BYTES:
            filesystem.read(entry.path)
    filesystem.check()
    filesystem.apply([Put("/config.json", b"{}" * 600)])


def file_system(data: bytes) -> None:
    """Recognition of a file system, of whatever type."""
    from image_tools.filesystems import probe

    probe(io.BytesIO(data), 0, len(data))


def usage(data: bytes) -> None:
    """Which blocks of a whole image are in use: partition table, FAT and ext4."""
    from image_tools.usage.survey import Survey

    asked: list[tuple[int, int, Callable[[bytes], None]]] = []
    survey = Survey(len(data), lambda offset, length, take: asked.append((offset, length, take)))
    survey.begin()
    while asked:
        offset, length, take = asked.pop()
        if offset + length <= len(data):
            take(data[offset : offset + length])
    survey.needed(0, len(data))


def block_map(data: bytes) -> None:
    from image_tools.block_map import read_block_map

    read_block_map(data, "image.bmap")


def compressed(data: bytes) -> None:
    """An image, whatever its compression; zip archives too."""
    import os

    from image_tools.source import open_source

    descriptor = os.memfd_create("image")
    try:
        os.write(descriptor, data)
        with open_source(f"/proc/self/fd/{descriptor}") as source:
            buffer = memoryview(bytearray(65536))
            size = 0
            while size < _MOST_BYTES and (count := source.readinto(buffer)):
                size += count
    finally:
        os.close(descriptor)


# text files


def config_json(data: bytes) -> None:
    from image_tools import config

    config.parse(data)


def answers(data: bytes) -> None:
    from image_tools.answers.reader import read_answers

    read_answers(data, "answers.toml", _NOWHERE)


def keyfile(data: bytes) -> None:
    """A NetworkManager profile, and what the linter says of it."""
    from image_tools.lint.profiles.linter import lint_keyfile
    from image_tools.profiles.keyfile import normalize_keyfile, read_keyfile

    read_keyfile(data)
    lint_keyfile("profile", normalize_keyfile(data))


def redsocks(data: bytes) -> None:
    from image_tools.proxy import read_no_proxy, read_redsocks

    read_no_proxy(data)
    read_redsocks(data)


def os_release(data: bytes) -> None:
    from image_tools.os_info import parse_os_release

    parse_os_release(_text(data))


def dockerfile(data: bytes) -> None:
    from resin_toolkit.project.dev_directives import parse_dev_directives
    from resin_toolkit.project.dockerfile import parse_dockerfile

    text = _text(data)
    parse_dev_directives(text)
    parse_dockerfile(text)


def ignore(data: bytes) -> None:
    """Ignore rules; the last line is the path that is matched."""
    from resin_toolkit.project.ignore import IgnoreRules

    rules, _, path = _text(data).rpartition("\n")
    IgnoreRules.parse(rules).is_ignored(path or "a")


def dotenv(data: bytes) -> None:
    from resin_toolkit.compose import dotenv
    from resin_toolkit.compose.problems import Diagnostics, Location

    diagnostics = Diagnostics()
    dotenv.parse(_text(data), Location(".env", 1, _NOWHERE), {"HOME": "/root"}, diagnostics)
    dotenv.parse_raw(_text(data), Location(".env", 1, _NOWHERE), diagnostics)


def compose(data: bytes) -> None:
    """A compose file, from YAML to services."""
    import tempfile

    from resin_toolkit.compose.loader import load_application

    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        (Path(folder) / "compose.yml").write_bytes(data)
        load_application(Path(folder), None, environment={}, name="app")


def settings(data: bytes) -> None:
    """resin.toml."""
    import tempfile

    from resin_toolkit.project.settings import read_settings

    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        (Path(folder) / "resin.toml").write_bytes(data)
        read_settings(Path(folder))


# what a device sends


def dns(data: bytes) -> None:
    from resin_toolkit.discovery import messages

    messages.read_answers(data)


def engine_json(data: bytes) -> None:
    """Answers of an engine: version, info, containers."""
    from resin_toolkit.engine import models
    from resin_toolkit.engine.transport.http import NotJson, parse_json

    try:
        answer = parse_json(data)
    except NotJson:
        return
    for read in (
        lambda: models.facts_of(answer, answer),
        lambda: models.containers_of(answer),
        lambda: models.details_of(answer),
    ):
        try:
            json.dumps(repr(read()))
        except models.WrongShape:
            continue


def log_frames(data: bytes) -> None:
    from resin_toolkit.logs.records import record_reader

    for tty in (False, True):
        try:
            frames = record_reader(tty=tty)
            for start in range(0, len(data), 7):
                frames.feed(data[start : start + 7])
            frames.end()
        except ResinError:
            continue


def terminal_text(data: bytes) -> None:
    """What a device prints, made safe for a terminal."""
    from resin_toolkit.terminal.screen import clean

    cleaned = clean(_text(data))
    assert "\x1b" not in cleaned
    assert "\r" not in cleaned


def http(data: bytes) -> None:
    """The response of an engine to one request."""
    import socket
    import time
    from http.client import HTTPException

    from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket
    from resin_toolkit.engine.transport.http import exchange

    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data[:65536])
        theirs.shutdown(socket.SHUT_WR)
        try:
            exchange(DeadlineSocket(ours), "GET", "/info", deadline=time.monotonic() + 10, limit=65536)
        except (OSError, HTTPException):
            return


def progress_messages(data: bytes) -> None:
    """The stream of JSON objects of a build or a pull, in pieces of 100 bytes."""
    from resin_toolkit.engine.progress_messages import parse_messages, read_objects

    stream = io.BytesIO(data)
    for value in read_objects(lambda: stream.read(100), "device"):
        list(parse_messages(value))


def ssh_messages(data: bytes) -> None:
    """Messages of an SSH server after the key exchange: one byte of length, then the message."""
    import socket
    from typing import Any

    from paramiko.message import Message
    from paramiko.ssh_exception import SSHException

    from resin_toolkit.ssh.channels import CommandChannel, StreamChannel
    from resin_toolkit.ssh.transport import Transport
    from resin_toolkit.ssh.userauth import UserAuthentication

    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport: Any = Transport(ours, "SSH-2.0-a", "SSH-2.0-b")
        stream = io.BytesIO(data)

        def next_message() -> tuple[int, Message]:
            length = stream.read(1)
            content = stream.read(length[0]) if length else b""
            if not content:
                raise EOFError
            message = Message(content[1:])
            message.seqno = 0
            return content[0], message

        transport.packetizer.read_message = next_message
        transport.packetizer.send_message = lambda _: None
        transport._send_kex_init = lambda: None
        transport._expect_packet = lambda *_: None
        transport.active = transport.initial_kex_done = transport.authenticated = True
        transport.session_id = b"x"
        transport.auth_handler = UserAuthentication(transport, "root")
        for number, channel in enumerate((StreamChannel(0), CommandChannel(1))):
            transport._channels.put(number, channel)
            channel._set_transport(transport)
            channel._set_window(1 << 20, 1 << 15)
        transport.run()
        try:
            transport.require_alive()
        except (SSHException, EOFError, OSError):
            return


TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (
        partition_table,
        fat,
        file_system,
        usage,
        block_map,
        compressed,
        config_json,
        answers,
        keyfile,
        redsocks,
        os_release,
        dockerfile,
        ignore,
        dotenv,
        compose,
        settings,
        dns,
        engine_json,
        log_frames,
        terminal_text,
        http,
        progress_messages,
        ssh_messages,
    )
}


def run(name: str, data: bytes) -> None:
    """Give `data` to a target. Raises whatever is a fault."""
    try:
        TARGETS[name](data)
    except ResinError:
        return
