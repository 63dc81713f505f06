"""What push calls things on a device, and the labels by which it knows them again.

Nothing without the label of an application is ever changed or removed.
"""

from __future__ import annotations

import re

from resin_toolkit.engine import APP_LABEL, SERVICE_LABEL
from resin_toolkit.errors import BadValue

HASH_LABEL = "io.resin-toolkit.definition"
"""The hash of all that a container was made from."""
SOURCE_LABEL = "io.resin-toolkit.source"
"""The hash of all that its image was built from."""
RESTART_LABEL = "io.resin-toolkit.restart"
"""The restart policy that it is meant to have; during a change it has another one."""
PUSHER_LABEL = "io.resin-toolkit.pusher"
"""Who made it: `user@host:number of the process`."""
NEXT = ".next"
"""What the name of a container ends with until it has taken the place of another."""
LIVE = ".live"
"""What the name of a container ends with that is no longer as its image made it: files were put into it."""
_NOT_ALLOWED = re.compile(r"[^a-z0-9]+")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")

__all__ = [
    "APP_LABEL",
    "HASH_LABEL",
    "LIVE",
    "NEXT",
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
    """A name for an application, made of the name of its folder: lower case, its words joined by dashes."""
    name = _NOT_ALLOWED.sub("-", word.lower()).strip("-")
    return name or "app"


def checked_app_name(word: str) -> str:
    """`word`, if an application can be called that. Raises BadValue."""
    if not _NAME.fullmatch(word):
        raise BadValue(
            f"{word!r} is not a valid application name.",
            hint="It begins with a lower-case letter or a digit; dashes, dots and underscores may follow.",
        )
    return word


def container_name(app: str, service: str) -> str:
    return f"{app}_{service}"


def image_name(app: str, service: str) -> str:
    """The repository that the images of a service are tagged with."""
    return f"{app}_{app_name(service)}"


def network_name(app: str, key: str) -> str:
    """What a network or a volume is called that the application did not name otherwise."""
    return f"{app}_{key}"
