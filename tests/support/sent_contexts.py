"""What a docker client sends for a build: a server on loopback plays the engine, and keeps the archive."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LARGE = 3 * 1024 * 1024 + 17
LONG = "x" * 150
LATIN = os.fsdecode(b"caf\xe9")


@dataclass
class BuildServer:
    """Bodies of builds, whole if `keeps`, else only the time and size of each are of interest."""

    port: int = 0
    keeps: bool = True
    bodies: list[bytes] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    first_byte: threading.Event = field(default_factory=threading.Event)


@contextmanager
def build_server(*, keeps: bool = True) -> Iterator[BuildServer]:
    """As much of an engine as a docker client asks for to send a build; every build goes well."""
    kept = BuildServer(keeps=keeps)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionResetError):  # a client may end without taking leave
                super().handle()

        def do_HEAD(self) -> None:
            self._say(b"")

        def do_GET(self) -> None:
            self._say(b"OK")

        def do_POST(self) -> None:
            body, size = bytearray(), 0
            while length := int(self.rfile.readline(), 16):
                kept.first_byte.set()
                piece = self.rfile.read(length)
                self.rfile.readline()
                size += length
                if keeps:
                    body += piece
            self.rfile.readline()
            kept.bodies.append(bytes(body))
            kept.sizes.append(size)
            self._say(b'{"stream":"done"}\n')

        def _say(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Api-Version", "1.41")
            self.send_header("Ostype", "linux")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join()


def docker_programs() -> list[str]:
    """The docker clients of this machine: the distribution's, and the one that comes first in PATH."""
    found = [path for path in ("/usr/bin/docker", shutil.which("docker")) if path and Path(path).exists()]
    return list({os.path.realpath(path): path for path in found})


def docker_release(program: str) -> int:
    """The first number of a docker client's version."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=60)
    release = re.search(r"version (\d+)\.", told.stdout)
    assert release, told.stdout
    return int(release[1])


def docker_build(
    program: str, server: BuildServer, folder: Path | str, *words: str
) -> subprocess.CompletedProcess[str]:
    """`docker build`, by the builder that sends the whole context as an archive."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "DOCKER_HOST": f"tcp://127.0.0.1:{server.port}",
        "DOCKER_BUILDKIT": "0",
    }
    command = [program, "build", *words, os.fspath(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def docker_sends(program: str, server: BuildServer, folder: Path | str, *words: str) -> bytes:
    """The archive that it sends."""
    server.bodies.clear()
    run = docker_build(program, server, folder, *words)
    assert run.returncode == 0, run.stderr
    return server.bodies.pop()


@dataclass(frozen=True)
class Sent:
    """What an engine reads of one entry of an archive; the bits of the mode that say its kind aside."""

    kind: bytes
    mode: int
    mtime: float
    uid: int
    gid: int
    target: str
    content: bytes


def unpacked(archive: bytes) -> dict[str, Sent]:
    """The entries of an archive by their paths."""
    found: dict[str, Sent] = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:", errors="surrogateescape") as tar:
        for entry in tar:
            file = tar.extractfile(entry) if entry.isreg() else None
            assert entry.name not in found
            found[entry.name] = Sent(
                entry.type,
                entry.mode & 0o7777,
                entry.mtime,
                entry.uid,
                entry.gid,
                entry.linkname,
                file.read() if file else b"",
            )
    return found


def one_of_each(top: Path) -> Path:
    """A folder with one of each that can be in one, and rules that leave out some of it."""
    for name in (
        "empty",
        "with space/in it",
        "ü/日本",
        f"latin-{LATIN}",
        f"{LONG}/{LONG}",
        "gone",
    ):
        (top / name).mkdir(parents=True)
    (top / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (top / ".dockerignore").write_text("gone\n*.md\nDockerfile\n.dockerignore\n")
    (top / "README.md").write_text("left out")
    (top / "gone" / "file").write_text("left out")
    (top / "with space/in it/a file").write_bytes(b"content")
    (top / "ü/日本/ß").write_text("ü")
    (top / f"latin-{LATIN}" / LATIN).write_text("bytes")
    (top / LONG / LONG / LONG).write_text("long")
    (top / "two\nlines").write_text("newline")
    (top / "back\\slash").write_text("\\")
    (top / "none").touch()
    (top / "block").write_bytes(bytes(512))
    (top / "large").write_bytes(os.urandom(LARGE))
    (top / "run").write_text("#!/bin/sh\n")
    (top / "run").chmod(0o4755)
    (top / "private").write_text("p")
    (top / "private").chmod(0o600)
    (top / "empty").chmod(0o1777)
    (top / "linked").hardlink_to(top / "block")
    (top / "inside").symlink_to("with space/in it")
    (top / "outside").symlink_to("../../" + "w" * 130)
    (top / "absolute").symlink_to("/etc/passwd")
    (top / "loop").symlink_to("loop")
    (top / "round").symlink_to(".")
    (top / f"to-{LATIN}").symlink_to(f"latin-{LATIN}")
    os.utime(top / "private", ns=(0, 1_234_567_890_987_654_321))
    os.utime(top / "run", ns=(0, 0))
    return top
