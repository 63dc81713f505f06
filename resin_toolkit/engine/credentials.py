"""Logins of registries, out of docker's own settings, in the form in which an engine takes them.

This is the only place that knows docker's library, which is loaded only where there are such settings. The
engine of a development device is open to the whole network, and whoever owns it reads what it is sent: so it
never gets all logins that the user has, as from docker's client, but only those of the registries from which
it is about to fetch images. Source: the Docker Engine API, "Authentication" and POST /build.
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
from resin_toolkit.engine.api_client import object_of, texts_of
from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.models import one_line
from resin_toolkit.engine.transport.http import NotJson, parse_json
from resin_toolkit.engine.version_negotiation import version_of
from resin_toolkit.errors import Notice
from resin_toolkit.state import read_state, update_state

if TYPE_CHECKING:
    from docker.auth import AuthConfig

STATE = "registries.json"
"""Of which registries it was said that their logins go to an engine unencrypted: their names, by its ID."""
_HELPER = "docker-credential-"
_FIELDS = ("username", "password", "identitytoken")
_SHAPES = {"auths": dict, "credHelpers": dict, "credsStore": str}


class _Unusable(Exception):
    """Why a login cannot be had, in words without any part of it."""


class Credentials:
    """The user's logins for what `engine` fetches; `warn` hears of those that cannot be had.

    It is also told once, for each engine and registry, that a login is sent unencrypted.
    """

    def __init__(self, engine: Engine, warn: Callable[[Notice], object]) -> None:
        self._engine = engine
        self._warn = warn

    def for_pull(self, reference: str) -> str:
        """The login for one image, as X-Registry-Auth; empty where the user has none for its registry."""
        for login in self._logins([reference]).values():
            return _encoded(login)
        return ""

    def for_build(self, references: Iterable[str]) -> str:
        """The logins for the images that a build fetches, as X-Registry-Config; empty where there is none.

        They are those of the registries of `references` alone, which are gone through only where the user has
        any login at all.
        """
        logins = self._logins(references)
        return _encoded(logins) if logins else ""

    def _logins(self, references: Iterable[str]) -> dict[str, dict[str, str]]:
        """The logins by the names of their registries."""
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
                self._warn_without(registry, f"the engine of {self._engine.host} is too old for its token")
            elif login:
                self._warn_of_sending(registry)
                found[login["serveraddress"]] = login
        return found

    @property
    def _takes_tokens(self) -> bool:
        return version_of(self._engine.api_version) >= (1, 23)

    def _warn_without(self, registry: str, why: str) -> None:
        self._warn(Notice("no-login", f"{one_line(registry)} is asked without your login: {one_line(why)}."))

    def _warn_of_sending(self, registry: str) -> None:
        engine = self._engine
        if engine.access_method is not AccessMethod.TCP:
            return
        if not _was_said(engine.facts.id, registry):
            self._warn(
                Notice(
                    "login-unencrypted",
                    f"Your login for {one_line(registry)} is sent to {engine.host} unencrypted: anybody on "
                    "the way may read it. `ssh://` before the device's name takes SSH. This is said once.",
                )
            )


def _path() -> Path:
    """Where docker's settings lie."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"


def _settings(path: Path) -> Mapping[str, Any]:
    """What docker's settings say of logins; empty where there are none. Raises _Unusable."""
    try:
        said = parse_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise _Unusable(f"cannot be read: {(error.strerror or 'an error').lower()}") from error
    except NotJson as error:
        raise _Unusable("is no JSON") from error
    if not isinstance(said, dict):
        raise _Unusable("holds no settings")
    logins = {key: said[key] for key in _SHAPES if said.get(key)}
    if not all(isinstance(value, _SHAPES[key]) for key, value in logins.items()):
        raise _Unusable("has logins in a form that docker does not write")
    return logins


def _registries(references: Iterable[str]) -> list[str]:
    """The registries of images, each once; that of docker is `docker.io`."""
    from docker.auth import resolve_repository_name
    from docker.errors import InvalidRepository

    found = []
    for reference in references:
        try:
            found.append(resolve_repository_name(reference)[0])
        except InvalidRepository:
            # The engine refuses such a name, in its own words.
            continue
    return list(dict.fromkeys(found))


def _login(settings: Mapping[str, Any], registry: str) -> dict[str, str]:
    """The login for a registry, as the engine takes it; empty where there is none. Raises _Unusable."""
    from docker.auth import INDEX_NAME, INDEX_URL
    from docker.errors import DockerException

    # Engines look for the login of docker's own registry under this name, and for others under their host's.
    server = INDEX_URL if registry == INDEX_NAME else registry
    known = _known(settings, registry, server)
    helper = known.get_credential_store(registry)
    if helper and not shutil.which(f"{_HELPER}{helper}"):
        raise _Unusable(f"the program {_HELPER}{helper} is not there")
    try:
        said = known.resolve_authconfig(registry)
    except (DockerException, ValueError, TypeError, KeyError) as error:
        # The words of the program may hold what it was asked for.
        raise _Unusable(f"{_HELPER}{helper} fails") from error
    fields = {name.lower(): value for name, value in (said or {}).items()}
    login = {name: fields[name] for name in _FIELDS if isinstance(fields.get(name), str) and fields[name]}
    return {**login, "serveraddress": server} if login else {}


def _known(settings: Mapping[str, Any], registry: str, server: str) -> AuthConfig:
    """What the settings say of one registry: what is wrong with the entry of another is in nobody's way."""
    from docker.auth import AuthConfig, resolve_index_name
    from docker.errors import InvalidConfigFile

    entries = object_of(settings, "auths")
    names = [name for name in entries if resolve_index_name(name) == registry]
    # `docker login` also keeps tokens of its own, under longer names of the same host.
    chosen = min(names, key=lambda name: (name != server, len(name)), default="")
    entry: Any = entries.get(chosen)
    if isinstance(entry, dict):
        entry = {key: value for key, value in entry.items() if value}
    helpers = {name: helper for name, helper in object_of(settings, "credHelpers").items() if helper}
    store = settings.get("credsStore")
    try:
        auths = AuthConfig.parse_auth({registry: entry} if chosen else {}, raise_on_error=True)
    except (InvalidConfigFile, ValueError, TypeError) as error:
        raise _Unusable(f"{_path()} has an entry for it that makes no sense") from error
    return AuthConfig({"auths": auths, "credHelpers": helpers, "credsStore": store})


def _encoded(content: Mapping[str, Any]) -> str:
    """base64url of the JSON, padded: engines of every age take that."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def _was_said(identity: str, registry: str) -> bool:
    """Whether it was said before; from now on it was."""
    if registry in texts_of(read_state(STATE), identity):
        return True
    try:
        with update_state(STATE) as known:
            known[identity] = sorted({*texts_of(known, identity), registry})
    except OSError:
        # Where nothing can be kept it is said each time.
        pass
    return False
