"""Profiles of Wi-Fi networks that the device joins."""

from __future__ import annotations

from dataclasses import dataclass, field

from image_tools.profiles.addressing import AUTOMATIC, Addressing
from image_tools.profiles.enterprise import Enterprise
from image_tools.profiles.identity import Profile, check_id, check_priority, uuid_of
from image_tools.profiles.keyfile import Sections, escape, escape_ssid
from image_tools.profiles.methods import Security
from image_tools.profiles.wifi_credentials import (
    check_passphrase,
    check_sae_passphrase,
    check_ssid,
    pre_shared_key,
    ssid_text,
)
from resin_toolkit.errors import BadValue


@dataclass(frozen=True)
class WifiProfile(Profile):
    """A Wi-Fi network that the device joins.

    `id` is the SSID by default. `security` is by default WPA-PSK with a passphrase, else open. For WPA-PSK,
    the derived key is stored unless `plain_passphrase` is set; SAE requires the passphrase. The network with
    the highest `priority` is tried first. Raises BadValue for invalid values.
    """

    ssid: bytes
    passphrase: str | None = field(default=None, repr=False)
    hidden: bool = False
    id: str | None = None
    security: Security | None = None
    plain_passphrase: bool = False
    enterprise: Enterprise | None = None
    priority: int | None = None
    addressing: Addressing = AUTOMATIC

    def __post_init__(self) -> None:
        check_ssid(self.ssid)
        self._check_secret()
        if self.id is not None:
            check_id(self.id)
        check_priority(self.priority)
        if self.addressing.shared:
            raise BadValue(
                "A Wi-Fi network that the device joins cannot be shared.",
                hint="Use a hotspot, or share the Ethernet connection.",
            )

    @property
    def effective_security(self) -> Security:
        """Return `security` or its default."""
        if self.security is not None:
            return self.security
        return Security.OPEN if self.passphrase is None else Security.WPA_PSK

    @property
    def connection_id(self) -> str:
        """Return `id` or its default."""
        return self.id if self.id is not None else ssid_text(self.ssid)

    @property
    def uuid(self) -> str:
        """Derived from id and SSID only, so it stays the same when other values change."""
        return uuid_of("wifi", self.connection_id, self.ssid.hex())

    def sections(self) -> Sections:
        """Return the sections of the keyfile, for NetworkManager 1.0 and later (SAE: 1.16)."""
        wifi = {"mode": "infrastructure", "ssid": escape_ssid(self.ssid)}
        if self.hidden:
            wifi["hidden"] = "true"
        sections = {"connection": self._connection("wifi", self.priority), "wifi": wifi}
        return {**sections, **self._security_sections(), **self.addressing.sections()}

    def attachments(self) -> tuple[tuple[str, bytes], ...]:
        """Return the certificates and the key of an enterprise network."""
        return () if self.enterprise is None else self.enterprise.attachments(self.file_name)

    def _security_sections(self) -> dict[str, dict[str, str]]:
        method = self.effective_security.eap
        if method is not None and self.enterprise is not None:
            keys = self.enterprise.section(method, self.file_name)
            return {"wifi-security": {"key-mgmt": "wpa-eap"}, "802-1x": keys}
        if self.passphrase is None:
            return {}
        if self.effective_security is Security.SAE:
            # WPA3 requires protected management frames: 3 is "required".
            return {"wifi-security": {"key-mgmt": "sae", "pmf": "3", "psk": escape(self.passphrase)}}
        plain = self.plain_passphrase and len(self.passphrase) < 64
        psk = escape(self.passphrase) if plain else pre_shared_key(self.passphrase, self.ssid)
        return {"wifi-security": {"key-mgmt": "wpa-psk", "psk": psk}}

    def _check_secret(self) -> None:
        security, method = self.effective_security, self.effective_security.eap
        if (method is None) != (self.enterprise is None):
            raise BadValue(
                f"Wi-Fi security {security} {'does not use' if method is None else 'requires'} an identity.",
                hint="Only peap, ttls and tls use an identity.",
            )
        if method is not None and self.enterprise is not None:
            self.enterprise.check(method)
        takes_passphrase = security in (Security.WPA_PSK, Security.SAE)
        if takes_passphrase != (self.passphrase is not None):
            relation = "requires" if takes_passphrase else "does not use"
            raise BadValue(
                f"Wi-Fi security {security} {relation} a passphrase.",
                hint="Only wpa-psk and sae use a passphrase.",
            )
        if self.passphrase is not None:
            (check_sae_passphrase if security is Security.SAE else check_passphrase)(self.passphrase)
