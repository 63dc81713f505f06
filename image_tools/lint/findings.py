"""What a linter found: a stable code, how bad it is, where, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

CODES = {
    # Reading
    "keyfile-syntax": "The file is no keyfile: GKeyFile refuses the line, and the device the whole file.",
    "keyfile-escape": "A value has a backslash that begins no escape.",
    "keyfile-bom": "The file begins with a byte-order mark, which keeps the device from reading it.",
    "keyfile-crlf": "The file has line ends of Windows.",
    "keyfile-twice": "A key stands in its section twice; the first line is without effect.",
    "keyfile-unknown-section": "NetworkManager has no such section, and passes it over.",
    "keyfile-unknown-key": "NetworkManager has no such key in the section, and passes it over.",
    "keyfile-value": "The value is none of its key's kind, or none that the key may have.",
    # Every profile
    "profile-skipped": "The file has a name that NetworkManager passes over.",
    "profile-no-connection": "The profile has no [connection] section.",
    "profile-no-id": "The profile has no id.",
    "profile-no-uuid": "The profile has no uuid; NetworkManager makes one up from the file's name.",
    "profile-uuid": "The uuid is none, for which NetworkManager refuses the profile.",
    "profile-no-type": "The profile does not say what it is.",
    "profile-type": "NetworkManager has no such type of connection.",
    "profile-no-section": "The section that the type of connection needs is missing.",
    "profile-vpn": "A VPN of a kind that needs a plugin, which the device does not have.",
    "profile-permissions": "The profile is for one user of the workstation.",
    "profile-autoconnect": "The device does not use the profile by itself.",
    "profile-interface": "The profile is tied to an interface of a name that boards seldom have.",
    "profile-interface-name": "No interface can have that name, or the type needs one and has none.",
    "profile-mac-address": "The profile is tied to one adapter.",
    # Wi-Fi
    "profile-ssid": "The SSID is missing, empty or longer than 32 bytes.",
    "profile-channel": "A channel is set without its band.",
    "profile-no-security": "The Wi-Fi section names a security section that is not there.",
    "profile-key-mgmt": "key-mgmt is missing, unknown, or contradicts the other keys.",
    "profile-psk": "The passphrase is missing, or can be none of a WPA network.",
    "profile-sae-key": "SAE takes the passphrase; 64 hex digits are a derived key of WPA-PSK.",
    "profile-agent-secret": "A secret is left to a desktop (flags), and the device has none to ask.",
    "profile-sample": "The profile still has the passphrase or the SSID of the sample.",
    # 802.1X
    "profile-no-8021x": "The [802-1x] section that key-mgmt asks for is missing.",
    "profile-eap": "The EAP method is missing, or lacks an identity, a phase 2 or certificates.",
    "profile-no-password": "The EAP method needs a password, and there is none.",
    "profile-certificate": "A certificate or key that the device will not find at its path.",
    # Addresses
    "profile-no-address": "The method is manual, and there is no address.",
    "profile-ip-method": "The method is missing, or contradicts the other keys.",
    "profile-no-prefix": "An address without the length of its prefix.",
    "profile-gateway": "A gateway outside of the networks of the addresses, or without any address.",
    # Other kinds
    "profile-apn": "A cellular profile without an APN: NetworkManager guesses from the SIM's provider.",
    "profile-wireguard": "A WireGuard profile without its private key, or a peer without its public key.",
    "profile-vlan": "A VLAN without its parent or its number.",
    "profile-bluetooth": "A Bluetooth profile without the address of the other side.",
    # What only a look at the whole boot partition shows
    "sample-active": "The sample profile is in use, and names no real network.",
    "profile-same-id": "Two profiles have the same id.",
    "profile-same-uuid": "Two profiles have the same uuid; NetworkManager uses one of them.",
    "secret-passphrase": "A passphrase in the clear where the derived key would do.",
    "secret-private-key": "A private key that is not encrypted.",
    "profile-unreadable": "A profile that is too large, or a directory.",
    "config-syntax": "config.json cannot be read.",
    "config-bom": "config.json begins with a byte-order mark.",
    "config-crlf": "config.json has line ends of Windows.",
    "config-wrong-type": "A value of config.json has another type than the device reads.",
    "config-bad-value": "A value of config.json can never work.",
    "config-unknown-key": "A key of config.json that is not known.",
    "config-flat-key": "A name with dots in config.json, where the device looks for nested objects.",
    "config-text-for-bool": "A text in config.json where a truth value should be.",
    "config-old-key": "A key of config.json that only OS 1.x reads.",
    "proxy-syntax": "redsocks.conf cannot be read.",
    "proxy-block": "redsocks.conf lacks a block, or has a key without its block.",
    "proxy-key": "redsocks.conf lacks a key, or has a value that cannot work.",
    "no-proxy": "A line of no_proxy is no address and no network.",
}
"""Every code, and what it means."""


class Severity(Enum):
    """How bad a finding is: an ERROR can never work as it stands, a WARNING may be meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """Something wrong or dubious in a file. Neither the message nor the remedy ever holds a secret.

    `line` counts from 1; None where the finding is about the file as a whole, or about what it lacks.
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
