"""Profiles of Wi-Fi hotspots."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from image_tools.profiles.addressing import SHARED, Addressing
from image_tools.profiles.identity import Profile, check_id, check_priority, uuid_of
from image_tools.profiles.keyfile import Sections, escape_ssid
from image_tools.profiles.wifi_credentials import check_passphrase, check_ssid, pre_shared_key
from resin_toolkit.errors import BadValue


class Band(StrEnum):
    """A Wi-Fi band, with the name in NetworkManager."""

    GHZ_5 = "a"
    GHZ_2 = "bg"

    @property
    def channels(self) -> frozenset[int]:
        """The channels that NetworkManager accepts; regulation or the adapter may forbid some."""
        if self is Band.GHZ_2:
            return frozenset(range(1, 15))
        return frozenset((*range(36, 65, 4), *range(100, 141, 4), *range(149, 166, 4)))


@dataclass(frozen=True)
class HotspotProfile(Profile):
    """A WPA2 network that the device runs, with a DHCP server and NAT.

    `id` is `hotspot` by default. A `channel` without a band selects the band that has it. Raises BadValue for
    invalid values.
    """

    ssid: bytes
    passphrase: str = field(repr=False)
    id: str | None = None
    band: Band | None = None
    channel: int | None = None
    priority: int | None = None
    addressing: Addressing = SHARED

    def __post_init__(self) -> None:
        check_ssid(self.ssid)
        check_passphrase(self.passphrase)
        check_id(self.connection_id)
        check_priority(self.priority)
        if self.channel is not None and self._band is None:
            raise BadValue(
                f"There is no Wi-Fi channel {self.channel}{f' in band {self.band}' if self.band else ''}.",
                hint="Band bg has channels 1 to 14, band a has 36, 40, 44, 48 and more.",
            )

    @property
    def connection_id(self) -> str:
        """Return `id` or its default."""
        return self.id if self.id is not None else "hotspot"

    @property
    def uuid(self) -> str:
        """Derived from id and SSID only, so it stays the same when other values change."""
        return uuid_of("hotspot", self.connection_id, self.ssid.hex())

    def sections(self) -> Sections:
        """Return the sections of the keyfile, for NetworkManager 1.0 and later."""
        wifi = {"mode": "ap", "ssid": escape_ssid(self.ssid)}
        if self._band is not None:
            wifi["band"] = self._band
        if self.channel is not None:
            wifi["channel"] = str(self.channel)
        security = {
            "key-mgmt": "wpa-psk",
            "proto": "rsn;",
            "pairwise": "ccmp;",
            "group": "ccmp;",
            "psk": pre_shared_key(self.passphrase, self.ssid),
        }
        sections = {"connection": self._connection("wifi", self.priority), "wifi": wifi}
        return {**sections, "wifi-security": security, **self.addressing.sections()}

    @property
    def _band(self) -> Band | None:
        """The band to write, or None if no band is set or none has the channel."""
        if self.channel is None:
            return self.band
        bands = Band if self.band is None else (self.band,)
        return next((band for band in bands if self.channel in band.channels), None)
