"""A cable."""

from __future__ import annotations

from dataclasses import dataclass

from image_tools.profiles.addressing import AUTOMATIC, Addressing
from image_tools.profiles.identity import Profile, check_id, check_priority, uuid_of
from image_tools.profiles.keyfile import Sections


@dataclass(frozen=True)
class EthernetProfile(Profile):
    """The device's Ethernet port: with static addresses, or shared. Raises BadValue for what cannot work."""

    id: str = "ethernet"
    priority: int | None = None
    addressing: Addressing = AUTOMATIC

    def __post_init__(self) -> None:
        check_id(self.id)
        check_priority(self.priority)

    @property
    def connection_id(self) -> str:
        """`id`."""
        return self.id

    @property
    def uuid(self) -> str:
        """The same for the same id, whatever else changes."""
        return uuid_of("ethernet", self.id)

    def sections(self) -> Sections:
        """The keyfile's sections, for NetworkManager 1.0 and later."""
        sections = {"connection": self._connection("ethernet", self.priority), "ethernet": {}}
        return {**sections, **self.addressing.sections()}
