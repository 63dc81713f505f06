"""Network profiles of the boot partition: `system-connections/`, one NetworkManager keyfile each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from image_tools.profiles.keyfile import Keyfile, Sections, escape, escape_ssid, read_keyfile, render
from image_tools.profiles.wifi import (
    check_passphrase,
    check_ssid,
    pre_shared_key,
    ssid_text,
)
from resin_toolkit.errors import BadValue, ConfigInvalid

HIDDEN = "********"
_SAMPLES = ("resin-sample", "balena-sample")
_SAMPLE_SSID = b"My_Wifi_Ssid"
_IGNORED = ".ignore"

_OWN_NAMESPACE = bytes.fromhex("6f4b1c0e5d7a4f6c9a3e2b8d10c7f5a4")
_MAX_SLUG = 40
_RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d", re.ASCII)
_SECRET_KEY = re.compile(
    r"password|psk|wep-key|^pin$|preshared|secret|\bcak\b|mka-cak|^private-key$", re.ASCII
)


@dataclass(frozen=True)
class WifiProfile:
    """A Wi-Fi network that the device joins: WPA-PSK, or open without a passphrase.

    `id` is the name that people see; the SSID's text if left out. Raises BadValue for what cannot work.
    """

    ssid: bytes
    passphrase: str | None = field(default=None, repr=False)
    hidden: bool = False
    id: str | None = None

    def __post_init__(self) -> None:
        check_ssid(self.ssid)
        if self.passphrase is not None:
            check_passphrase(self.passphrase)
        if self.id is not None:
            _check_id(self.id)

    @property
    def connection_id(self) -> str:
        """`id`, or what stands for it."""
        return self.id if self.id is not None else ssid_text(self.ssid)

    @property
    def uuid(self) -> str:
        """The same for the same id and SSID, whatever else changes."""
        return uuid_of("wifi", self.connection_id, self.ssid.hex())

    @property
    def file_name(self) -> str:
        """The file's name in `system-connections/`."""
        return file_name_of(self.connection_id)

    def keyfile(self) -> bytes:
        """The file, for NetworkManager 1.0 and later. It holds the derived key, not the passphrase."""
        return render(self._sections())

    def _sections(self) -> Sections:
        connection = {"id": escape(self.connection_id), "uuid": self.uuid, "type": "wifi"}
        wifi = {"mode": "infrastructure", "ssid": escape_ssid(self.ssid)}
        if self.hidden:
            wifi["hidden"] = "true"
        sections = {"connection": connection, "wifi": wifi}
        if self.passphrase is not None:
            psk = pre_shared_key(self.passphrase, self.ssid)
            sections["wifi-security"] = {"key-mgmt": "wpa-psk", "psk": psk}
        return {**sections, "ipv4": {"method": "auto"}, "ipv6": {"method": "auto"}}


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


def is_sample(name: str, data: bytes) -> bool:
    """Whether this is a sample profile that the device would use: one that still names no real network.

    A file of the sample's name that someone has put a network of their own into is no sample any more.
    """
    if name.lower().endswith(_IGNORED):
        return False
    try:
        ssid = read_keyfile(data).ssid
    except ConfigInvalid:
        return _SAMPLE_SSID in data
    return ssid == _SAMPLE_SSID or (ssid is None and name.lower() in _SAMPLES)


def summary(keyfile: Keyfile) -> dict[str, object]:
    """What people want to know of a profile, secrets hidden; fit for JSON."""
    settings = {
        section: {key: _shown(section, key, value) for key, value in keys.items()}
        for section, keys in keyfile.sections.items()
    }
    result: dict[str, object] = {"id": keyfile.id, "uuid": keyfile.uuid, "type": keyfile.type}
    if keyfile.type == "wifi":
        result["ssid"] = None if keyfile.ssid is None else ssid_text(keyfile.ssid)
        result["hidden"] = keyfile.text("wifi", "hidden") in ("true", "1")
        result["security"] = keyfile.text("wifi-security", "key-mgmt") or "open"
    return {**result, "settings": settings}


def _check_id(text: str) -> None:
    if not text or any(c < " " or "\x7f" <= c < "\xa0" or "\ud800" <= c <= "\udfff" for c in text):
        raise BadValue(
            "The profile's id is empty or has control characters.", hint="Give it a name that can be read."
        )


def _shown(section: str, key: str, value: str) -> str:
    is_path = value.startswith(("/", "file://"))
    is_secret = (section == "vpn-secrets" or _SECRET_KEY.search(key)) and not key.endswith("-flags")
    return HIDDEN if is_secret and not (is_path and key == "private-key") else value


def _ends_with_hash(slug: str) -> bool:
    return re.search(r"-[0-9a-f]{8}$", slug) is not None
