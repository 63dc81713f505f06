"""The names and labels of what `resin push` creates on a device.

Containers, images, networks and volumes without the label of an application are never changed or removed.
"""

from __future__ import annotations

import re

from resin_toolkit.engine import APP_LABEL, SERVICE_LABEL
from resin_toolkit.errors import BadValue

HASH_LABEL = "io.resin-toolkit.definition"
"""The hash of the definition that a container was created from."""
SOURCE_LABEL = "io.resin-toolkit.source"
"""The hash of everything that its image was built from."""
RESTART_LABEL = "io.resin-toolkit.restart"
"""Its configured restart policy; while it is being replaced, the actual one differs."""
PUSHER_LABEL = "io.resin-toolkit.pusher"
"""Who created it: `user@host:process ID`."""
NEXT_SUFFIX = ".next"
"""The end of a container's name until it has replaced another one."""
LIVE_SUFFIX = ".live"
"""The end of a container's name if live mode has changed files in it."""
_NOT_ALLOWED = re.compile(r"[^a-z0-9]+")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")

__all__ = [
    "APP_LABEL",
    "HASH_LABEL",
    "LIVE_SUFFIX",
    "NEXT_SUFFIX",
    "PUSHER_LABEL",
    "RESTART_LABEL",
    "SERVICE_LABEL",
    "SOURCE_LABEL",
    "app_name",
    "container_name",
    "image_name",
    "network_name",
]


def app_name(word: str) -> str:
    """Derive an application name from a folder name: lower case, words joined by dashes."""
    name = _NOT_ALLOWED.sub("-", word.lower()).strip("-")
    return name or "app"


def checked_app_name(word: str) -> str:
    """Return `word` if it is a valid application name. Raises BadValue."""
    if not _NAME.fullmatch(word):
        raise BadValue(
            f"{word!r} is not a valid application name.",
            hint="Begin it with a lower-case letter or a digit; dashes, dots and underscores may follow.",
        )
    return word


def container_name(app: str, service: str) -> str:
    """Return the name of the container of a service."""
    return f"{app}_{service}"


def image_name(app: str, service: str) -> str:
    """Return the repository name of the images of a service."""
    return f"{app}_{app_name(service)}"


def network_name(app: str, key: str) -> str:
    """Return the name of a network or volume that has no explicit name."""
    return f"{app}_{key}"
