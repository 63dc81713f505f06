"""Docker's own library on our connections: for building, pulling and what else push needs.

It is loaded by `resin_toolkit.engine.open_client` alone; everything else here does without it.
"""

from __future__ import annotations

import weakref
from typing import Any

import docker.auth
import docker.errors
import docker.utils.config
import requests
import requests.adapters
import urllib3
import urllib3.connection
from docker.api.client import APIClient
from docker.utils.proxy import ProxyConfig

import resin_toolkit
from resin_toolkit.engine.connections import Connections
from resin_toolkit.engine.wire import Wire

_URL = "http+docker://engine"
_SIMULTANEOUS = 10


class Client(APIClient):
    """Docker's client for one engine, at exactly the API version that was agreed with it.

    Neither DOCKER_HOST nor a proxy of the environment or of ~/.docker/config.json leads it elsewhere. It
    does not call the constructor above it: that reads the file, trips over a damaged one, and refuses to
    speak API 1.22.
    """

    def __init__(self, connections: Connections, api_version: str, timeout: int) -> None:
        requests.Session.__init__(self)
        self.trust_env = False
        self.base_url = _URL
        self.timeout = timeout
        self.headers["User-Agent"] = f"resin/{resin_toolkit.__version__}"
        self.credstore_env = None
        self._general_configs: dict[str, Any] = {}
        self._proxy_configs = ProxyConfig()
        self._auth_configs = _credentials()
        self._version = api_version
        self._custom_adapter = _Adapter(connections)
        self.adapters.clear()
        self.mount("http+docker://", self._custom_adapter)


class _Adapter(requests.adapters.HTTPAdapter):
    """Leads every request to one engine."""

    def __init__(self, connections: Connections) -> None:
        self._pool = _Pool(connections)
        super().__init__()

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
        return self._pool

    def get_connection(self, *_: Any, **__: Any) -> Any:
        return self._pool

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:  # noqa: ARG002
        return request.path_url

    def close(self) -> None:
        super().close()
        self._pool.close()


class _Pool(urllib3.HTTPConnectionPool):
    scheme = "http+docker"

    def __init__(self, connections: Connections) -> None:
        super().__init__("docker", maxsize=_SIMULTANEOUS)
        self._connections = connections
        self._wires: weakref.WeakSet[Wire] = weakref.WeakSet()

    def _new_conn(self) -> _Connection:
        return _Connection(self._connections, self._wires)

    def close(self) -> None:
        super().close()
        # Docker's library leaves those open that it took over for an exec.
        for wire in list(self._wires):
            wire.end()


class _Connection(urllib3.connection.HTTPConnection):
    """A connection whose socket is a wire."""

    def __init__(self, connections: Connections, wires: weakref.WeakSet[Wire]) -> None:
        super().__init__("docker")
        self._connections = connections
        self._wires = wires

    def connect(self) -> None:
        wire = self._connections.link.open()
        wire.settimeout(self.timeout if isinstance(self.timeout, float | int) else None)
        self._wires.add(wire)
        self.sock: Any = wire

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any) -> None:
        super().request(method, url, body, headers, **options)
        if headers and "Upgrade" in headers:
            # What comes after the head of the answer is not HTTP's: no reader may take it ahead.
            self.sock.buffer_size = 1

    @property
    def is_connected(self) -> bool:
        return isinstance(self.sock, Wire) and self.sock.is_idle()


def _credentials() -> docker.auth.AuthConfig:
    """Who the user is to the registries, out of ~/.docker/config.json; nobody where it cannot be read."""
    found: Any = docker.utils.config.load_general_config()
    known = found if isinstance(found, dict) else {}
    auths = known.get("auths")
    entries = auths.items() if isinstance(auths, dict) else ()
    chosen = {
        "auths": {name: entry for name, entry in entries if _is_login(entry)},
        "credsStore": known.get("credsStore") if isinstance(known.get("credsStore"), str) else None,
        "credHelpers": known.get("credHelpers") if isinstance(known.get("credHelpers"), dict) else None,
    }
    try:
        return docker.auth.load_config(config_dict=chosen)
    except (docker.errors.DockerException, ValueError):
        return docker.auth.AuthConfig({})


def _is_login(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("auth", ""), str)
