"""The index of an image archive: its files, links, and JSON documents."""

from __future__ import annotations

import json
import posixpath
import tarfile
from dataclasses import dataclass, field
from typing import Any

from resin_toolkit.errors import ImageDamaged
from resin_toolkit.push.transfer.decompression import PeekableStream, Readable

_TEXT_LIMIT = 4 * 1024 * 1024
"""The largest manifest or configuration, in bytes."""
_TEXTS_LIMIT = 32 * 1024 * 1024
"""Bytes of all manifests and configurations; and of those that are parsed, some maybe several times."""
_HOPS = 16


def damaged_archive(name: str, what: str) -> ImageDamaged:
    """The error for an archive that contradicts itself; `what` is a clause."""
    return ImageDamaged(f"The image archive {name} is damaged: {what}.", hint="Save it again.")


def member_name(member: tarfile.TarInfo) -> str:
    """The normalised name of a member."""
    return posixpath.normpath(member.name).lstrip("/")


@dataclass
class ArchiveIndex:
    """Files, links and JSON documents of an archive, by name; `places` are offsets and sizes in bytes."""

    name: str
    """The name of the archive, for errors."""
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)
    _texts_left: int = _TEXTS_LIMIT
    _parsing_left: int = _TEXTS_LIMIT

    def note(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Readable | None:
        """Add a member. Returns the content of a file that is not a JSON document."""
        name = member_name(member)
        if member.issym():
            self.links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
        elif member.islnk():
            self.links[name] = posixpath.normpath(member.linkname).lstrip("/")
        file = tar.extractfile(member) if member.isfile() else None
        if file is None:
            return None
        self.places[name] = member.offset_data, member.size
        beginning = file.read(1)
        # A layer begins with the name of a file, as a tar archive, or is compressed.
        if beginning not in (b"{", b"[") or member.size > _TEXT_LIMIT or name.endswith(".tar"):
            return PeekableStream(beginning, file)
        self._texts_left -= member.size
        if self._texts_left < 0:
            raise damaged_archive(self.name, f"its manifests have more than {_TEXTS_LIMIT >> 20} MiB")
        self.texts[name] = beginning + file.read()
        return None

    def target(self, name: str) -> str:
        """The file behind a name: `docker save` links layers with the same content."""
        name = posixpath.normpath(name)
        for _ in range(_HOPS):
            if name not in self.links:
                break
            name = self.links[name]
        return name

    def text(self, name: str) -> bytes:
        """A manifest or configuration. Raises ImageDamaged if it is missing."""
        found = self.texts.get(self.target(name))
        if found is None:
            raise damaged_archive(self.name, f"{name} is missing")
        return found

    def json(self, name: str) -> Any:
        """A parsed manifest or configuration. Raises ImageDamaged, also after parsing too much."""
        content = self.text(name)
        self._parsing_left -= len(content)
        if self._parsing_left < 0:
            raise damaged_archive(self.name, "its manifests refer to each other too often")
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise damaged_archive(self.name, f"{name} is not valid JSON") from error
