"""An engine that keeps everything it is sent: requests, headers, and the files of archives.

It is enough of an engine for every command: it builds any image, runs any container, and says `hello` in its
log. It serves over TCP sockets and over the channels of an SSH server alike.
"""

from __future__ import annotations

import base64
import io
import json
import re
import tarfile
import threading
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

_VERSION = re.compile(r"^/v1\.\d+")
_TIME = "2026-01-01T00:00:00.000000000Z"
_IMAGE = "sha256:" + "1" * 64
_LOG_LINE = f"{_TIME} hello\n".encode()


@dataclass(frozen=True)
class Request:
    """One request: its method, its path without the version, its query, headers and body."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def files(self) -> dict[str, bytes]:
        """The files in its body, if it is an archive; links have their targets as contents."""
        try:
            with tarfile.open(fileobj=io.BytesIO(self.body)) as archive:
                return {entry.name: _content(archive, entry) for entry in archive}
        except tarfile.TarError:
            return {}


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(entry) if entry.isreg() else None
    return file.read() if file else entry.linkname.encode()


@dataclass
class RecordingEngine:
    """An engine, the same one at every place where it is served."""

    id: str
    os: str = "Resin OS 2.0.0+rev1"
    architecture: str = "x86_64"
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._containers: dict[str, dict[str, Any]] = {}
        self._has_images = False
        self._add("garden_web", _garden(), "running")

    def clear(self) -> None:
        """Forget what was sent, and what was created."""
        with self._lock:
            self.requests.clear()
            self._containers.clear()
            self._has_images = False
        self.connections = 0
        self._add("garden_web", _garden(), "running")

    # what it was sent

    @property
    def files(self) -> dict[str, bytes]:
        """The files of all archives."""
        return {name: content for request in self.requests for name, content in request.files.items()}

    @property
    def logins(self) -> list[Any]:
        """The logins of registries that it was sent, decoded."""
        found = []
        for request in self.requests:
            for name in ("x-registry-auth", "x-registry-config"):
                if value := request.headers.get(name):
                    found.append(json.loads(base64.urlsafe_b64decode(value + "==")))
        return [login for login in found if login]

    @property
    def changes(self) -> list[str]:
        """The requests that change something, or carry something: all but GET and HEAD."""
        return [f"{each.method} {each.path}" for each in self.requests if each.method not in ("GET", "HEAD")]

    @property
    def everything(self) -> bytes:
        """All of it, to look for a secret in."""
        shown = [repr((each.path, each.query, each.headers)).encode() + each.body for each in self.requests]
        return b"\n".join([*shown, json.dumps(self.logins).encode()])

    # serving

    def serve(self, reader: BinaryIO, writer: BinaryIO) -> None:
        """Answer requests until the other side ends."""
        self.connections += 1
        while (request := _read(reader)) is not None:
            with self._lock:
                self.requests.append(request)
                status, kind, body = self._answer(request)
            head = f"HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nApi-Version: 1.41\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            writer.flush()

    def _answer(self, request: Request) -> tuple[int, str, bytes]:
        path, method = request.path, request.method
        if path.endswith("/logs"):
            return 200, "application/octet-stream", b"\x01\0\0\0" + len(_LOG_LINE).to_bytes(4) + _LOG_LINE
        if path == "/build":
            self._has_images = True  # those that the build pulls too
            said = {"stream": f"Successfully built {_IMAGE}\n"}, {"aux": {"ID": _IMAGE}}
            return 200, "application/json", b"".join(json.dumps(each).encode() + b"\r\n" for each in said)
        known = self._json(method, path, request)
        if known is None:
            what = "image" if path.startswith("/images/") else "container"
            return 404, "application/json", json.dumps({"message": f"No such {what}: it"}).encode()
        if known == "":
            return 204, "application/json", b""
        return (201 if path.endswith("/create") else 200), "application/json", json.dumps(known).encode()

    def _json(self, method: str, path: str, request: Request) -> Any:
        fixed = {
            "/_ping": "OK",
            "/version": {"Version": "24.0", "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64"},
            "/info": {
                "ID": self.id,
                "Name": "device",
                "OperatingSystem": self.os,
                "Architecture": self.architecture,
                "SystemTime": _TIME,
            },
            "/images/json": [],
            "/networks": [],
            "/volumes": {"Volumes": []},
            "/events": "",
        }
        if path in fixed and method == "GET":
            return fixed[path]
        if path.startswith("/images/"):
            return self._image(method, path, request)
        if path.startswith("/containers/"):
            return self._container(method, path, request)
        return {"Id": "2" * 64, "Name": "made"}

    def _image(self, method: str, path: str, request: Request) -> Any:
        if method == "POST" and path == "/images/create":
            self._has_images = True
        if method == "GET" and path.endswith("/json"):
            if not self._has_images:
                return None
            config = {"Cmd": ["sh"], "Env": [], "Labels": {}}
            facts = {"Architecture": "amd64", "Os": "linux", "Created": _TIME, "RootFS": {"Layers": []}}
            return {"Id": _IMAGE, "RepoTags": [], "Config": config, "ContainerConfig": config, **facts}
        if method == "DELETE":
            return []
        return "" if request.query.get("repo") else {}

    def _container(self, method: str, path: str, request: Request) -> Any:
        if path == "/containers/json":
            return [_listed(each) for each in self._containers.values()]
        if path == "/containers/create":
            name = request.query.get("name", ["made"])[0]
            return {"Id": self._add(name, json.loads(request.body), "created"), "Warnings": []}
        identity, _, action = path.removeprefix("/containers/").partition("/")
        found = next((each for each in self._containers.values() if identity in _names(each)), None)
        if found is None:
            return None
        if method == "DELETE":
            del self._containers[found["Id"]]
        elif action == "json":
            return found
        elif action in ("start", "restart", "stop", "kill"):
            runs = action in ("start", "restart")
            found["State"].update(Running=runs, Status="running" if runs else "exited", StartedAt=_TIME)
        elif action == "rename":
            found["Name"] = "/" + request.query["name"][0]
        elif action == "wait":
            return {"StatusCode": 0}
        elif action == "update":
            found["HostConfig"].update(json.loads(request.body))
            return {"Warnings": []}
        return ""

    def _add(self, name: str, config: dict[str, Any], state: str) -> str:
        identity = f"{len(self._containers) + 1:064x}"
        host = config.pop("HostConfig", {})
        host.setdefault("LogConfig", {"Type": "json-file", "Config": {}})
        host.setdefault("RestartPolicy", {"Name": "no", "MaximumRetryCount": 0})
        self._containers[identity] = {
            "Id": identity,
            "Name": f"/{name}",
            "Created": _TIME,
            "Image": _IMAGE,
            "Config": {"Tty": False, "Labels": {}, "Env": [], **config},
            "HostConfig": host,
            "NetworkSettings": {"Networks": {}},
            "Mounts": [],
            "State": {"Status": state, "Running": state == "running", "StartedAt": _TIME, "ExitCode": 0},
            "RestartCount": 0,
        }
        return identity


def _garden() -> dict[str, Any]:
    """A container of the application `garden`, as `resin push` makes it."""
    return {"Image": "web", "Labels": {"io.resin-toolkit.app": "garden", "io.resin-toolkit.service": "web"}}


def _names(container: dict[str, Any]) -> set[str]:
    return {container["Id"], container["Id"][:12], container["Name"].removeprefix("/")}


def _listed(container: dict[str, Any]) -> dict[str, Any]:
    """A container as the list has it."""
    config, state = container["Config"], container["State"]["Status"]
    return {
        "Id": container["Id"],
        "Names": [container["Name"]],
        "Image": config.get("Image", ""),
        "ImageID": container["Image"],
        "Labels": config["Labels"],
        "State": state,
        "Status": "Up 2 minutes" if state == "running" else state,
        "Created": 1,
    }


def _read(reader: BinaryIO) -> Request | None:
    """The next request; None at the end."""
    first = reader.readline().split()
    if len(first) < 3:
        return None
    headers = {}
    while (line := reader.readline().strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    body = b""
    if headers.get("transfer-encoding") == "chunked":
        while size := int(reader.readline() or b"0", 16):
            body += reader.read(size)
            reader.readline()
        reader.readline()
    elif length := int(headers.get("content-length", "0")):
        body = reader.read(length)
    url = urlsplit(first[1].decode("latin-1"))
    path = _VERSION.sub("", unquote(url.path))
    return Request(first[0].decode(), path, parse_qs(url.query), headers, body)
