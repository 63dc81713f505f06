"""The base class of profiles, and their identity: id, UUID and file name."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from image_tools.profiles.keyfile import Sections, escape, render
from resin_toolkit.errors import BadValue

LOWEST_PRIORITY, HIGHEST_PRIORITY = -999, 999
_OWN_NAMESPACE = bytes.fromhex("6f4b1c0e5d7a4f6c9a3e2b8d10c7f5a4")
_MAX_SLUG = 40
_RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d", re.ASCII)


class Profile(ABC):
    """A network profile that can be written as a keyfile."""

    @property
    @abstractmethod
    def connection_id(self) -> str:
        """The id, shown to users."""

    @property
    @abstractmethod
    def uuid(self) -> str:
        """A UUID that stays the same when other values of the profile change."""

    @property
    def file_name(self) -> str:
        """The name of the keyfile in `system-connections/`."""
        return file_name_of(self.connection_id)

    @abstractmethod
    def sections(self) -> Sections:
        """Return the sections of the keyfile, with escaped values."""

    def attachments(self) -> tuple[tuple[str, bytes], ...]:
        """Return name and content of certificates and keys, for the same directory."""
        return ()

    def keyfile(self) -> bytes:
        """Return the content of the keyfile, including secrets."""
        return render(self.sections())

    def files(self) -> tuple[tuple[str, bytes], ...]:
        """Return name and content of all files for `system-connections/`, the keyfile last."""
        return (*self.attachments(), (self.file_name, self.keyfile()))

    def _connection(self, type_: str, priority: int | None) -> dict[str, str]:
        section = {"id": escape(self.connection_id), "uuid": self.uuid, "type": type_}
        return {**section, "autoconnect-priority": str(priority)} if priority else section


def check_id(text: str) -> None:
    """Raise BadValue for an id that is empty or contains control characters."""
    if not is_readable(text):
        raise BadValue("The profile id is empty or contains control characters.", hint="Use a readable name.")


def check_priority(priority: int | None) -> None:
    """Raise BadValue unless NetworkManager accepts it as connection.autoconnect-priority."""
    if priority is not None and not LOWEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        raise BadValue(
            f"{priority} is not a valid priority.",
            hint=f"Use {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}; the highest is tried first.",
        )


def is_readable(text: str) -> bool:
    """Whether text is valid Unicode, not empty, and without control characters."""
    return bool(text) and not any(c < " " or "\x7f" <= c < "\xa0" or "\ud800" <= c <= "\udfff" for c in text)


def uuid_of(*identity: str) -> str:
    """Return the name-based UUID (RFC 9562, version 5) of the values that identify a profile."""
    from hashlib import sha1

    name = "\0".join(identity).encode()
    digest = bytearray(sha1(_OWN_NAMESPACE + name, usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def file_name_of(connection_id: str) -> str:
    """Return a unique file name for the profile with that id.

    FAT ignores case, and NetworkManager ignores names with certain suffixes. Therefore the name only contains
    lower-case letters, digits, `-` and `_`, and a hash if the id contains anything else.
    """
    slug = re.sub(r"[^a-z0-9_]+", "-", connection_id.lower()).strip("-")[:_MAX_SLUG].strip("-")
    if slug == connection_id and not _RESERVED.fullmatch(slug) and not _ends_with_hash(slug):
        return slug
    from hashlib import sha1

    digest = sha1(connection_id.encode(), usedforsecurity=False).hexdigest()[:8]
    return f"{slug or 'profile'}-{digest}"


def _ends_with_hash(slug: str) -> bool:
    return re.search(r"-[0-9a-f]{8}$", slug) is not None
