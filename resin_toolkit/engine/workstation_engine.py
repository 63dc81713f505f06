"""This machine's own container engine, through the Docker SDK: DOCKER_HOST, contexts, TLS, SSH, Podman."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from resin_toolkit.engine.error_responses import unexpected_answer
from resin_toolkit.engine.image_models import ImageDetails, image_details_of
from resin_toolkit.engine.images import is_reference
from resin_toolkit.errors import EngineFailed, ImageNotFound, NotPermitted, ResinError, Unreachable
from resin_toolkit.untrusted_json import WrongShape, one_line

if TYPE_CHECKING:
    from docker import APIClient
    from requests import Response

THIS_MACHINE = "this workstation"
_CONNECT_TIMEOUT = 10
"""Seconds for the first answer: systemd may have to start the engine."""
_CHUNK = 1024 * 1024
_DEFAULT_PORTS = {False: 2375, True: 2376}
"""Docker's port for `tcp://HOST`, without and with TLS."""


@dataclass(frozen=True)
class _EngineAddress:
    """Where an engine listens, what named it, and how TLS is set up (False: not at all)."""

    url: str
    source: str
    tls: Any = False


class WorkstationEngine:
    """This machine's engine, to be closed by the caller. All methods raise EngineFailed and Unreachable."""

    def __init__(self, client: APIClient, url: str) -> None:
        self.client = client
        self.url = url
        """Its address as in DOCKER_HOST: `unix:///var/run/docker.sock`."""

    def __enter__(self) -> WorkstationEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.client.close()

    def inspect(self, reference: str) -> ImageDetails | None:
        """Describe an image by its ID or NAME:TAG; None if the engine has no such image."""
        from docker.errors import DockerException, NotFound
        from requests.exceptions import RequestException

        if not is_reference(reference):
            return None
        try:
            return image_details_of(self.client.inspect_image(reference))  # type: ignore[no-untyped-call]
        except NotFound:
            return None
        except WrongShape as error:
            raise unexpected_answer(THIS_MACHINE) from error
        except (DockerException, RequestException, OSError, ValueError) as error:
            raise self._failure(error) from error

    def save(self, reference: str) -> ImageStream:
        """Open an image as an archive (`docker save`), to be closed by the caller. Raises ImageNotFound."""
        # The engine may write the whole archive to a file before it sends the first byte.
        self.client.timeout = None  # type: ignore[assignment]
        responses: list[Response] = []
        self.client.hooks["response"] = [lambda response, **_: responses.append(response)]
        chunks = self.client.get_image(reference, chunk_size=_CHUNK)
        return ImageStream(self, chunks, responses)

    def _failure(self, error: Exception) -> ResinError:
        from docker.errors import APIError, NotFound

        if isinstance(error, NotFound):
            return ImageNotFound(
                f"{THIS_MACHINE}: {one_line(str(error.explanation))}.",
                hint="`docker image ls` lists the images.",
            )
        if isinstance(error, APIError):
            words = one_line(" ".join(str(error.explanation or error).split()), 500).rstrip(".")
            return EngineFailed(
                f"The engine of {THIS_MACHINE} reports: {words}.", hint="The message is the engine's own."
            )
        return _connection_failure(self.url, error)


class ImageStream:
    """The bytes of an archive, as the engine sends them."""

    def __init__(
        self, engine: WorkstationEngine, chunks: Iterator[bytes], responses: Sequence[Response]
    ) -> None:
        self._engine = engine
        self._chunks = chunks
        self._responses = responses
        self._pending = b""

    def __enter__(self) -> ImageStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, size: int = _CHUNK, /) -> bytes:
        """Return 1 to `size` bytes, b"" at the end. Raises ImageNotFound, EngineFailed and Unreachable."""
        from docker.errors import DockerException
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        if not self._pending:
            try:
                self._pending = next(self._chunks, b"")
            except (DockerException, RequestException, HTTPError, OSError) as error:
                raise self._engine._failure(error) from error
        data, self._pending = self._pending[:size], self._pending[size:]
        return data

    def close(self) -> None:
        for response in self._responses:
            response.close()


def connect_workstation() -> WorkstationEngine:
    """Connect to this machine's engine: that of DOCKER_HOST, of Docker's context, or at a usual socket.

    Raises Unreachable if there is none or its settings cannot be used, and NotPermitted if this user may
    not use it.
    """
    address = _configured_address()
    if address is not None:
        return _connect(address)
    failure: Unreachable | NotPermitted | None = None
    paths = _usual_sockets()
    for path in filter(_is_socket, paths):
        try:
            return _connect(_EngineAddress(f"unix://{path}", str(path)))
        except (Unreachable, NotPermitted) as error:
            # An engine that is no longer used may have left its socket; the next one may be in use.
            failure = failure or error
    raise failure or Unreachable(
        f"No container engine is running on {THIS_MACHINE}: there is no {paths[0]} or other usual socket.",
        hint="Start Docker or Podman, or set DOCKER_HOST.",
        cause="no-way",
    )


def _configured_address() -> _EngineAddress | None:
    """The address in DOCKER_HOST or Docker's context; None if neither is set."""
    from docker.errors import DockerException
    from docker.utils import kwargs_from_env

    url = os.environ.get("DOCKER_HOST", "")
    if not url:
        return _context_address()
    try:
        return _EngineAddress(url, "DOCKER_HOST", kwargs_from_env().get("tls", False))
    except DockerException as error:
        raise Unreachable(
            f"The TLS certificates for {one_line(url)} cannot be used: {one_line(str(error), 300)}",
            hint="Check DOCKER_CERT_PATH, or unset DOCKER_TLS_VERIFY.",
            cause="tls",
        ) from error


def _context_address() -> _EngineAddress | None:
    """The address of the current context (`docker context use`); None for Docker's default."""
    from docker.context import ContextAPI
    from docker.context.config import get_current_context_name
    from docker.utils.config import find_config_file

    name = os.environ.get("DOCKER_CONTEXT") or get_current_context_name()
    if not isinstance(name, str) or name in ("", "default"):
        return None
    source = f"Docker's context {one_line(name)}"
    try:
        # Without a configuration file the SDK would look for contexts in the current directory.
        found = ContextAPI.kwargs_from_context(name) if find_config_file() else {}
    except Exception as error:
        raise Unreachable(
            f"{source} cannot be read: {one_line(str(error), 300)}.",
            hint="Choose another one with `docker context use`, or set DOCKER_HOST.",
            cause="no-way",
        ) from error
    url = found.get("base_url")
    if not isinstance(url, str):
        raise Unreachable(
            f"{source} does not exist.",
            hint="`docker context ls` lists the contexts; `docker context use` chooses one.",
            cause="no-way",
        )
    return _EngineAddress(url, source, found.get("tls", False))


def _usual_sockets() -> list[Path]:
    own = os.environ.get("XDG_RUNTIME_DIR")
    runtime = [Path(own)] if own else []
    return [
        Path("/var/run/docker.sock"),
        *(folder / "docker.sock" for folder in runtime),
        Path.home() / ".docker" / "run" / "docker.sock",
        *(folder / "podman" / "podman.sock" for folder in runtime),
        Path("/run/podman/podman.sock"),
    ]


def _is_socket(path: Path) -> bool:
    try:
        return path.is_socket()
    except OSError:
        # In another user's directory.
        return False


def _client_class() -> type[APIClient]:
    """The SDK's client, but without the logins of config.json: a malformed one would make it unusable.

    What else is in config.json, such as proxies and HTTP headers, is kept. `credentials` reads the logins.
    """
    from docker import APIClient

    class Client(APIClient):
        @property
        def _general_configs(self) -> dict[str, Any]:
            return self._settings

        @_general_configs.setter
        def _general_configs(self, settings: dict[str, Any]) -> None:
            # Where there is no login at all, the SDK takes each of the other settings for one.
            self._settings = {**settings, "auths": {"": {}}, "credsStore": "", "credHelpers": {}}

    return Client


def _connect(address: _EngineAddress) -> WorkstationEngine:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        _check_unix_socket(address.url)
        client = _client_class()(
            base_url=_with_port(address.url, bool(address.tls)),
            version="auto",
            timeout=_CONNECT_TIMEOUT,
            tls=address.tls,
            # As docker does: its keys, agent, known hosts and configuration are those of ssh.
            use_ssh_client=True,
        )
    except (DockerException, RequestException, OSError, ValueError, TypeError, AttributeError) as error:
        where = address.url if address.source in address.url else f"{address.source} ({address.url})"
        raise _connection_failure(where, error) from error
    return WorkstationEngine(client, address.url)


def _check_unix_socket(url: str) -> None:
    """Raise the OSError of a connection that fails; the SDK would leave such a socket open."""
    path = url.removeprefix("unix://")
    if path != url and path.startswith("/"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_CONNECT_TIMEOUT)
            connection.connect(path)


def _with_port(url: str, is_tls: bool) -> str:
    """`url` with Docker's default port if it has none. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme != "tcp" or not parts.hostname or parts.port is not None:
        return url
    return f"tcp://{parts.netloc.rstrip(':')}:{_DEFAULT_PORTS[is_tls]}{parts.path}"


def _connection_failure(where: str, error: Exception) -> Unreachable | NotPermitted:
    reason = _system_error(error)
    if isinstance(reason, PermissionError):
        return NotPermitted(
            f"You do not have permission to use the engine of {THIS_MACHINE} at {one_line(where)}.",
            hint="Join the group that owns the socket, usually `docker`, then log out and in again.",
        )
    words = str(reason.strerror).lower() if reason else one_line(str(error), 300).rstrip(".")
    return Unreachable(
        f"The engine of {THIS_MACHINE} at {one_line(where)} cannot be reached: {words}.",
        hint="Start Docker or Podman, or correct DOCKER_HOST or Docker's context.",
        cause="refused",
    )


def _system_error(error: BaseException) -> OSError | None:
    """The error of the system call behind an exception of the SDK, which wraps it several times."""
    waiting, seen = [error], set()
    while waiting:
        found = waiting.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, OSError) and found.errno is not None and found.strerror:
            return found
        inner = [*found.args, found.__cause__, found.__context__, getattr(found, "reason", None)]
        waiting += [each for each in inner if isinstance(each, BaseException)]
    return None
