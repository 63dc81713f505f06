"""The containers of an engine. Source: the Docker Engine API, /containers, since 1.22."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from resin_toolkit.engine.api_client import SLOW, ApiClient
from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.transport.connection_pool import CHANGE
from resin_toolkit.engine.transport.raw_stream import RawStream
from resin_toolkit.errors import EngineFailed, Notice, NotSupported, ServiceNotFound, Unreachable
from resin_toolkit.untrusted_json import (
    WrongShape,
    as_object,
    number,
    object_of,
    one_line,
    text,
    texts_of,
)

_MAX_STOP_TIMEOUT = 86_400.0
_STOP_TIMEOUT = 10.0
"""Seconds that the engine gives a container to stop if its configuration names no other time."""


class Containers:
    """The containers of `engine`, by ID or name.

    All methods raise ServiceNotFound if there is no such container, EngineFailed, whose fact `status` is that
    of the response, and Unreachable.
    """

    def __init__(self, engine: Engine) -> None:
        self._api = ApiClient(engine)

    def create(
        self, name: str, body: Mapping[str, object], *, warn: Callable[[Notice], object] | None = None
    ) -> str:
        """Create a container and return its ID. `body` is that of the API, `warn` gets the engine's warnings.

        Raises ImageNotFound; EngineFailed with status 409 if the name is in use.
        """
        created = self._api.post("/containers/create", body, within=SLOW, name=name)
        answer = self._api.parse(created, as_object)
        for words in texts_of(answer, "Warnings"):
            if warn is not None:
                warn(Notice("engine-warning", f"The engine of {self._api.host}: {one_line(words)}"))
        return self._api.parse(answer, _identity)

    def start(self, container: str) -> None:
        """Start a container, unless it is running."""
        self._api.post(self._path(container, "start"), within=SLOW)

    def stop(self, container: str, timeout: float | None = None) -> None:
        """Stop a running container, and kill it after `timeout` seconds.

        None stands for the timeout of its configuration, a negative number for no timeout.
        """
        self._stop(container, "stop", timeout)

    def restart(self, container: str, timeout: float | None = None) -> None:
        """Stop a container as `stop` does, and start it."""
        self._stop(container, "restart", timeout)

    def kill(self, container: str, signal: str = "KILL") -> None:
        """Send a signal to a container, if it is running."""
        try:
            self._api.post(self._path(container, "kill"), signal=signal)
        except EngineFailed as error:
            # Status 409, or 500 below API 1.24.
            if "is not running" not in error.message:
                raise

    def wait(self, container: str, within: float | None = None) -> int:
        """Wait until a container exits; return its exit code. Raises EngineFailed after `within` seconds."""
        try:
            answer = self._api.post(self._path(container, "wait"), within=within)
        except Unreachable as error:
            if error.facts.get("cause") != "no-answer" or within is None:
                raise
            raise EngineFailed(
                f"{container} on {self._api.host} did not exit within {within:g} s.",
                hint="`resin logs` shows what it is doing.",
            ) from error
        return self._api.parse(answer, lambda known: number(as_object(known), "StatusCode"))

    def set_restart_policy(self, container: str, name: str, maximum: int = 0) -> None:
        """Set the restart policy: `no`, `always`, `unless-stopped`, or `on-failure` with `maximum` retries.

        Raises NotSupported below API 1.23, which would silently ignore the request.
        """
        if not self._api.supports(1, 23):
            raise NotSupported(
                f"The engine of {self._api.host} cannot change the restart policy of a container (API 1.23).",
                hint="The policy can be set when the container is created.",
            )
        policy = {"Name": name, "MaximumRetryCount": maximum}
        self._api.post(self._path(container, "update"), {"RestartPolicy": policy})

    def rename(self, container: str, name: str) -> None:
        """Rename a container. Raises EngineFailed with status 409 if the name is in use."""
        self._api.post(self._path(container, "rename"), name=name)

    def remove(self, container: str, *, force: bool = False, volumes: bool = False) -> None:
        """Remove a container if it exists. `force` kills it, `volumes` removes its anonymous volumes."""
        try:
            self._api.delete(self._path(container), force="1" if force else "", v="1" if volumes else "")
        except ServiceNotFound:
            return
        except EngineFailed as error:
            if error.facts.get("status") != 409 or "already in progress" not in error.message:
                raise

    def raw(self, container: str) -> Mapping[str, Any]:
        """All details of a container, as the engine's API has them."""
        return self._api.get(self._path(container, "json"), as_object)

    def put_archive(self, container: str, path: str, body: Iterable[bytes]) -> None:
        """Unpack a tar archive, compressed or not, in a folder of a container. Raises what `body` raises."""
        where = self._api.path(self._path(container, "archive"), path=path)
        with self._api.connections.upload("PUT", where, body) as uploading:
            while uploading.read():
                pass

    def get_archive(self, container: str, path: str) -> RawStream | None:
        """A file or folder of a container as a tar archive; None if it does not exist."""
        where = self._api.path(self._path(container, "archive"), path=path)
        try:
            return self._api.connections.stream(where, within=SLOW)
        except EngineFailed as error:
            if error.facts.get("status") == 404:
                return None
            raise

    def _stop(self, container: str, action: str, timeout: float | None) -> None:
        seconds = self._configured_timeout(container) if timeout is None else timeout
        self._api.post(
            self._path(container, action),
            within=None if seconds < 0 else seconds + CHANGE,
            t="" if timeout is None else str(round(timeout)),
        )

    def _configured_timeout(self, container: str) -> float:
        """The stop timeout in a container's configuration (API 1.25)."""
        config = object_of(self.raw(container), "Config")
        known = isinstance(config.get("StopTimeout"), int)
        return min(float(number(config, "StopTimeout")), _MAX_STOP_TIMEOUT) if known else _STOP_TIMEOUT

    def _path(self, container: str, action: str = "") -> str:
        return self._api.engine.container_path(container, action)


def _identity(known: Mapping[str, Any]) -> str:
    identity = text(known, "Id")
    if not identity:
        raise WrongShape("a container without an ID")
    return identity
