"""What is in an archive of images: its files, their links, and the texts among them."""

from __future__ import annotations

import json
import posixpath
import tarfile
from dataclasses import dataclass, field
from typing import Any

from resin_toolkit.errors import ImageDamaged
from resin_toolkit.push.transfer.decompression import PeekableStream, Readable

_TEXT_LIMIT = 4 * 1024 * 1024
"""Bytes that a manifest or a configuration may have."""
_HOPS = 16


def damaged_archive(name: str, what: str) -> ImageDamaged:
    """An archive that contradicts itself."""
    return ImageDamaged(f"{name} is no whole archive of an image: {what}.", hint="Save it anew.")


def member_name(member: tarfile.TarInfo) -> str:
    """A member's name as others refer to it."""
    return posixpath.normpath(member.name).lstrip("/")


@dataclass
class ArchiveIndex:
    """Files by their names: where each lies and of what size; names that stand for others; texts."""

    name: str
    """What the archive is called."""
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)

    def note(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Readable | None:
        """Remember a file, text or link; what can be read of a file that is no text."""
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
        # A layer is a tar archive, which begins with the name of a file, or is compressed.
        if beginning not in (b"{", b"[") or member.size > _TEXT_LIMIT or name.endswith(".tar"):
            return PeekableStream(beginning, file)
        self.texts[name] = beginning + file.read()
        return None

    def target(self, name: str) -> str:
        """The file that is meant by a name: `docker save` links layers with the same content."""
        name = posixpath.normpath(name)
        for _ in range(_HOPS):
            if name not in self.links:
                break
            name = self.links[name]
        return name

    def text(self, name: str) -> bytes:
        """A manifest or configuration. Raises ImageDamaged where there is none."""
        found = self.texts.get(self.target(name))
        if found is None:
            raise damaged_archive(self.name, f"it lacks {name}")
        return found

    def json(self, name: str) -> Any:
        """What is in a manifest or configuration. Raises ImageDamaged."""
        try:
            return json.loads(self.text(name))
        except (ValueError, RecursionError) as error:
            raise damaged_archive(self.name, f"{name} is no JSON") from error
