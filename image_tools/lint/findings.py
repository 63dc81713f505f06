"""Lint findings: code, severity, location, message and remedy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum

CODES = {
    # Syntax
    "keyfile-syntax": "The file is not a valid keyfile; the device rejects it.",
    "keyfile-escape": "A value has an invalid backslash escape.",
    "keyfile-bom": "The file starts with a byte-order mark, so the device cannot read it.",
    "keyfile-crlf": "The file has Windows line endings.",
    "keyfile-twice": "A key appears twice in a section; the first has no effect.",
    "keyfile-unknown-section": "Unknown section; NetworkManager ignores it.",
    "keyfile-unknown-key": "Unknown key; NetworkManager ignores it.",
    "keyfile-value": "The value has the wrong type or is not allowed for the key.",
    # Every profile
    "profile-skipped": "NetworkManager ignores files with this name.",
    "profile-no-connection": "The profile has no [connection] section.",
    "profile-no-id": "The profile has no id.",
    "profile-no-uuid": "The profile has no uuid; NetworkManager derives one from the file name.",
    "profile-uuid": "The uuid is invalid; NetworkManager rejects the profile.",
    "profile-no-type": "The profile has no type.",
    "profile-type": "Unknown connection type.",
    "profile-no-section": "The section that the connection type requires is missing.",
    "profile-vpn": "The VPN requires a plugin that the device does not have.",
    "profile-permissions": "The profile is restricted to a user (permissions).",
    "profile-autoconnect": "The profile does not connect automatically.",
    "profile-interface": "The profile is bound to an interface name that boards rarely have.",
    "profile-interface-name": "The interface name is invalid, or required and missing.",
    "profile-mac-address": "The profile is bound to one network adapter.",
    # Wi-Fi
    "profile-ssid": "The SSID is missing, empty or longer than 32 bytes.",
    "profile-channel": "A channel is set without a band.",
    "profile-no-security": "The security section that the Wi-Fi section names is missing.",
    "profile-key-mgmt": "key-mgmt is missing, unknown, or contradicts the other keys.",
    "profile-psk": "The passphrase is missing or not valid for WPA.",
    "profile-sae-key": "SAE requires the passphrase; 64 hex digits are a key derived for WPA-PSK.",
    "profile-agent-secret": "A secret is left to a desktop secret agent (flags), which the device lacks.",
    "profile-sample": "The profile still has the passphrase or SSID of the sample.",
    # 802.1X
    "profile-no-8021x": "The [802-1x] section that key-mgmt requires is missing.",
    "profile-eap": "The EAP method is missing, or lacks an identity, a phase 2 or certificates.",
    "profile-no-password": "The EAP method requires a password.",
    "profile-certificate": "The device will not find a certificate or key at this path.",
    # Addresses
    "profile-no-address": "The method is manual but no address is set.",
    "profile-ip-method": "The method is missing, or contradicts the other keys.",
    "profile-no-prefix": "An address has no prefix length.",
    "profile-gateway": "The gateway is outside the networks of the addresses, or no address is set.",
    # Other types of connection
    "profile-apn": "The cellular profile has no APN; NetworkManager guesses it from the SIM.",
    "profile-wireguard": "The private key, or the public key of a peer, is missing.",
    "profile-vlan": "The VLAN has no parent interface or id.",
    "profile-bluetooth": "The Bluetooth profile has no peer address.",
    # The boot partition as a whole
    "sample-active": "The sample profile is active and does not name a real network.",
    "profile-same-id": "Two profiles have the same id.",
    "profile-same-uuid": "Two profiles have the same uuid; NetworkManager uses one of them.",
    "secret-passphrase": "A passphrase is stored where the derived key would suffice.",
    "secret-private-key": "A private key is not encrypted.",
    "profile-unreadable": "The profile is too large or a directory.",
    "config-syntax": "config.json cannot be read.",
    "config-bom": "config.json starts with a byte-order mark.",
    "config-crlf": "config.json has Windows line endings.",
    "config-wrong-type": "A config.json value has the wrong type.",
    "config-bad-value": "A config.json value is invalid.",
    "config-unknown-key": "Unknown config.json key.",
    "config-flat-key": "A config.json key contains dots where the device expects nested objects.",
    "config-text-for-bool": "A config.json value is text instead of true or false.",
    "config-old-key": "A config.json key that only OS 1.x reads.",
    "proxy-syntax": "redsocks.conf cannot be read.",
    "proxy-block": "redsocks.conf lacks a section, or a key is outside its section.",
    "proxy-key": "redsocks.conf lacks a key or has an invalid value.",
    "no-proxy": "A no_proxy line is not an address or network.",
}
"""The stable code of each finding, with its meaning."""


class Severity(Enum):
    """An ERROR prevents the file from working; a WARNING may be intended."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """A problem in a file. Neither the message nor the remedy ever contains a secret.

    `line` counts from 1; it is None if the finding concerns the whole file, or something missing.
    """

    code: str
    severity: Severity
    file: str
    line: int | None
    message: str
    remedy: str

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    def data(self) -> dict[str, object]:
        """Return the finding as a JSON object."""
        return {**asdict(self), "severity": self.severity.value}

    def __str__(self) -> str:
        """Return FILE:LINE: SEVERITY: MESSAGE [CODE], and the remedy on a second line."""
        location = self.file if self.line is None else f"{self.file}:{self.line}"
        summary = f"{location}: {self.severity.value}: {self.message} [{self.code}]"
        return f"{summary}\n    {self.remedy}" if self.remedy else summary
