"""What a profile is known by: its id, its uuid, and the name of its file."""

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
    """What every profile has that is made here: a name for people, one for programs, and its files."""

    @property
    @abstractmethod
    def connection_id(self) -> str:
        """The name that people see."""

    @property
    @abstractmethod
    def uuid(self) -> str:
        """The name that programs use: the same for the same profile, whatever else changes."""

    @property
    def file_name(self) -> str:
        """The keyfile's name in `system-connections/`."""
        return file_name_of(self.connection_id)

    @abstractmethod
    def sections(self) -> Sections:
        """The keyfile's sections, the values escaped."""

    def attachments(self) -> tuple[tuple[str, bytes], ...]:
        """Name and content of the files that the keyfile names, to be put beside it."""
        return ()

    def keyfile(self) -> bytes:
        """The file that NetworkManager reads. It holds secrets."""
        return render(self.sections())

    def files(self) -> tuple[tuple[str, bytes], ...]:
        """Name and content of everything to put into `system-connections/`; the keyfile comes last."""
        return (*self.attachments(), (self.file_name, self.keyfile()))

    def _connection(self, kind: str, priority: int | None) -> dict[str, str]:
        section = {"id": escape(self.connection_id), "uuid": self.uuid, "type": kind}
        return {**section, "autoconnect-priority": str(priority)} if priority else section


def check_id(text: str) -> None:
    """Raise BadValue for an id that nobody can read: empty, or with control characters."""
    if not is_readable(text):
        raise BadValue(
            "The profile's id is empty or has control characters.", hint="Give it a name that can be read."
        )


def check_priority(priority: int | None) -> None:
    """Raise BadValue unless NetworkManager takes it as connection.autoconnect-priority."""
    if priority is not None and not LOWEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        raise BadValue(
            f"{priority} is no priority of a connection.",
            hint=f"It goes from {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}; the highest is tried first.",
        )


def is_readable(text: str) -> bool:
    """Whether there is some text, without control characters, and Unicode can hold it."""
    return bool(text) and not any(c < " " or "\x7f" <= c < "\xa0" or "\ud800" <= c <= "\udfff" for c in text)


def uuid_of(*identity: str) -> str:
    """The name-based UUID (RFC 9562, version 5) of what identifies a profile."""
    from hashlib import sha1

    name = "\0".join(identity).encode()
    digest = bytearray(sha1(_OWN_NAMESPACE + name, usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def file_name_of(connection_id: str) -> str:
    """A file name for the profile of that id, another one for every id.

    FAT and Windows tell no upper from lower case, and NetworkManager skips names with certain endings: so
    the name has lower-case letters, digits, `-` and `_` only, and a hash where that loses something.
    """
    slug = re.sub(r"[^a-z0-9_]+", "-", connection_id.lower()).strip("-")[:_MAX_SLUG].strip("-")
    if slug == connection_id and not _RESERVED.fullmatch(slug) and not _ends_with_hash(slug):
        return slug
    from hashlib import sha1

    digest = sha1(connection_id.encode(), usedforsecurity=False).hexdigest()[:8]
    return f"{slug or 'profile'}-{digest}"


def _ends_with_hash(slug: str) -> bool:
    return re.search(r"-[0-9a-f]{8}$", slug) is not None
