"""Profiles of Ethernet connections."""

from __future__ import annotations

from dataclasses import dataclass

from image_tools.profiles.addressing import AUTOMATIC, Addressing
from image_tools.profiles.identity import Profile, check_id, check_priority, uuid_of
from image_tools.profiles.keyfile import Sections


@dataclass(frozen=True)
class EthernetProfile(Profile):
    """An Ethernet connection: automatic, static or shared. Raises BadValue for invalid values."""

    id: str = "ethernet"
    priority: int | None = None
    addressing: Addressing = AUTOMATIC

    def __post_init__(self) -> None:
        check_id(self.id)
        check_priority(self.priority)

    @property
    def connection_id(self) -> str:
        """Return `id`."""
        return self.id

    @property
    def uuid(self) -> str:
        """Derived from the id only, so it stays the same when other values change."""
        return uuid_of("ethernet", self.id)

    def sections(self) -> Sections:
        """Return the sections of the keyfile, for NetworkManager 1.0 and later."""
        sections = {"connection": self._connection("ethernet", self.priority), "ethernet": {}}
        return {**sections, **self.addressing.sections()}
