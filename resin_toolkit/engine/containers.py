"""The containers of an engine: made, started, stopped, changed, and files in and out of them.

Source: the Docker Engine API, /containers, since 1.22.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from resin_toolkit.engine.api_client import SLOW, ApiClient, object_of, texts_of
from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.models import WrongShape, as_object, number, one_line, text
from resin_toolkit.engine.transport.connection_pool import PATIENCE
from resin_toolkit.engine.transport.raw_stream import RawStream
from resin_toolkit.errors import (
    EngineFailed,
    Notice,
    NotSupported,
    ServiceNotFound,
    Unreachable,
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_STOP = 10.0
"""Seconds that a container has for its end where nobody says otherwise."""


class Containers:
    """The containers of `engine`, each by its ID or name.

    All raise ServiceNotFound where there is no such container, EngineFailed where the engine refuses (the
    fact `status` is that of its answer), and Unreachable where the connection breaks.
    """

    def __init__(self, engine: Engine) -> None:
        self._api = ApiClient(engine)

    def create(
        self,
        name: str,
        body: Mapping[str, object],
        platform: str = "",
        *,
        warn: Callable[[Notice], object] | None = None,
    ) -> str:
        """Make a container, as the API takes it in `body`; its ID. `warn` is told what the engine warns of.

        Raises ImageNotFound; EngineFailed with the status 409 where the name is taken.
        """
        fields = {"name": name, "platform": platform if self._api.speaks(1, 41) else ""}
        made = self._api.post("/containers/create", body, within=SLOW, **fields)
        known = self._api.shaped(made, as_object)
        for words in texts_of(known, "Warnings"):
            if warn is not None:
                warn(Notice("engine-warning", f"The engine of {self._api.host}: {one_line(words)}"))
        return self._api.shaped(known, _identity)

    def start(self, container: str) -> None:
        """Start it; nothing is done where it runs."""
        self._api.post(self._path(container, "start"), within=SLOW)

    def stop(self, container: str, timeout: float | None = None) -> None:
        """Let it end, within `timeout` seconds, else kill it; nothing is done where it does not run.

        None is the time that it has by its own settings, a negative number any time.
        """
        self._end(container, "stop", timeout)

    def restart(self, container: str, timeout: float | None = None) -> None:
        """Stop it as `stop` does, and start it."""
        self._end(container, "restart", timeout)

    def kill(self, container: str, signal: str = "KILL") -> None:
        """Send it a signal; nothing is done where it does not run."""
        try:
            self._api.post(self._path(container, "kill"), signal=signal)
        except EngineFailed as error:
            # Status 409, below API 1.24 or so 500.
            if "is not running" not in error.message:
                raise

    def wait(self, container: str, within: float | None = None) -> int:
        """Its exit code, once it has ended. Raises EngineFailed where it has not after so many seconds."""
        try:
            said = self._api.post(self._path(container, "wait"), within=within)
        except Unreachable as error:
            if error.facts.get("cause") != "no-answer" or within is None:
                raise
            raise EngineFailed(
                f"{container} on {self._api.host} has not ended within {within:g} s.",
                hint="`resin logs` shows what it does.",
            ) from error
        return self._api.shaped(said, lambda known: number(as_object(known), "StatusCode"))

    def set_restart_policy(self, container: str, name: str, maximum: int = 0) -> None:
        """Let it be restarted from now on: no, always, unless-stopped, or on-failure, `maximum` times.

        Raises NotSupported below API 1.23, which would pass over it without a word.
        """
        if not self._api.speaks(1, 23):
            raise NotSupported(
                f"The engine of {self._api.host} cannot change how a container is restarted (API 1.23).",
                hint="It can be said when the container is made.",
            )
        policy = {"Name": name, "MaximumRetryCount": maximum}
        self._api.post(self._path(container, "update"), {"RestartPolicy": policy})

    def rename(self, container: str, name: str) -> None:
        """Give it another name. Raises EngineFailed with the status 409 where that is taken."""
        self._api.post(self._path(container, "rename"), name=name)

    def remove(self, container: str, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it, if it is there; `force` kills it before, `volumes` removes those without a name, too."""
        try:
            self._api.delete(
                f"/containers/{self._named(container)}",
                force="1" if force else "",
                v="1" if volumes else "",
            )
        except ServiceNotFound:
            return
        except EngineFailed as error:
            if error.facts.get("status") != 409 or "already in progress" not in error.message:
                raise

    def raw(self, container: str) -> Mapping[str, Any]:
        """All that the engine knows of it, in the engine's own form."""
        return self._api.get(self._path(container, "json"), as_object)

    def put_archive(
        self, container: str, path: str, body: Iterable[bytes], *, no_overwrite: bool = False
    ) -> None:
        """Unpack a tar archive, compressed or not, into a folder of it. What `body` raises is raised.

        With `no_overwrite` a file does not take the place of a folder, nor a folder that of a file.
        """
        where = self._api.path(
            self._path(container, "archive"), path=path, noOverwriteDirNonDir="1" if no_overwrite else ""
        )
        with self._api.connections.sending("PUT", where, body) as sending:
            while sending.read():
                pass

    def get_archive(self, container: str, path: str) -> RawStream | None:
        """A file or folder of it as a tar archive, to be closed by the caller; None where there is none."""
        where = self._api.path(self._path(container, "archive"), path=path)
        try:
            wire, response = self._api.connections.stream(where, within=SLOW)
        except EngineFailed as error:
            if error.facts.get("status") == 404:
                return None
            raise
        return RawStream(self._api.host, wire, response)

    def _end(self, container: str, action: str, timeout: float | None) -> None:
        seconds = self._own_timeout(container) if timeout is None else timeout
        self._api.post(
            self._path(container, action),
            within=None if seconds < 0 else seconds + PATIENCE,
            t="" if timeout is None else str(round(timeout)),
        )

    def _own_timeout(self, container: str) -> float:
        """How long it has for its end, as its maker said (API 1.25)."""
        own = object_of(self.raw(container), "Config").get("StopTimeout")
        return float(own) if isinstance(own, int) else _STOP

    def _path(self, container: str, action: str) -> str:
        return f"/containers/{self._named(container)}/{action}"

    def _named(self, container: str) -> str:
        if not _NAME.fullmatch(container):
            raise ServiceNotFound(
                f"{self._api.host}: no such container: {one_line(container)}.",
                hint="`resin ps --all` lists what is there.",
            )
        return container


def _identity(known: Mapping[str, Any]) -> str:
    identity = text(known, "Id")
    if not identity:
        raise WrongShape("a container without an ID")
    return identity
