"""What people want to know of a profile that is there, and whether it is only a sample."""

from __future__ import annotations

import re

from image_tools.profiles.keyfile import Keyfile, read_keyfile
from image_tools.profiles.wifi import ssid_text
from resin_toolkit.errors import ConfigInvalid

HIDDEN = "********"
_SAMPLES = ("resin-sample", "balena-sample")
_SAMPLE_SSID = b"My_Wifi_Ssid"
_IGNORED = ".ignore"

_LOGIN_IN_URL = re.compile(r"(?<=://)[^/?#\s]*@")
_SECRET_KEY = re.compile(r"pass|psk|wep-key|^pin$|preshared|secret|\bcak\b|mka-cak|^private-key$", re.ASCII)


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


def _shown(section: str, key: str, value: str) -> str:
    is_path = value.startswith(("/", "file://"))
    is_secret = (section == "vpn-secrets" or _SECRET_KEY.search(key)) and not key.endswith("-flags")
    if is_secret and not (is_path and key == "private-key"):
        return HIDDEN
    return _LOGIN_IN_URL.sub(f"{HIDDEN}@", value)
