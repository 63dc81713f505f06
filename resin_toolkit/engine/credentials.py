"""Registry logins from Docker's config.json, in the form in which an engine expects them.

The engine of a development device is open to the whole network, and its owner can read what it receives. So
unlike with docker's client it never gets all logins of the user, but only those of the registries from which
it is about to pull. Source: the Docker Engine API, "Authentication" and POST /build.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.transport.http import NotJson, parse_json
from resin_toolkit.engine.version_negotiation import parse_version
from resin_toolkit.errors import Notice
from resin_toolkit.state import read_state, update_state
from resin_toolkit.untrusted_json import object_of, one_line, texts_of

if TYPE_CHECKING:
    from docker.auth import AuthConfig

STATE = "registries.json"
"""The state file of warnings about unencrypted logins: names of registries, by the ID of the engine."""
_HELPER = "docker-credential-"
_FIELDS = ("username", "password", "identitytoken")
_SHAPES = {"auths": dict, "credHelpers": dict, "credsStore": str}


class _Unusable(Exception):
    """Why a login cannot be used, as a clause that contains no part of it."""


class Credentials:
    """The user's logins for what `engine` pulls.

    `warn` gets a notice for each login that cannot be used, and, once for each engine and registry, that a
    login is sent unencrypted.
    """

    def __init__(self, engine: Engine, warn: Callable[[Notice], object]) -> None:
        self._engine = engine
        self._warn = warn

    def for_pull(self, reference: str) -> str:
        """The X-Registry-Auth header for an image; empty if the user has no login for its registry."""
        for login in self._logins([reference]).values():
            return _encoded(login)
        return ""

    def for_build(self, references: Iterable[str]) -> str:
        """The X-Registry-Config header for the images that a build pulls; empty if no login is needed.

        `references` are read only if the user has any login at all.
        """
        logins = self._logins(references)
        return _encoded(logins) if logins else ""

    def _logins(self, references: Iterable[str]) -> dict[str, dict[str, str]]:
        """The logins, by registry."""
        path = _path()
        try:
            settings = _settings(path)
        except _Unusable as error:
            for registry in _registries(references):
                self._warn_without(registry, f"{path} {error}")
            return {}
        found = {}
        for registry in _registries(references) if settings else ():
            try:
                login = _login(settings, registry)
            except _Unusable as error:
                self._warn_without(registry, str(error))
                continue
            if "identitytoken" in login and not self._takes_tokens:
                self._warn_without(registry, f"the engine of {self._engine.host} does not support tokens")
            elif login:
                self._warn_of_sending(registry)
                found[login["serveraddress"]] = login
        return found

    @property
    def _takes_tokens(self) -> bool:
        return parse_version(self._engine.api_version) >= (1, 23)

    def _warn_without(self, registry: str, why: str) -> None:
        self._warn(Notice("no-login", f"Your login for {one_line(registry)} is not used: {one_line(why)}."))

    def _warn_of_sending(self, registry: str) -> None:
        engine = self._engine
        if engine.access_method is not AccessMethod.TCP:
            return
        if not _was_given(engine.facts.id, registry):
            self._warn(
                Notice(
                    "login-unencrypted",
                    f"Your login for {one_line(registry)} is sent to {engine.host} unencrypted: others on "
                    "the network can read it. Put `ssh://` in front of the device's name to use SSH. This "
                    "warning is shown once for each engine and registry.",
                )
            )


def _path() -> Path:
    """The path of Docker's settings."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"


def _settings(path: Path) -> Mapping[str, Any]:
    """The logins in Docker's settings; empty if there are none. Raises _Unusable."""
    try:
        settings = parse_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise _Unusable(f"cannot be read: {(error.strerror or 'an error').lower()}") from error
    except NotJson as error:
        raise _Unusable("is not valid JSON") from error
    if not isinstance(settings, dict):
        raise _Unusable("is not a JSON object")
    logins = {key: settings[key] for key in _SHAPES if settings.get(key)}
    if not all(isinstance(value, _SHAPES[key]) for key, value in logins.items()):
        raise _Unusable("has logins in an unknown format")
    return logins


def _registries(references: Iterable[str]) -> list[str]:
    """The registries of images, without duplicates; Docker's own is `docker.io`."""
    from docker.auth import resolve_repository_name
    from docker.errors import InvalidRepository

    found = []
    for reference in references:
        try:
            found.append(resolve_repository_name(reference)[0])
        except InvalidRepository:
            # The engine reports such a name.
            continue
    return list(dict.fromkeys(found))


def _login(settings: Mapping[str, Any], registry: str) -> dict[str, str]:
    """The login for a registry, as the engine's API has it; empty if there is none. Raises _Unusable."""
    from docker.auth import INDEX_NAME, INDEX_URL
    from docker.errors import DockerException

    # Engines look up the login of Docker's own registry under this name, and others under their host names.
    server = INDEX_URL if registry == INDEX_NAME else registry
    known = _auth_config(settings, registry, server)
    helper = known.get_credential_store(registry)
    if helper and not shutil.which(f"{_HELPER}{helper}"):
        raise _Unusable(f"{_HELPER}{helper} is not installed")
    try:
        found = known.resolve_authconfig(registry)
    except (DockerException, ValueError, TypeError, KeyError) as error:
        # The message of the program may contain the login.
        raise _Unusable(f"{_HELPER}{helper} failed") from error
    fields = {name.lower(): value for name, value in (found or {}).items()}
    login = {name: fields[name] for name in _FIELDS if isinstance(fields.get(name), str) and fields[name]}
    return {**login, "serveraddress": server} if login else {}


def _auth_config(settings: Mapping[str, Any], registry: str, server: str) -> AuthConfig:
    """The settings of one registry only, so that a malformed entry of another one does no harm."""
    from docker.auth import AuthConfig, resolve_index_name
    from docker.errors import InvalidConfigFile

    entries = object_of(settings, "auths")
    names = [name for name in entries if resolve_index_name(name) == registry]
    # `docker login` also stores tokens of its own, under longer names of the same host.
    chosen = min(names, key=lambda name: (name != server, len(name)), default="")
    entry: Any = entries.get(chosen)
    if isinstance(entry, dict):
        entry = {key: value for key, value in entry.items() if value}
    helpers = {name: helper for name, helper in object_of(settings, "credHelpers").items() if helper}
    store = settings.get("credsStore")
    try:
        auths = AuthConfig.parse_auth({registry: entry} if chosen else {}, raise_on_error=True)
    except (InvalidConfigFile, ValueError, TypeError) as error:
        raise _Unusable(f"its entry in {_path()} is malformed") from error
    return AuthConfig({"auths": auths, "credHelpers": helpers, "credsStore": store})


def _encoded(content: Mapping[str, Any]) -> str:
    """Padded base64url of JSON, which engines of all versions accept."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def _was_given(identity: str, registry: str) -> bool:
    """Whether the warning was given before; from now on it was."""
    if registry in texts_of(read_state(STATE), identity):
        return True
    try:
        with update_state(STATE) as known:
            known[identity] = sorted({*texts_of(known, identity), registry})
    except OSError:
        # Without a state file the warning is given each time.
        pass
    return False
